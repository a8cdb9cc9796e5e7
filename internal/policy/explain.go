package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Explanation is a verdict with all that it follows from, for people and
// programs. Its sentences are no interface; its fields are.
type Explanation struct {
	Status Status `json:"status"`
	// Allowed says that it may be activated now: the status is approved.
	Allowed       bool              `json:"allowed"`
	PolicyVersion int               `json:"policy_version"`
	PolicyDigest  nhi.Digest        `json:"policy_digest"`
	Targets       []ExplainedTarget `json:"targets"`         // sorted by key
	Denied        []string          `json:"denied"`          // why policy says no, whoever signs
	Found         []string          `json:"found,omitempty"` // risks that the policy does not deny
	Held          []string          `json:"held"`            // why not now and from here
	Needs         []string          `json:"needs"`           // "needs 2 of security, has 1: ana@example.com (rule …)"
	Reviews       []string          `json:"reviews"`         // what must follow an activation
	Notes         []string          `json:"notes"`           // what else was found about decisions
}

// ExplainedTarget is how the rule was found that decides one access, and what
// it checked.
type ExplainedTarget struct {
	Target  string        `json:"target"`
	Rule    string        `json:"rule"` // empty where none decides
	Skipped []SkippedRule `json:"skipped"`
	Checks  []Check       `json:"checks"`
}

// SkippedRule is a rule before the one that decides.
type SkippedRule struct {
	Rule string `json:"rule"`
	Why  string `json:"why"`
}

// Check is one thing that the deciding rule looked at.
type Check struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Explain is Evaluate, with the way to the verdict.
func (d *Document) Explain(in Input) Explanation { return d.evaluate(in).explain() }

// explain tells of an evaluation that is complete.
func (e *evaluation) explain() Explanation {
	explained := Explanation{
		Status: e.verdict.Status, Allowed: e.verdict.Status == StatusApproved,
		PolicyVersion: e.document.Version, PolicyDigest: e.document.Digest,
		Targets: []ExplainedTarget{}, Denied: []string{}, Held: append([]string{}, e.verdict.Held...),
		Needs: []string{}, Reviews: []string{}, Notes: []string{},
	}
	for _, key := range e.in.Request.Access.Keys() {
		explained.Targets = append(explained.Targets, e.explainTarget(key))
	}
	for _, denial := range e.verdict.Denials {
		explained.Denied = append(explained.Denied, denial.Reason)
	}
	for _, finding := range e.verdict.Findings {
		explained.Found = append(explained.Found, finding.String())
	}
	for _, need := range e.verdict.Needs {
		explained.Needs = append(explained.Needs, need.progress())
	}
	for _, one := range e.ruling.decided {
		for _, review := range one.rule.Reviews {
			text := fmt.Sprintf("a review by %d of %s within %s (rule %q)", review.Count, review.Group, nhi.FormatTTL(review.Within), one.rule.Name)
			if !slices.Contains(explained.Reviews, text) {
				explained.Reviews = append(explained.Reviews, text)
			}
		}
	}
	for _, reason := range e.verdict.Reasons {
		if !slices.Contains(explained.Held, reason) {
			explained.Notes = append(explained.Notes, reason)
		}
	}
	return explained
}

// progress says of a need who has met it: "needs 2 of security, has 1: ana".
func (n Need) progress() string {
	if n.NoApproval {
		return n.String()
	}
	with, have := "", "has 0"
	if n.Hardware {
		with = " with hardware keys"
	}
	for i, name := range n.Have {
		separator := ", "
		if i == 0 {
			have, separator = fmt.Sprintf("has %d", len(n.Have)), ": "
		}
		have += separator + name
	}
	return fmt.Sprintf("needs %d of %s%s, %s (rule %q%s)", n.Want, n.Group, with, have, n.Rule, n.orConfirm())
}

// explainTarget walks the rules once more, as deciding does, and says why each
// one before the deciding one does not match.
func (e *evaluation) explainTarget(key string) ExplainedTarget {
	target := ExplainedTarget{Target: key, Skipped: []SkippedRule{}, Checks: []Check{}}
	q, request := &inquiry{facts: e.facts()}, e.in.Request
	for _, rule := range e.document.Rules {
		err := rule.matches(q, request, key, request.Access[key])
		switch {
		case err == nil:
			target.Rule, target.Checks = rule.Name, e.checks(q, rule, key)
			return target
		case !errors.Is(err, errElsewhere):
			target.Checks = append(target.Checks, Check{Text: fmt.Sprintf("whether rule %q decides cannot be told: %s", rule.Name, err)})
			return target
		}
		why := trimmed(err)
		target.Skipped = append(target.Skipped, SkippedRule{Rule: rule.Name, Why: why})
	}
	target.Checks = append(target.Checks, Check{Text: "no rule matches"})
	return target
}

// trimmed is why a rule does not match, without the words that every reason
// ends in.
func trimmed(err error) string {
	text, end := err.Error(), ": "+errElsewhere.Error()
	if len(text) > len(end) && text[len(text)-len(end):] == end {
		return text[:len(text)-len(end)]
	}
	return text
}

// checks says of everything that a rule wants, quorums aside, whether it holds.
func (e *evaluation) checks(q *inquiry, rule Rule, key string) []Check {
	ttl, longest := nhi.FormatTTL(e.in.Request.TTL), nhi.FormatTTL(rule.MaxTTL)
	checks := []Check{{OK: true, Text: fmt.Sprintf("ttl %s is at most %s", ttl, longest)}}
	if e.in.Request.TTL > rule.MaxTTL {
		checks[0] = Check{Text: fmt.Sprintf("ttl %s is longer than %s, by %s", ttl, longest, nhi.FormatTTL(e.in.Request.TTL-rule.MaxTTL))}
	}
	if rule.MaxTerms > 0 {
		ok := e.in.Request.Term <= rule.MaxTerms
		checks = append(checks, Check{OK: ok, Text: fmt.Sprintf("renewal %d of at most %d", e.in.Request.Term-1, rule.MaxTerms-1)})
	}
	for _, window := range rule.Windows {
		open := window.Open(e.in.Now)
		state := map[bool]string{true: "open", false: "shut"}[open]
		checks = append(checks, Check{OK: open, Text: fmt.Sprintf("window %q (%s) is %s", window.Name, window, state)})
	}
	for _, condition := range rule.Conditions {
		err := q.holds(condition.Expression, accessFacts(key, e.in.Request.Access[key]))
		check := Check{OK: err == nil, Text: "condition: " + condition.Name}
		if err != nil {
			check.Text += fmt.Sprintf(" (%s: %s)", condition.Source, err)
		}
		checks = append(checks, check)
	}
	return checks
}
