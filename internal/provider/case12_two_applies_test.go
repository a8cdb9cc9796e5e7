package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestCase12TwoApplies: two applies work on one grant at once, from one
// workspace whose lock nobody holds. Wherever they meet, one of them wins; the
// other goes on or says that another run is acting on the grant. There is one
// account and one activation, and the next apply finds it active.
func TestCase12TwoApplies(t *testing.T) {
	t.Parallel()
	waits := []string{"", "activate.intent.before=1*delay(3s)", "activate.prepare.before=1*delay(3s)", "activate.enable.before=1*delay(3s)",
		"activate.use.before=1*delay(3s)"}
	l, fleet := newFleet(t, len(waits), func(l *landscape) string { return l.dbAccess() + l.boxAccess() })
	t.Run("meet", func(t *testing.T) {
		for i, wait := range waits {
			t.Run(wait, func(t *testing.T) {
				t.Parallel()
				m := fleet[i]
				m.t = t
				m.twoAtOnce(wait)
			})
		}
	})
	l.verified()
}

// twoAtOnce applies twice at once, the first of them with a delay.
func (m *member) twoAtOnce(wait string) {
	m.t.Helper()
	args := []string{"apply", "-no-color", "-input=false", "-auto-approve", "-lock=false"}
	runs := []*testserver.Running{m.Start(m.t, wait, args...), m.Start(m.t, "", args...)}
	won := 0
	for _, run := range runs {
		result := run.Wait(2 * time.Minute)
		switch text := result.Text(); {
		case result.Code == 0:
			won++
		case !strings.Contains(text, "another run is acting on this grant") && !strings.Contains(text, "undone"):
			m.t.Errorf("exit %d, and no word of another run:\n%s", result.Code, result.Stdout)
		}
	}
	if won == 0 {
		m.t.Error("neither of two applies at once won")
	}
	wants(m.t, m.Apply(m.t, "-lock=false"), 0, "active = true")
	planned := m.Plan(m.t, "-lock=false")
	if planned.Code == 2 { // what a late effect has changed is put back
		wants(m.t, m.Apply(m.t, "-lock=false"), 0, "active = true")
		planned = m.Plan(m.t, "-lock=false")
	}
	wants(m.t, planned, 0, "No changes")
	m.converged()
}
