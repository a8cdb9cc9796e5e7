package provider_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// askedLandscape is a landscape whose request, for all four kinds, is on record;
// policy is what the signed policy says instead of what it mostly does.
func askedLandscape(t testing.TB, edits ...string) *landscape {
	t.Helper()
	l := newLandscape(t, false)
	if len(edits) > 0 {
		l.signPolicy(strings.NewReplacer(edits...).Replace(l.read("policy.hcl")))
	}
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
	wants(t, l.Apply(t), 0)
	return l
}

// stays wants neither apply nor plan to give anything, and both to say why.
func (l *landscape) stays(check func(string), name string, words ...string) {
	l.t.Helper()
	wants(l.t, l.Apply(l.t), 0, append(slices.Clone(words), "active = false")...)
	wants(l.t, l.Plan(l.t), 0, append(slices.Clone(words), "No changes")...)
	check(name)
}

// TestThreatSelfApproval: who asks is of the group that approves, and approves
// what they asked for: with their own key, and with the request unsigned, so that
// nobody is proven to have asked.
func TestThreatSelfApproval(t *testing.T) {
	t.Parallel()
	t.Run("proven", func(t *testing.T) {
		t.Parallel()
		l := askedLandscape(t, "groups = []", `groups = ["security"]`)
		check := l.untouched()
		l.decide(nhi.VerdictApprove, l.etl, ana, rae)
		l.stays(check, "approved by who asks", "1 has approved (ana@example.com)", "rae@example.com asked for this access and approved it too")
		l.decide(nhi.VerdictApprove, l.etl, ben)
		wants(t, l.Apply(t), 0, "active = true")
	})
	t.Run("not proven", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		l.signPolicy(strings.Replace(l.read("policy.hcl"), "groups = []", `groups = ["security"]`, 1))
		l.Write(t, "main.tf", strings.Replace(l.providerBlock(l.systems()), "requester ", "# requester ", 1)+variables+grantOf("720h", l.access()))
		wants(t, l.Apply(t), 0)
		check := l.untouched()
		l.decide(nhi.VerdictApprove, l.etl, ana, rae)
		l.stays(check, "who asks has hidden it", "needs 3 of group security, and 2 have approved")
		l.decide(nhi.VerdictApprove, l.etl, ben)
		wants(t, l.Apply(t), 0, "active = true")
	})
}

// TestThreatTwoKeysOfOnePerson: a person with two keys is one person.
func TestThreatTwoKeysOfOnePerson(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	second := l.newKey("ana-second")
	first := signature.Key(l.people[ana].PublicKey())
	l.signPolicy(strings.Replace(l.read("policy.hcl"), `"`+first+`"`, `"`+first+`", "`+signature.Key(second.PublicKey())+`"`, 1))
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
	wants(t, l.Apply(t), 0)
	check := l.untouched()
	l.people["ana-second"] = second
	l.decide(nhi.VerdictApprove, l.etl, ana, "ana-second")
	l.stays(check, "two keys", "1 has approved (ana@example.com)")
	l.decide(nhi.VerdictApprove, l.etl, ben)
	wants(t, l.Apply(t), 0, "active = true")
}

// TestThreatApproverRemoved: who left the policy after approving counts no more,
// also between plan and apply.
func TestThreatApproverRemoved(t *testing.T) {
	t.Parallel()
	l := askedLandscape(t)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.saved("plan")
	check := l.untouched()
	l.policy(2, l.policySystems(), twoOfSecurity, ana, cyd, rae)
	wants(t, l.applySaved("plan"), 1, "Access not granted", "it belongs to nobody in this policy", "1 approved")
	check("removed between plan and apply")
	l.stays(check, "removed", "Waiting for approval", "1 has approved (ana@example.com)", "belongs to nobody in this policy")
	l.decide(nhi.VerdictApprove, l.etl, cyd)
	wants(t, l.Apply(t), 0, "active = true")
}

// TestThreatApprovalLapsed: an approval that was not used in time gives nothing,
// also to a plan that was made in time, until people approve again.
func TestThreatApprovalLapsed(t *testing.T) {
	t.Parallel()
	l := askedLandscape(t)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.saved("plan")
	check := l.untouched()
	l.advance(169 * time.Hour)
	wants(t, l.applySaved("plan"), 1, "Access not granted", "the approval by ben@example.com lapsed")
	check("lapsed between plan and apply")
	l.stays(check, "lapsed", "Not approved", "not activated in time", "the approval by ana@example.com lapsed")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Plan(t), 2, `"approved" -> "active"`) // the hosts' clock was not moved
}
