package policy

import (
	"math/big"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxRenewals bounds how many renewals a rule may name.
const maxRenewals = 1_000_000

// What a rule may hold.
var (
	ruleAttributes = []string{"environments", "scopes", "systems", "max_ttl", "approval", "when", "max_renewals", "distinct_persons", "hardware_keys"}
	ruleBlocks     = map[string]int{"quorum": 1, "condition": 1, "window": 1, "review": 1}
)

// people are the approvers of a document, and how many each group has.
type people struct {
	approvers []Approver
	members   map[string]int
}

func peopleOf(approvers []Approver) people {
	p := people{approvers: approvers, members: map[string]int{}}
	for _, approver := range approvers {
		for _, group := range approver.Groups {
			p.members[group]++
		}
	}
	return p
}

// matched reads what a rule matches. What a delegate's rule leaves out is as
// wide as the delegate.
func (r *reader) matched(body *hclsyntax.Body, rule *Rule) {
	written := func(name string) bool {
		_, ok := body.Attributes[name]
		return ok || rule.Limits == nil
	}
	if limits := rule.Limits; limits != nil {
		rule.Environments, rule.Scopes, rule.Systems = limits.Environments, limits.Scopes, limits.Systems
	}
	if written("environments") {
		rule.Environments = r.names(body, "environments")
	}
	if written("systems") {
		rule.Systems = r.names(body, "systems")
	}
	if written("scopes") {
		rule.Scopes = r.scopes(body)
	}
	rule.When = r.when(body)
}

// scopes reads a list of patterns of scopes.
func (r *reader) scopes(body *hclsyntax.Body) []string {
	scopes, at := r.list(body, "scopes", true)
	for _, scope := range scopes {
		r.check(at, "scopes", CheckScopePattern(scope))
	}
	return scopes
}

// demands reads what a rule wants besides its quorums.
func (r *reader) demands(block *hclsyntax.Block, rule *Rule, p people) {
	body := block.Body
	rule.Conditions, rule.Windows = r.conditions(body), r.windows(body)
	rule.MaxTerms = r.terms(body)
	if limits := rule.Limits; limits != nil && limits.MaxTerms > 0 && (rule.MaxTerms == 0 || rule.MaxTerms > limits.MaxTerms) {
		rule.MaxTerms = limits.MaxTerms
	}
	rule.Distinct, rule.HardwareKeys = r.flag(body, "distinct_persons"), r.flag(body, "hardware_keys")
	rule.Reviews = r.reviews(body, p.members)
	if rule.NoApproval && (rule.Distinct || rule.HardwareKeys) {
		r.fail(block.TypeRange, "rule %.60q asks nobody, so distinct_persons and hardware_keys say nothing", rule.Name)
	}
	if rule.HardwareKeys && slices.ContainsFunc(rule.Quorums, func(q Quorum) bool { return q.RunConfirmation }) {
		r.fail(block.TypeRange, "rule %.60q wants hardware keys, and a run is confirmed without one: leave run_confirmation out", rule.Name)
	}
	r.feasible(block, *rule, p)
}

// feasible records quorums that could never be met together, or not with the
// keys that there are.
func (r *reader) feasible(block *hclsyntax.Block, rule Rule, p people) {
	var needs []Need
	for _, quorum := range rule.Quorums {
		needs = append(needs, Need{Want: quorum.Count, Requirement: Requirement{Rule: rule.Name, Group: quorum.Group,
			Count: quorum.Count, Distinct: rule.Distinct, Hardware: rule.HardwareKeys}})
		if quorum.Count > p.members[quorum.Group] {
			return // said already
		}
	}
	able := func(need, person int) bool {
		return needs[need].asks(p.approvers[person]) && (!rule.HardwareKeys || p.approvers[person].hasHardwareKey())
	}
	if !met(needs, assign(needs, len(p.approvers), able)) {
		r.fail(block.TypeRange, "rule %.60q can never be met: there are not enough distinct persons, or not enough with a hardware key", rule.Name)
	}
}

// terms reads how many terms max_renewals allows; 0 where it is not set.
func (r *reader) terms(body *hclsyntax.Body) int {
	value, at, ok := r.value(body, "max_renewals", false)
	if !ok {
		return 0
	}
	if value.IsNull() || value.Type() != cty.Number {
		r.fail(at, "%q must be a number", "max_renewals")
		return 0
	}
	n, accuracy := value.AsBigFloat().Int64()
	if accuracy != big.Exact || n < 0 || n > maxRenewals {
		r.fail(at, "%q must be a whole number from 0 to %d", "max_renewals", maxRenewals)
		return 0
	}
	return int(n) + 1
}

// flag reads true or false; false where it is not set.
func (r *reader) flag(body *hclsyntax.Body, name string) bool {
	value, at, ok := r.value(body, name, false)
	if ok && (value.IsNull() || value.Type() != cty.Bool) {
		r.fail(at, "%q must be true or false", name)
		return false
	}
	return ok && value.True()
}

func (r *reader) reviews(body *hclsyntax.Body, members map[string]int) []Review {
	var reviews []Review
	taken := map[string]bool{}
	for _, block := range r.blocks(body, "review", maxQuorums) {
		at := block.TypeRange
		review := Review{Group: block.Labels[0]}
		r.shape(block.Body, []string{"count", "within"}, nil)
		review.Count = r.number(block.Body, "count", maxCount)
		r.check(at, "review", nhi.CheckName(review.Group))
		r.once(taken, at, "review", review.Group)
		if text, at, ok := r.text(block.Body, "within", true); ok {
			within, err := nhi.ParseTTL(text)
			r.check(at, "within", err)
			review.Within = within
		}
		r.enough(at, review, members)
		reviews = append(reviews, review)
	}
	return reviews
}

func (r *reader) enough(at hcl.Range, review Review, members map[string]int) {
	if review.Count > members[review.Group] {
		r.fail(at, "review %q can never be made: %d are needed, and the group has %d", review.Group, review.Count, members[review.Group])
	}
}
