package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// errElsewhere says that a rule does not match.
var errElsewhere = errors.New("it does not match")

// matches is nil where the rule decides the access called key, errElsewhere
// with the reason where it does not, and another error where that cannot be
// told.
func (r Rule) matches(q *inquiry, request nhi.Request, key string, access nhi.Access) error {
	system := matchedSystem(access)
	switch {
	case !named(r.Environments, request.Environment()):
		return fmt.Errorf("it is for other environments: %w", errElsewhere)
	case !slices.ContainsFunc(r.Scopes, func(pattern string) bool { return MatchScope(pattern, request.Scope()) }):
		return fmt.Errorf("it is for other scopes: %w", errElsewhere)
	case !named(r.Systems, system):
		return fmt.Errorf("it is for other systems: %w", errElsewhere)
	case r.Limits != nil && !r.Limits.admits(request, system):
		return fmt.Errorf("it is outside of what delegate %q may decide: %w", r.Limits.Delegate, errElsewhere)
	case r.When == nil:
		return nil
	}
	err := q.holds(*r.When, accessFacts(key, access))
	if errors.Is(err, errFalse) {
		return fmt.Errorf("its when is false: %w", errElsewhere)
	}
	if err != nil {
		return fmt.Errorf("when: %w", err)
	}
	return nil
}

// limit notes that rule decides the target, and denies what it does not allow
// whoever signs: a chain of renewals that is too long, and conditions that do
// not hold or cannot be evaluated.
func (r *Ruling) limit(q *inquiry, rule Rule, key string, access nhi.Access) {
	first := !slices.ContainsFunc(r.decided, func(one decided) bool { return one.rule.Name == rule.Name })
	r.decided = append(r.decided, decided{key, rule})
	if term := q.facts.Request.Term; first && rule.MaxTerms > 0 && term > rule.MaxTerms {
		r.deny("", FieldTerm, "this would be renewal %d, and rule %q allows %d: ask under another name", term-1, rule.Name, rule.MaxTerms-1)
	}
	r.AtApply = r.AtApply || len(rule.Windows) > 0 || len(rule.Reviews) > 0 // an overdue one holds back
	for _, condition := range rule.Conditions {
		if condition.late {
			r.AtApply = true
			continue
		}
		if err := q.holds(condition.Expression, accessFacts(key, access)); err != nil {
			r.deny(key, FieldCondition, "%s", unmet(rule, condition, err))
		}
	}
}

// unmet says why a condition does not hold.
func unmet(rule Rule, condition Condition, err error) string {
	if errors.Is(err, errFalse) {
		return fmt.Sprintf("rule %q requires: %s", rule.Name, condition.Name)
	}
	return fmt.Sprintf("rule %q requires: %s, and whether that holds cannot be told: %s", rule.Name, condition.Name, err)
}

// holdBack finds what keeps an activation back now and from here. It is no
// denial: people may decide meanwhile.
func (e *evaluation) holdBack() {
	d, request := e.document, e.in.Request
	if bound := d.runners(request); len(bound) > 0 && !d.proven(request, e.in.Runner) {
		why := "and nothing proves that this is one"
		switch runner := e.in.Runner; {
		case runner.Issuer != "":
			why = "and the token of " + runner.Issuer + " is of another one"
		case runner.Why != "":
			why += ": " + runner.Why
		}
		e.hold("%s/%s is bound to the runner %s, %s", request.Environment(), request.Scope(), strings.Join(bound, " or "), why)
	}
	q := &inquiry{facts: e.facts()}
	for _, one := range e.ruling.decided {
		rule := one.rule
		if len(rule.Windows) > 0 && !slices.ContainsFunc(rule.Windows, func(w Window) bool { return w.Open(e.in.Now) }) {
			e.hold("rule %q lets it be activated only in %s", rule.Name, windowsText(rule.Windows))
		}
		for _, condition := range rule.Conditions {
			if !condition.late {
				continue
			}
			if err := q.holds(condition.Expression, accessFacts(one.target, request.Access[one.target])); err != nil {
				e.hold("%s", unmet(rule, condition, err))
			}
		}
	}
}

func (e *evaluation) hold(format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	if !slices.Contains(e.verdict.Held, sentence) && len(e.verdict.Held) < maxReasons {
		e.verdict.Held = append(e.verdict.Held, sentence)
		e.reason("%s", sentence)
	}
}

func windowsText(windows []Window) string {
	parts := make([]string, len(windows))
	for i, window := range windows {
		parts[i] = fmt.Sprintf("%q (%s)", window.Name, window)
	}
	return strings.Join(parts, " or ")
}

// hasHardwareKey says whether one of the person's keys lives in a hardware token.
func (a Approver) hasHardwareKey() bool {
	return slices.ContainsFunc(a.Keys, func(key string) bool { return strings.HasPrefix(key, "sk-") })
}

// onlyHardwareKeys says whether the person has no other key.
func (a Approver) onlyHardwareKeys() bool {
	return a.hasHardwareKey() && !slices.ContainsFunc(a.Keys, func(key string) bool { return !strings.HasPrefix(key, "sk-") })
}
