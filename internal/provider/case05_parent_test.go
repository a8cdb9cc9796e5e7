package provider_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestCase05OnlyTerraformKilled: Terraform is killed and its provider is not,
// while the provider waits before an effect, while it is stopped there, and while
// a target keeps it waiting. The provider ends within seconds; no target hears of
// it any more, and the ledger neither. The next apply finishes.
func TestCase05OnlyTerraformKilled(t *testing.T) {
	t.Parallel()
	l, fleet := newFleet(t, 4, func(l *landscape) string { return l.dbAccess() + l.kvAccess() })
	t.Run("runs", func(t *testing.T) {
		for i, c := range []struct {
			points string
			stops  bool
		}{
			{"activate.enable.before=delay(20s)", false},
			{"effect.enable=delay(20s)", false},
			{"activate.enable.before=1*stop", true},
			{"effect.enable.postgres=1*stop", true},
		} {
			t.Run(c.points, func(t *testing.T) {
				t.Parallel()
				m := fleet[i]
				m.t = t
				m.orphaned(c.points, c.stops)
			})
		}
	})
	l.verified()
}

// orphaned kills Terraform while its provider is at a point behind the record
// that all accounts are prepared.
func (m *member) orphaned(points string, stops bool) {
	m.t.Helper()
	running := m.Start(m.t, points, "apply", "-no-color", "-input=false", "-auto-approve", "-lock=false")
	states := "SRD"
	if stops {
		states = "T"
	}
	testserver.Wait(m.t, time.Minute, "all accounts are prepared", func() bool {
		entries := m.chain(ledger.GrantChain(m.etl)).Entries
		if len(entries) == 0 {
			return false
		}
		_, prepared := entries[len(entries)-1].Body.(ledger.EffectBody)
		return prepared
	})
	pid := running.Provider(states)
	log, mark, entries := len(m.db.StatementLog()), m.vault.Mark(), m.entries()
	running.KillCLI()
	killed := time.Now()
	if stops {
		must(m.t, syscall.Kill(pid, syscall.SIGCONT))
	}
	testserver.Wait(m.t, 10*time.Second, "the provider has ended", func() bool { return testserver.ProcessState(pid) == "" })
	m.t.Logf("the provider ended %s after its Terraform", time.Since(killed).Round(10*time.Millisecond))
	m.onlyLooked(log, mark)
	if now := m.entries(); now != entries {
		m.t.Errorf("%d entries were written by a provider whose Terraform was gone", now-entries)
	}
	wants(m.t, m.Apply(m.t, "-lock=false"), 0, "active = true")
	m.converged()
	if held := m.heldRoles(); held != m.role() {
		m.t.Errorf("it holds %q", held)
	}
}

// heldRoles are the roles that the grant's account is a member of.
func (m *member) heldRoles() string {
	m.t.Helper()
	var held []string
	for _, row := range m.db.Query(`SELECT r.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member WHERE m.rolname = $1`, m.principal("db")) {
		held = append(held, row[0])
	}
	return strings.Join(held, " ")
}
