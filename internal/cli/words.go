package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// privileges says in words what an access gives. Of a kind that is not built
// in, its settings are all that can be said.
func (a *app) privileges(access nhi.Access) []string {
	kind, known := a.kind(access.Kind)
	if known && kind.Privileges != nil {
		return kind.Privileges(access.Settings)
	}
	words := make([]string, 0, len(access.Settings))
	for _, name := range access.Settings.Names() {
		words = append(words, name+" = "+inHCL(access.Settings[name]))
	}
	return words
}

func (a *app) kind(name string) (connector.Kind, bool) {
	return kindIn(a.Kinds, name)
}

// place says where an access is.
func place(access nhi.Access) string {
	if access.Kind == nhi.KindExternal {
		return "outside of every system"
	}
	return fmt.Sprintf("on %s (%s)", access.System, access.Endpoint)
}

// summary says in one line what a request asks for.
func (a *app) summary(request nhi.Request) string {
	var parts []string
	for _, key := range request.Access.Keys() {
		access := request.Access[key]
		where := " on " + access.System
		if access.Kind == nhi.KindExternal {
			where = " (external)"
		}
		words := strings.Join(a.privileges(access), ", ")
		if adoption := a.adoption(access); adoption.Name != "" {
			words = "take over " + adoption.Name + " with " + words
		}
		parts = append(parts, words+where)
	}
	return strings.Join(parts, "; ")
}

// inHCL writes the value of a setting as HCL would.
func inHCL(value nhi.Value) string {
	if !value.IsList() {
		return strconv.Quote(value.Text())
	}
	quoted := make([]string, 0, len(value.Items()))
	for _, item := range value.Items() {
		quoted = append(quoted, strconv.Quote(item))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// cut shortens text to so many characters.
func cut(text string, longest int) string {
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest-1]) + "…"
}

// requester names who asked.
func requester(verdict policy.Verdict) string {
	if verdict.Requester == "" {
		return "unproven"
	}
	return verdict.Requester
}

// provenBy says in words by what the requester is proven.
func provenBy(by string) string {
	switch by {
	case policy.ProvenByOIDC:
		return "a proof over this request, by a token of an issuer that the policy believes"
	case policy.ProvenByVault:
		return "Vault, of whose entity this run is, too"
	default:
		return "a signature over this request"
	}
}

// progress writes how many have approved of how many, for each need.
func progress(needs []policy.Need) string {
	if len(needs) == 0 {
		return "-"
	}
	parts := make([]string, 0, len(needs))
	for _, need := range needs {
		if need.NoApproval {
			parts = append(parts, "none needed")
			continue
		}
		or := ""
		if need.RunConfirmation && len(need.Have) < need.Want {
			or = " (or a confirmed run)"
		}
		parts = append(parts, fmt.Sprintf("%d/%d %s%s", len(need.Have), need.Want, need.Group, or))
	}
	return strings.Join(parts, ", ")
}

// missing says what is still needed: "1 more of approvers".
func missing(needs []policy.Need) string {
	var parts []string
	for _, need := range needs {
		if more := need.Want - len(need.Have); more > 0 && !need.NoApproval {
			parts = append(parts, fmt.Sprintf("%d more of group %s", more, need.Group))
		}
	}
	return joined(parts)
}

// repeats says whether a reason only tells what is missing of a need.
func repeats(reason string, need policy.Need) bool {
	return strings.HasPrefix(reason, fmt.Sprintf("rule %q needs %d of %s, and", need.Rule, need.Want, need.Group))
}

// joined writes "ana, ben and cyd".
func joined(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// age says how long ago something was.
func age(span time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case span < time.Minute:
		return strconv.Itoa(max(0, int(span.Seconds()))) + "s"
	case span < time.Hour:
		return strconv.Itoa(int(span.Minutes())) + "m"
	case span < 2*day:
		return strconv.Itoa(int(span.Hours())) + "h"
	default:
		return strconv.Itoa(int(span/day)) + "d"
	}
}

// count writes "1 request", "2 requests".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		noun = stem + "ie"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
