package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// TestPromise01FailClosed: no access without a valid quorum and a valid
// policy; whatever is missing, unreadable or unknown is a no, and says which.
func TestPromise01FailClosed(t *testing.T) {
	t.Parallel()
	l := approvedLandscape(t, false)
	version, good, env := 1, "", l.Env
	check := l.untouched()
	cases := []struct {
		name  string
		spoil func()
		says  string
	}{
		{"no policy", func() { l.remove("policy.hcl") }, "policy.hcl: no such file"},
		{"no signature", func() { l.remove("policy.hcl.sig") }, "policy.hcl.sig: no such file"},
		{"signed by somebody else", func() {
			block, err := policy.SignDocument([]byte(good), l.people[ana])
			must(t, err)
			l.Write(t, "policy.hcl.sig", block)
		}, "0 of the 1"},
		{"changed after it was signed", func() { l.Write(t, "policy.hcl", good+"\n# more\n") }, "0 of the 1"},
		{"unknown field", func() { l.signAnything(good + "\nsudo = true\n") }, "sudo"},
		{"another ledger", func() { l.signPolicy(strings.Replace(good, l.ledger, strings.Repeat("0", 32), 1)) }, "is for ledger 000"},
		{"same version, other bytes", func() {
			l.signPolicy(replaceLine(good, "version", "version = 1") + "\n# other\n")
		}, "other bytes"},
		{"expired", func() { l.signPolicy(replaceLine(good, "expires", `expires = "2020-01-01T00:00:00Z"`)) }, "expired"},
		{"root not pinned", func() { l.Env = append(l.Env, "NHI_TRUST_ROOT=") }, "is set up"},
		{"another root", func() { l.Env = append(l.Env, "NHI_TRUST_ROOT="+string(nhi.DigestOf("another"))) }, "this machine trusts"},
		{"no ledger", func() { must(t, os.Rename(filepath.Join(l.Dir, ".nhi"), filepath.Join(l.Dir, "away"))) }, "nhi init"},
		{"a larger quorum", func() { l.signPolicy(strings.Replace(good, "count = 2", "count = 3", 1)) }, "needs 3 of security, and 2 approved"},
		{"system of another endpoint", func() { l.signPolicy(strings.Replace(good, l.endpoint(), "elsewhere:5432/orders", 1)) }, "endpoint"},
		{"older than the ledger has seen", func() { l.signPolicy(replaceLine(good, "version", "version = 2")) }, "has seen version"},
	}
	for _, c := range cases {
		version += 10
		l.policy(version, l.policySystems(), twoOfSecurity)
		good = l.read("policy.hcl")
		l.saved("plan")
		c.spoil()
		wants(t, l.applySaved("plan"), 1, c.says)
		l.Env = env
		_ = os.Rename(filepath.Join(l.Dir, "away"), filepath.Join(l.Dir, ".nhi"))
		check(c.name)
	}
	if n := len(l.chain(ledger.GrantChain(l.etl)).Entries); n != 0 {
		t.Errorf("an activation was begun: %d entries", n)
	}
}

// remove removes a file of the workspace.
func (w *world) remove(name string) {
	w.t.Helper()
	must(w.t, os.Remove(filepath.Join(w.Dir, name)))
}

// replaceLine replaces the line of a policy that sets name.
func replaceLine(source, name, line string) string {
	lines := strings.Split(source, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, name+" ") {
			lines[i] = line
		}
	}
	return strings.Join(lines, "\n")
}

// TestPromise02ApprovedIsApplied: apply evaluates signatures and quorum again,
// against the newest policy; and what was approved is no longer approved once
// it is changed.
func TestPromise02ApprovedIsApplied(t *testing.T) {
	t.Parallel()
	t.Run("approver left", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		check := l.untouched()
		l.saved("plan")
		l.policy(2, l.policySystems(), twoOfSecurity, ana, cyd, rae)
		wants(t, l.applySaved("plan"), 1, "Access not granted", "it belongs to nobody in this policy", "1 approved")
		check("approver left")
	})
	t.Run("withdrawn", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		check := l.untouched()
		l.saved("plan")
		l.decide(nhi.VerdictWithdraw, l.etl, ben)
		wants(t, l.applySaved("plan"), 1, "Access not granted", "ben@example.com approved, and took it back")
		check("withdrawn")
	})
	t.Run("lapsed", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		check := l.untouched()
		l.saved("plan")
		l.advance(169 * time.Hour)
		wants(t, l.applySaved("plan"), 1, "Access not granted", "the approval by ben@example.com lapsed")
		check("lapsed")
	})
	t.Run("changed", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		check := l.untouched()
		l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("719h", l.access()))
		wants(t, l.Apply(t), 0, "active = false", "0 have approved")
		wants(t, l.Plan(t), 0, "No changes")
		check("another ttl")
	})
}

// TestPromise12SeparationOfDuty: persons are counted, not keys; the requester
// never counts, and one who is not proven makes the quorum one larger.
func TestPromise12SeparationOfDuty(t *testing.T) {
	t.Parallel()
	t.Run("the requester does not count", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.policy(1, "", twoOfSecurity)
		w.signPolicy(strings.Replace(w.read("policy.hcl"), "groups = []", `groups = ["security"]`, 1))
		w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
		wants(t, w.Apply(t), 0)
		w.decide(nhi.VerdictApprove, w.etl, ana, rae)
		wants(t, w.Plan(t), 0, "No changes", "1 has approved (ana@example.com)")
		w.decide(nhi.VerdictApprove, w.etl, ben)
		wants(t, w.Plan(t), 2, `"approved" -> "active"`)
	})
	t.Run("two keys of one person count once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		second := w.newKey("ana-second")
		w.policy(1, "", twoOfSecurity)
		first := signature.Key(w.people[ana].PublicKey())
		w.signPolicy(strings.Replace(w.read("policy.hcl"), `"`+first+`"`, `"`+first+`", "`+signature.Key(second.PublicKey())+`"`, 1))
		w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
		wants(t, w.Apply(t), 0)
		w.decide(nhi.VerdictApprove, w.etl, ana)
		w.people["ana-second"] = second
		w.decide(nhi.VerdictApprove, w.etl, "ana-second")
		wants(t, w.Plan(t), 0, "No changes", "1 has approved (ana@example.com)")
	})
	t.Run("an unproven requester makes the quorum one larger", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.policy(1, "", twoOfSecurity)
		block := w.providerBlock("")
		w.Write(t, "main.tf", strings.Replace(block, "requester ", "# requester ", 1)+grantOf("720h", externalAccess))
		wants(t, w.Apply(t), 0, "needs 3 of group security")
		w.decide(nhi.VerdictApprove, w.etl, ana, ben)
		wants(t, w.Plan(t), 0, "No changes", "2 have approved")
		w.decide(nhi.VerdictApprove, w.etl, cyd)
		wants(t, w.Plan(t), 2, `"approved" -> "active"`)
	})
}
