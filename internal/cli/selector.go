package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// maxSelector bounds a selector, in bytes.
const maxSelector = 2_000

// selector picks approvals by what they are about: KEY=PATTERN for each key,
// all of which must match. The empty selector picks everything.
type selector map[string]string

// The keys of a selector. Those of an id need no reading at all; those of a
// verdict need the policy.
var (
	keysOfID      = []string{"environment", "scope", "identity"}
	keysOfRequest = []string{"owner", "system", "kind"}
	keysOfVerdict = []string{"requester", "rule", "status"}
)

// selectHelp explains a selector.
const selectHelp = `A selector is KEY=PATTERN, several joined by commas, and all must match:

  environment, scope   of the identity; in a scope * stands for letters within
                       one segment and ** for any number of segments
  identity             its name, or ENVIRONMENT/SCOPE/NAME as in a scope
  owner                of the identity
  kind                 of the identity, or of one of the systems
  system               one of the systems
`

// selectVerdictHelp explains the keys that need the policy.
const selectVerdictHelp = `  requester            who asked, or unproven
  rule                 one of the rules that decide
  status               pending, approved, denied, lapsed, withdrawn, spent, taken back
`

// parseSelector reads a selector of these keys.
func parseSelector(text string, keys ...string) (selector, error) {
	chosen := selector{}
	if text == "" {
		return chosen, nil
	}
	if len(text) > maxSelector {
		return nil, usage("--select is longer than %d bytes", maxSelector)
	}
	for term := range strings.SplitSeq(text, ",") {
		key, pattern, ok := strings.Cut(strings.TrimSpace(term), "=")
		switch {
		case !ok || pattern == "":
			return nil, usage("--select: %q is not KEY=PATTERN, such as scope=payments/*", term)
		case !slices.Contains(keys, key):
			return nil, usage("--select: %q is none of %s", key, strings.Join(keys, ", "))
		case chosen[key] != "":
			return nil, usage("--select: %s stands twice", key)
		}
		if err := checkPattern(key, pattern); err != nil {
			return nil, usage("--select: %s: %w", key, err)
		}
		chosen[key] = pattern
	}
	return chosen, nil
}

// checkPattern refuses a pattern that could never match.
func checkPattern(key, pattern string) error {
	if segmented(key, pattern) {
		return policy.CheckScopePattern(pattern)
	}
	return nhi.CheckText(pattern)
}

// segmented says whether a pattern is one of segments.
func segmented(key, pattern string) bool {
	return key == "scope" || key == "identity" && strings.Contains(pattern, "/")
}

// matches says whether one of the values fits what was asked of key.
func (s selector) matches(key string, values ...string) bool {
	pattern, asked := s[key]
	if !asked {
		return true
	}
	return slices.ContainsFunc(values, func(value string) bool {
		if segmented(key, pattern) {
			return policy.MatchScope(pattern, value)
		}
		return fits(pattern, value)
	})
}

// fits says whether * in a pattern, each for any letters, make it value. It
// never looks back behind the last star, so no pattern costs more than the
// product of both lengths.
func fits(pattern, value string) bool {
	at, in, star, mark := 0, 0, -1, 0
	for in < len(value) {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, mark = at, in
			at++
		case at < len(pattern) && pattern[at] == value[in]:
			at++
			in++
		case star >= 0:
			mark++
			at, in = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}

// id says whether an identity may be picked, as far as its id tells.
func (s selector) id(id nhi.IdentityID) bool {
	name := id.Name()
	if segmented("identity", s["identity"]) {
		name = string(id)
	}
	return s.matches("environment", id.Environment()) && s.matches("scope", id.Scope()) && s.matches("identity", name)
}

// request says whether a request is picked, as far as its text tells.
func (s selector) request(request nhi.Request) bool {
	systems, kinds := []string{}, []string{request.Kind}
	for access := range maps.Values(request.Access) {
		systems, kinds = append(systems, access.System), append(kinds, access.Kind)
	}
	return s.id(request.Identity()) && s.matches("owner", request.Owner) &&
		s.matches("system", systems...) && s.matches("kind", kinds...)
}

// petition says whether a petition is picked.
func (s selector) petition(p petition) bool {
	rules := make([]string, 0, len(p.standing.Verdict.Needs))
	for _, need := range p.standing.Verdict.Needs {
		rules = append(rules, need.Rule)
	}
	return s.request(p.request) && s.matches("requester", requester(p.standing.Verdict)) &&
		s.matches("rule", rules...) && s.matches("status", p.status())
}

// String writes the selector as it was typed, its keys sorted.
func (s selector) String() string {
	terms := make([]string, 0, len(s))
	for _, key := range slices.Sorted(maps.Keys(s)) {
		terms = append(terms, fmt.Sprintf("%s=%s", key, s[key]))
	}
	return strings.Join(terms, ",")
}
