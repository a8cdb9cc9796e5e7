package provider_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// pointsOf are the failpoints of a verb that its usual way comes by.
func pointsOf(verb string, but ...string) []string {
	return slices.DeleteFunc(lifecycle.Failpoints(), func(name string) bool {
		return !strings.HasPrefix(name, verb+".") || slices.ContainsFunc(but, func(step string) bool { return strings.HasPrefix(name, verb+"."+step+".") })
	})
}

// TestCase03KilledAtEveryPoint: the provider is killed (SIGKILL) before and
// after every step of an activation, with the state kept and lost, and the next
// apply finishes it: active, one account, one activation, nobody asked again.
// Killed before and after every step of a revocation, the next destroy finishes
// that.
func TestCase03KilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	activate, revoke := pointsOf("activate"), pointsOf("revoke", "release", "spool")
	if len(activate) != 20 || len(revoke) != 6 {
		t.Fatalf("%d and %d points", len(activate), len(revoke))
	}
	l, fleet := newFleet(t, len(activate), func(l *landscape) string { return l.dbAccess() + l.boxAccess() })
	t.Run("points", func(t *testing.T) {
		for i, point := range activate {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				m := fleet[i]
				m.t = t
				m.killedAt(t, point, "apply")
				m.stateOr(i%2 == 0)
				wants(t, m.Apply(t), 0, "active = true")
				m.converged()
				if lease := m.attribute("nhi_grant.etl", "lease"); lease != string(m.etl)+"#1" {
					t.Errorf("the lease is %v", lease)
				}
				if i >= len(revoke) {
					return
				}
				m.killedAt(t, revoke[i], "destroy")
				wants(t, m.Destroy(t), 0)
				if accounts := m.accounts(); len(accounts) > 0 {
					t.Errorf("killed at %s: left over: %v", revoke[i], accounts)
				}
				for _, certificate := range m.certificates() {
					if m.sshWorks(certificate) {
						t.Errorf("killed at %s: a certificate still lets in", revoke[i])
					}
				}
			})
		}
	})
	if roles := l.roles(); len(roles) != len(activate)-len(revoke) {
		t.Errorf("%d roles", len(roles))
	}
	l.verified()
}

// killedAt runs a command whose provider kills itself at a point.
func (m *member) killedAt(t *testing.T, point, command string) {
	t.Helper()
	wants(t, m.Fault(t, point+"=kill", command, "-no-color", "-input=false", "-auto-approve"), 1, "plugin")
}

// TestCase03StaleIntent: what a killed run has begun is not finished once its
// approval was taken back: the next apply undoes it. Where nobody applies, a sweep
// from another machine does, and the approval serves again.
func TestCase03StaleIntent(t *testing.T) {
	t.Parallel()
	l, fleet := newFleet(t, 2, (*landscape).dbAccess) // no ssh: its host's clock is not moved
	for _, m := range fleet {
		m.killedAt(t, "activate.enabled.after", "apply")
		if len(m.accounts()) != 1 || m.entries() != 3 {
			t.Fatalf("%d entries, and %v", m.entries(), m.accounts())
		}
	}
	withdrawn, silent := fleet[0], fleet[1]
	l.decide(nhi.VerdictWithdraw, withdrawn.etl, ben)
	wants(t, withdrawn.Apply(t), 1, "Access not granted", "took it back", "undone: db")
	l.configured()
	wants(t, l.NHI(t, "sweep", "--revoke"), 0, "Nothing is due.")
	l.advance(lifecycle.StaleAfter + time.Minute)
	wants(t, l.NHI(t, "sweep", "--revoke"), 0, string(silent.etl), "is gone")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
	for _, m := range fleet {
		m.advance(lifecycle.StaleAfter + time.Minute)
		if m.used() != 0 {
			t.Errorf("%s was used", m.etl)
		}
	}
	wants(t, silent.Apply(t), 0, "active = true")
	silent.converged()
}
