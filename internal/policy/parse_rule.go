package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (r *reader) rules(body *hclsyntax.Body, approvers []Approver) []Rule {
	var rules []Rule
	p := peopleOf(approvers)
	names, delegates := map[string]bool{}, map[string]bool{}
	r.blocks(body, "rule", maxRules) // too many are a problem
	r.blocks(body, "delegate", maxDelegates)
	for _, block := range body.Blocks {
		switch {
		case len(block.Labels) != 1 || len(rules) > maxRules:
		case block.Type == "rule":
			r.check(block.TypeRange, "rule", nhi.CheckText(block.Labels[0]))
			r.once(names, block.TypeRange, "rule", block.Labels[0])
			rules = append(rules, r.rule(block, p, nil))
		case block.Type == "delegate":
			r.once(delegates, block.TypeRange, "delegate", block.Labels[0])
			rules = append(rules, r.delegated(block, p, names)...)
		}
	}
	if len(rules) > maxRules && len(r.problems) == 0 {
		r.fail(body.SrcRange, "there are %d rules, those of delegates included, and %d is the most allowed", len(rules), maxRules)
	}
	return rules
}

// rule reads one rule; limits are those of its delegate, or nil.
func (r *reader) rule(block *hclsyntax.Block, p people, limits *Limits) Rule {
	body := block.Body
	r.shape(body, ruleAttributes, ruleBlocks)
	rule := Rule{Name: block.Labels[0], Limits: limits}
	r.matched(body, &rule)
	if text, at, ok := r.text(body, "max_ttl", true); ok {
		ttl, err := nhi.ParseTTL(text)
		r.check(at, "max_ttl", err)
		rule.MaxTTL = ttl
	}
	rule.Quorums = r.quorums(body, p.members)
	rule.NoApproval = r.approval(block)
	r.demands(block, &rule, p)
	return rule
}

// names reads a list of names, or "*" alone.
func (r *reader) names(body *hclsyntax.Body, attribute string) []string {
	names, at := r.list(body, attribute, true)
	if slices.Equal(names, []string{anyName}) {
		return names
	}
	for _, name := range names {
		if name == anyName {
			r.fail(at, "%s: \"*\" stands alone or not at all", attribute)
			continue
		}
		r.check(at, attribute, nhi.CheckName(name))
	}
	return names
}

func (r *reader) quorums(body *hclsyntax.Body, members map[string]int) []Quorum {
	var quorums []Quorum
	taken := map[string]bool{}
	for _, block := range r.blocks(body, "quorum", maxQuorums) {
		at := block.TypeRange
		quorum := Quorum{Group: block.Labels[0]}
		r.shape(block.Body, []string{"count", "run_confirmation"}, nil)
		quorum.Count = r.number(block.Body, "count", maxCount)
		r.check(at, "quorum", nhi.CheckName(quorum.Group))
		r.once(taken, at, "quorum", quorum.Group)
		quorum.RunConfirmation = r.flag(block.Body, "run_confirmation")
		if quorum.Count > members[quorum.Group] {
			r.fail(at, "quorum %q can never be met: %d are needed, and the group has %d",
				quorum.Group, quorum.Count, members[quorum.Group])
		}
		quorums = append(quorums, quorum)
	}
	return quorums
}

// approval reads the words that stand for no quorum. A rule has them or a
// quorum block, so that an empty rule never lets anybody in.
func (r *reader) approval(block *hclsyntax.Block) bool {
	words, at, written := r.text(block.Body, "approval", false)
	hasQuorum := slices.ContainsFunc(block.Body.Blocks, func(inner *hclsyntax.Block) bool { return inner.Type == "quorum" })
	_, attribute := block.Body.Attributes["approval"]
	switch {
	case written && words != noApproval:
		r.fail(at, "approval must read %q, or be left out", noApproval)
	case attribute && hasQuorum:
		r.fail(at, "rule %.60q has a quorum, and says that no approval is needed", block.Labels[0])
	case !attribute && !hasQuorum:
		r.fail(block.TypeRange, "rule %.60q needs a quorum block, or approval = %q", block.Labels[0], noApproval)
	}
	return written && words == noApproval && !hasQuorum
}
