package policy

import (
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxProtected bounds the protected blocks of a document.
const maxProtected = 200

// Protected names principals that no grant may touch, whoever approves: they
// are neither given, nor taken over, nor asked for in any other setting.
type Protected struct {
	Name      string
	Kinds     []string // names of kinds, or "*" alone
	Endpoints []string // patterns: * is any letters
	Names     []string // patterns, whatever the capitals
}

// touches returns the setting and the item by which an access touches what is
// protected; false where none does. Every setting is looked at, so that a new
// kind of access cannot name a principal unseen.
func (p Protected) touches(access nhi.Access) (setting, item string, touched bool) {
	if !named(p.Kinds, access.Kind) || !slices.ContainsFunc(p.Endpoints, func(pattern string) bool { return glob(pattern, access.Endpoint) }) {
		return "", "", false
	}
	for _, name := range access.Settings.Names() {
		for _, item := range itemsOf(access.Settings[name]) {
			if slices.ContainsFunc(p.Names, func(pattern string) bool { return glob(pattern, item) }) {
				return name, item, true
			}
		}
	}
	return "", "", false
}

// glob says whether a pattern matches all of a text: * is any letters, and a
// slash is a letter like any other.
func glob(pattern, text string) bool {
	// path.Match stops at slashes; a letter that neither may hold stands for them.
	const slash = "\x00"
	flat := strings.NewReplacer("/", slash, `\`, `\\`, "[", `\[`, "?", `\?`)
	matched, err := path.Match(strings.ToLower(flat.Replace(pattern)), strings.ToLower(strings.ReplaceAll(text, "/", slash)))
	return err == nil && matched
}

func (r *reader) protected(body *hclsyntax.Body) []Protected {
	var all []Protected
	names := map[string]bool{}
	for _, block := range r.blocks(body, "protected", maxProtected) {
		r.check(block.TypeRange, "protected", nhi.CheckText(block.Labels[0]))
		r.once(names, block.TypeRange, "protected", block.Labels[0])
		r.shape(block.Body, []string{"kinds", "endpoints", "names"}, nil)
		protected := Protected{Name: block.Labels[0], Kinds: r.names(block.Body, "kinds"), Endpoints: []string{anyName}}
		if _, written := block.Body.Attributes["endpoints"]; written {
			protected.Endpoints = r.patterns(block.Body, "endpoints")
		}
		protected.Names = r.patterns(block.Body, "names")
		all = append(all, protected)
	}
	return all
}

// patterns reads a list of texts in which * is any letters.
func (r *reader) patterns(body *hclsyntax.Body, name string) []string {
	patterns, at := r.list(body, name, true)
	for _, pattern := range patterns {
		r.check(at, name, nhi.CheckText(pattern))
	}
	return patterns
}

// protect denies what touches a protected principal.
func (d *Document) protect(ruling *Ruling, key string, access nhi.Access) {
	for _, protected := range d.Protected {
		if setting, item, touched := protected.touches(access); touched {
			ruling.deny(key, FieldProtected, "%q in %s is protected by %q: no grant may touch it", item, setting, protected.Name)
		}
	}
}
