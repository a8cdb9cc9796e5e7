package policy

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxDelegates bounds the delegate blocks of a document.
const maxDelegates = 200

// Limits are what a delegate's rules stay within, whatever they say: they
// match nothing outside, give no longer TTL, ask no other groups, and always
// ask for an approval.
type Limits struct {
	Delegate     string // its name
	Environments []string
	Scopes       []string
	Systems      []string
	Groups       []string
	MaxTTL       time.Duration
	MaxTerms     int // 0: no limit
}

// admits says whether an access of the request is within the limits.
func (l Limits) admits(request nhi.Request, system string) bool {
	return named(l.Environments, request.Environment()) && named(l.Systems, system) &&
		slices.ContainsFunc(l.Scopes, func(pattern string) bool { return MatchScope(pattern, request.Scope()) })
}

// delegated reads the rules of one delegate, which stand in the document where
// its block does.
func (r *reader) delegated(block *hclsyntax.Block, p people, names map[string]bool) []Rule {
	r.check(block.TypeRange, "delegate", nhi.CheckText(block.Labels[0]))
	r.shape(block.Body, []string{"environments", "scopes", "systems", "groups", "max_ttl", "max_renewals"}, map[string]int{"rule": 1})
	limits := &Limits{Delegate: block.Labels[0], Environments: r.names(block.Body, "environments"), Scopes: r.scopes(block.Body),
		Systems: r.names(block.Body, "systems"), MaxTerms: r.terms(block.Body)}
	groups, at := r.list(block.Body, "groups", true)
	for _, group := range groups {
		r.check(at, "groups", nhi.CheckName(group))
	}
	limits.Groups = groups
	if text, at, ok := r.text(block.Body, "max_ttl", true); ok {
		ttl, err := nhi.ParseTTL(text)
		r.check(at, "max_ttl", err)
		limits.MaxTTL = ttl
	}
	var rules []Rule
	for _, inner := range r.blocks(block.Body, "rule", maxRules) {
		r.once(names, inner.TypeRange, "rule", inner.Labels[0])
		rule := r.rule(inner, p, limits)
		r.within(inner, rule, *limits)
		rules = append(rules, rule)
	}
	return rules
}

// within records where a rule says more than its delegate may.
func (r *reader) within(block *hclsyntax.Block, rule Rule, limits Limits) {
	if rule.MaxTTL > limits.MaxTTL {
		r.fail(block.TypeRange, "rule %.60q: its max_ttl is longer than %s, the longest of delegate %q",
			rule.Name, nhi.FormatTTL(limits.MaxTTL), limits.Delegate)
	}
	if rule.NoApproval {
		r.fail(block.TypeRange, "rule %.60q: the rules of a delegate need a quorum", rule.Name)
	}
	for _, quorum := range rule.Quorums {
		if !slices.Contains(limits.Groups, quorum.Group) {
			r.fail(block.TypeRange, "rule %.60q asks %q, which is none of the groups of delegate %q", rule.Name, quorum.Group, limits.Delegate)
		}
	}
}
