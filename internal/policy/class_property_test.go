package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// drawPolicy draws a policy of one to three rules with everything in them.
func drawPolicy(t *rapid.T) string {
	var rules strings.Builder
	for n := range rapid.IntRange(1, 3).Draw(t, "rules") {
		var more []string
		if rapid.IntRange(0, 3).Draw(t, "when") == 0 {
			more = append(more, "when = "+fmt.Sprintf("%q", rapid.SampledFrom([]string{"true", "false", "access.kind == 'postgres'"}).Draw(t, "when it is")))
		}
		if rapid.Bool().Draw(t, "distinct") {
			more = append(more, "distinct_persons = true")
		}
		if rapid.IntRange(0, 3).Draw(t, "condition") == 0 {
			more = append(more, fmt.Sprintf("condition \"x\" { expression = %q }", rapid.SampledFrom([]string{
				"true", "false", "requester.proven", "now < timestamp('2030-06-01T00:00:00Z')", "identity.kind == 'service'",
			}).Draw(t, "it must be")))
		}
		for _, group := range []string{"security", "data"} {
			if count := rapid.IntRange(0, 2).Draw(t, group); count > 0 {
				more = append(more, fmt.Sprintf("quorum %q { count = %d }", group, count))
			}
		}
		if !strings.Contains(strings.Join(more, " "), "quorum") {
			more = append(more, oneOfSecurity)
		}
		rules.WriteString(rule(fmt.Sprintf("rule %d", n), strings.Join(more, "\n")))
	}
	return classes(rules.String())
}

var voters = []string{"ana", "ben", "dora", "finn", "eve"}

func drawSupposition(t *rapid.T) policy.Supposition {
	s := policy.Supposition{Request: orders(), Now: now}
	s.Now = s.Now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "hours")) * time.Hour)
	if name := rapid.SampledFrom([]string{"", "eve", "eve", "ana", "dora"}).Draw(t, "requester"); name != "" {
		s.Requester = person(name)
	}
	for _, name := range voters {
		if rapid.Bool().Draw(t, name) {
			s.Approve = append(s.Approve, person(name))
		}
		if name == "ana" && rapid.Bool().Draw(t, "ana touches") {
			s.Touch = append(s.Touch, person(name))
		}
	}
	return s
}

func allowed(t *rapid.T, d *policy.Document, s policy.Supposition) bool {
	explained, err := d.Suppose(s)
	if err != nil {
		t.Fatal(err)
	}
	return explained.Allowed
}

func drawn(t *rapid.T) *policy.Document {
	document, err := policy.Parse([]byte(drawPolicy(t)))
	if err != nil {
		t.Skip("a policy that can never be met")
	}
	return document
}

func TestAnotherApprovalNeverDenies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t), drawSupposition(t)
		if !allowed(t, d, s) {
			return
		}
		for _, name := range voters {
			more := s
			more.Approve = append(slices.Clone(s.Approve), person(name))
			if !allowed(t, d, more) {
				t.Fatalf("denied because %s approved too", name)
			}
		}
	})
}

func TestAnApprovalLessNeverAllows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t), drawSupposition(t)
		if allowed(t, d, s) {
			return
		}
		for i, name := range s.Approve {
			less := s
			less.Approve = slices.Delete(slices.Clone(s.Approve), i, i+1)
			if allowed(t, d, less) {
				t.Fatalf("allowed without %s", name)
			}
		}
	})
}

// Whatever stands around it, a condition that cannot be evaluated lets nobody
// in: neither as a condition of the rule that decides, nor by making it a rule
// that does not.
func TestAConditionErrorNeverAllows(t *testing.T) {
	t.Parallel()
	errors := []string{
		"access.settings['missing'][0] == 'x'", "access.settings['roles'][99] == 'x'", "1 / (request.term - 1) == 1",
		"!(access.settings['missing'][0] == 'x')", "access.settings['missing'][0] != 'x' && true", "runner.claims['x'] == 'x'",
	}
	rapid.Check(t, func(t *rapid.T) {
		expression := rapid.SampledFrom(errors).Draw(t, "expression")
		more := fmt.Sprintf("condition \"y\" { expression = %q }\n%s", expression, oneOfSecurity)
		if !strings.Contains(expression, "runner") && rapid.Bool().Draw(t, "when") {
			more = fmt.Sprintf("when = %q\n%s", expression, oneOfSecurity)
		}
		if rapid.Bool().Draw(t, "no approval") {
			more = strings.ReplaceAll(more, oneOfSecurity, `approval = "no approval needed"`)
		}
		_, later, _ := strings.Cut(drawPolicy(t), `rule "rule 0"`)
		document, err := policy.Parse([]byte(classes(rule("first", more) + `rule "rule 0"` + later)))
		if err != nil {
			t.Skip("a policy that can never be met")
		}
		if allowed(t, document, drawSupposition(t)) {
			t.Fatalf("allowed with %s", expression)
		}
	})
}

// Persons are placed by a matching: it fills every place exactly where trying
// all ways to place them does.
func TestDistinctPersonsAgainstBruteForce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		groups := []string{"a", "b", "c"}
		var wants []int
		for range groups {
			wants = append(wants, rapid.IntRange(0, 3).Draw(t, "want"))
		}
		var members [][]int // of each person, the groups
		for range rapid.IntRange(0, 6).Draw(t, "persons") {
			var of []int
			for g := range groups {
				if rapid.Bool().Draw(t, groups[g]) {
					of = append(of, g)
				}
			}
			members = append(members, of)
		}
		have := policy.Assign(wants, members)
		if got, want := policy.Met(wants, have), bruteForce(wants, members); got != want {
			t.Fatalf("matched %v, and brute force says %v: wants %v, members %v, have %v", got, want, wants, members, have)
		}
		seen := map[int]bool{}
		for g, persons := range have {
			for _, p := range persons {
				if seen[p] || !slices.Contains(members[p], g) {
					t.Fatalf("person %d twice, or in a group of others: %v", p, have)
				}
				seen[p] = true
			}
		}
	})
}

// bruteForce tries to give the persons one after the other every place.
func bruteForce(wants []int, members [][]int) bool {
	if len(members) == 0 {
		return !slices.ContainsFunc(wants, func(want int) bool { return want > 0 })
	}
	if bruteForce(wants, members[1:]) {
		return true
	}
	for _, g := range members[0] {
		rest := slices.Clone(wants)
		rest[g]--
		if bruteForce(rest, members[1:]) {
			return true
		}
	}
	return false
}
