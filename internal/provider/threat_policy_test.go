package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// spoiled applies, under each spoiled policy, what two people approved: the plan
// that was made before, and a new one. Nothing may be given, and the reason must
// be told. In the end the good policy, under a higher version, gives it.
func (l *landscape) spoiled(cases []spoiledPolicy) {
	l.t.Helper()
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	check, version := l.untouched(), 1
	for _, c := range cases {
		version += 10
		l.policy(version, l.policySystems(), twoOfSecurity)
		l.saved("plan")
		c.spoil(l.read("policy.hcl"))
		wants(l.t, l.applySaved("plan"), 1, c.says)
		check(c.name + ", between plan and apply")
		l.Apply(l.t) // whether it fails or waits
		check(c.name)
	}
	l.policy(version+10, l.policySystems(), twoOfSecurity)
	wants(l.t, l.Apply(l.t), 0)
	wants(l.t, l.Apply(l.t), 0, "active = true")
}

type spoiledPolicy struct {
	name  string
	spoil func(good string)
	says  string
}

// TestThreatOldPolicy: a policy that has expired, one that is older than what
// the ledger has seen, and another one under a version that was seen.
func TestThreatOldPolicy(t *testing.T) {
	t.Parallel()
	l := askedLandscape(t)
	l.spoiled([]spoiledPolicy{
		{"expired", func(good string) { l.signPolicy(replaceLine(good, "expires", `expires = "2020-01-01T00:00:00Z"`)) }, "expired"},
		{"older", func(good string) { l.signPolicy(replaceLine(good, "version", "version = 2")) }, "has seen version"},
		{"same version, other bytes", func(good string) { l.signPolicy(replaceLine(good, "version", "version = 1") + "\n# other\n") }, "has seen version"},
	})
}

// TestThreatNoPolicy: none, none that is signed, one that somebody else signed,
// and one of another ledger.
func TestThreatNoPolicy(t *testing.T) {
	t.Parallel()
	l := askedLandscape(t)
	l.spoiled([]spoiledPolicy{
		{"no policy", func(string) { l.remove("policy.hcl") }, "policy.hcl: no such file"},
		{"no signature", func(string) { l.remove("policy.hcl.sig") }, "policy.hcl.sig: no such file"},
		{"an empty policy", func(string) { l.signAnything("") }, "policy"},
		{"changed after it was signed", func(good string) { l.Write(t, "policy.hcl", good+"\n# more\n") }, "0 of the 1"},
		{"another ledger", func(good string) { l.signPolicy(strings.Replace(good, l.ledger, strings.Repeat("0", 32), 1)) }, "is for ledger 000"},
	})
}

// TestThreatUnknownField: what a release does not know may be what forbids it.
func TestThreatUnknownField(t *testing.T) {
	t.Parallel()
	l := askedLandscape(t)
	l.spoiled([]spoiledPolicy{
		{"of the document", func(good string) { l.signAnything(good + "\nsudo = true\n") }, "sudo"},
		{"of a rule", func(good string) {
			l.signAnything(strings.Replace(good, "max_ttl ", "two_persons = true\n  max_ttl ", 1))
		}, "two_persons"},
		{"of an approver", func(good string) {
			l.signAnything(strings.Replace(good, "groups = []", "groups = []\n  until = \"2020-01-01T00:00:00Z\"", 1))
		}, "until"},
		{"a block", func(good string) { l.signAnything(good + "\nforbid \"all\" {}\n") }, "forbid"},
	})
}

// TestThreatConditionFails: a condition that errors, and one that may run too
// long: each is a no, and no other rule decides instead.
func TestThreatConditionFails(t *testing.T) {
	t.Parallel()
	l := askedLandscape(t)
	conditions := func(expressions ...string) string {
		var rule strings.Builder
		for i, expression := range expressions {
			fmt.Fprintf(&rule, "condition \"number %d\" { expression = %q }\n", i, expression)
		}
		return classRule("strict", oneOfSecurity+rule.String()) + classRule("open", oneOfSecurity)
	}
	with := func(rules string) func(string) {
		return func(good string) {
			before, _, found := strings.Cut(good, "\nrule ")
			if !found {
				t.Fatal("the policy has no rule")
			}
			l.signAnything(before + "\n" + rules)
		}
	}
	const missing = "access.settings['missing'][0] == 'x'"
	l.spoiled([]spoiledPolicy{
		{"a condition that errors", with(conditions(missing)), "cannot be told"},
		{"when that errors", with(classRule("strict", fmt.Sprintf("when = %q\n", missing)+oneOfSecurity) + classRule("open", oneOfSecurity)), "cannot be told"},
		{"too much at worst", with(conditions("request.access.all(a, request.access.all(b, request.access.all(c, a.key == b.key || b.key == c.key)))")), "may cost more"},
		{"no truth", with(conditions("request.ttl")), "must be true or false"},
	})
}
