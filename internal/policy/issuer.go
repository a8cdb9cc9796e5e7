package policy

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// maxIssuers bounds how many issuers a document may believe.
const maxIssuers = 50

// Issuer is whose tokens this document believes.
type Issuer struct {
	workload.Issuer // pinned where its Keys are not empty
	// Vault says that it is a HashiCorp Vault, whose tokens are looked up there
	// by whoever holds them: nobody else can verify them.
	Vault bool

	pinned workload.Keys
}

// IssuerKeys are the keys of an issuer that does not pin them, as they were
// fetched for an evaluation.
type IssuerKeys struct {
	Keys workload.Keys
	Err  error // why they are not known; nil where they are
}

// Issuer returns the issuer of a URL.
func (d *Document) Issuer(url string) (Issuer, bool) {
	i := slices.IndexFunc(d.Issuers, func(issuer Issuer) bool { return issuer.URL == url })
	if i < 0 {
		return Issuer{}, false
	}
	return d.Issuers[i], true
}

func (r *reader) issuers(body *hclsyntax.Body) []Issuer {
	var issuers []Issuer
	names := map[string]bool{}
	for _, block := range r.blocks(body, "issuer", maxIssuers) {
		r.check(block.TypeRange, "issuer", workload.CheckIssuer(block.Labels[0]))
		r.once(names, block.TypeRange, "issuer", block.Labels[0])
		r.shape(block.Body, []string{"audiences", "vault"}, map[string]int{"key": 1})
		issuer := Issuer{Issuer: workload.Issuer{URL: block.Labels[0]}, Vault: r.flag(block.Body, "vault")}
		_, audiences := block.Body.Attributes["audiences"]
		if issuer.Vault {
			if audiences || len(block.Body.Blocks) > 0 {
				r.fail(block.TypeRange, "issuer %.80q: the tokens of a Vault have no audiences and no keys, they are looked up", issuer.URL)
			}
			issuers = append(issuers, issuer)
			continue
		}
		written, at := r.list(block.Body, "audiences", true)
		for _, audience := range written {
			r.check(at, "audiences", workload.CheckAudience(audience))
		}
		issuer.Audiences = written
		issuer.Keys, issuer.pinned = r.pinned(block)
		issuers = append(issuers, issuer)
	}
	return issuers
}

// keyFields are those of a JSON Web Key (RFC 7517, RFC 7518) that is public.
var keyFields = []string{"kty", "alg", "use", "n", "e", "crv", "x", "y"}

// pinned reads the keys of an issuer, as its key set has them: none where they
// are to be fetched.
func (r *reader) pinned(block *hclsyntax.Block) (string, workload.Keys) {
	set := struct {
		Keys []map[string]string `json:"keys"`
	}{}
	names := map[string]bool{}
	for _, inner := range r.blocks(block.Body, "key", nhi.MaxListItems) {
		r.once(names, inner.TypeRange, "key", inner.Labels[0])
		r.shape(inner.Body, keyFields, nil)
		key := map[string]string{"kid": inner.Labels[0]}
		for _, field := range keyFields {
			if text, _, ok := r.text(inner.Body, field, field == "kty"); ok {
				key[field] = text
			}
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 0 {
		return "", workload.Keys{}
	}
	text, err := json.Marshal(set)
	r.check(block.TypeRange, "key", err)
	keys, err := workload.ParseKeys(string(text))
	r.check(block.TypeRange, fmt.Sprintf("issuer %.80q", block.Labels[0]), err)
	return string(text), keys
}

// believed records an issuer that has no block: nothing of it could be proven.
func (r *reader) believed(block *hclsyntax.Block, issuers []Issuer) string {
	url, at, ok := r.text(block.Body, "issuer", true)
	if !ok {
		return ""
	}
	r.check(at, "issuer", nhi.CheckText(url))
	if !slices.ContainsFunc(issuers, func(issuer Issuer) bool { return issuer.URL == url }) {
		r.fail(at, "%s %.60q: there is no block issuer %.80q, which says what tokens of it are believed", block.Type, block.Labels[0], url)
	}
	return url
}
