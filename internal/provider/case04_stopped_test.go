package provider_test

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// stoppedAt starts an apply whose provider stops itself at a point, and returns
// how it goes on and ends.
func (m *member) stoppedAt(points string) (running *testserver.Running, goOn func() testserver.Result) {
	m.t.Helper()
	running = m.Start(m.t, points, "apply", "-no-color", "-input=false", "-auto-approve", "-lock=false")
	pid := running.Provider("T")
	return running, func() testserver.Result {
		m.t.Helper()
		must(m.t, syscall.Kill(pid, syscall.SIGCONT))
		return running.Wait(time.Minute)
	}
}

// TestCase04StoppedBeforeAnEffect: a provider is stopped (SIGSTOP) before an
// effect, a second run recovers, and the first goes on. It records nothing. What
// a target can check is refused by the target; what it cannot is undone by the
// next observe, or by the late run itself.
func TestCase04StoppedBeforeAnEffect(t *testing.T) {
	t.Parallel()
	l, fleet := newFleet(t, 6, func(l *landscape) string { return l.dbAccess() + l.kvAccess() })
	t.Run("runs", func(t *testing.T) {
		for i, point := range []string{"activate.prepare.before", "activate.enable.before"} {
			t.Run(point+", then activated", func(t *testing.T) {
				t.Parallel()
				m := fleet[i]
				m.t = t
				_, goOn := m.stoppedAt(point + "=1*stop")
				wants(t, m.Apply(t, "-lock=false"), 0, "active = true")
				entries, accounts := m.entries(), m.accounts()
				late := goOn()
				wants(t, late, 1, "another run is acting on this grant")
				if now := m.entries(); now != entries {
					t.Errorf("the late run has recorded %d entries", now-entries)
				}
				if now := m.accounts(); len(now) != 1 || now[0] != accounts[0] {
					t.Errorf("the accounts were %v and are %v", accounts, now)
				}
				m.restored()
			})
			t.Run(point+", then revoked", func(t *testing.T) {
				t.Parallel()
				m := fleet[2+i]
				m.t = t
				_, goOn := m.stoppedAt(point + "=1*stop")
				m.configured()
				wants(t, m.NHI(t, "revoke", string(m.etl), "--yes", "--reason", "laptop stolen"), 0, "Blocked.")
				entries, log, mark := m.entries(), len(m.db.StatementLog()), m.vault.Mark()
				wants(t, goOn(), 1, "another run is acting on this grant")
				if now := m.entries(); now != entries {
					t.Errorf("the late run has recorded %d entries", now-entries)
				}
				if accounts := m.accounts(); len(accounts) > 0 {
					t.Errorf("left over: %v", accounts)
				}
				m.nothingInVault()
				if point == "activate.enable.before" { // there is nothing with its mark any more
					m.onlyLooked(log, mark)
				}
				for _, change := range changingStatements(m.db.StatementLog()[log:]) {
					if strings.Contains(change, "GRANT") && strings.Contains(change, m.principal("db")) {
						t.Errorf("the late run gave a privilege: %s", change)
					}
				}
			})
		}
		t.Run("activate.heads.before, then withdrawn", func(t *testing.T) {
			t.Parallel()
			m := fleet[5]
			m.t = t
			log, mark := len(m.db.StatementLog()), m.vault.Mark()
			_, goOn := m.stoppedAt("activate.heads.before=1*stop")
			m.decide(nhi.VerdictWithdraw, m.etl, ben)
			wants(t, goOn(), 1, "has changed since it was evaluated")
			m.onlyLooked(log, mark)
			if m.used() != 0 {
				t.Error("the approval was used")
			}
		})
		t.Run("a write of Vault's is late", func(t *testing.T) {
			t.Parallel()
			m := fleet[4]
			m.t = t
			m.lateWrite()
		})
	})
	l.verified()
}

// principal is the name of the grant's account on a target.
func (m *member) principal(key string) string { return nhi.Principal(m.etl, key) }

// restored checks that the next applies find what a late effect has changed,
// put it back, and change nothing any more. The late run may have written the
// state of both, so the first of them adopts.
func (m *member) restored() {
	m.t.Helper()
	wants(m.t, m.Apply(m.t), 0, "active = true")
	planned := m.Plan(m.t)
	if planned.Code == 2 {
		wants(m.t, planned, 2, `"drifted" -> "active"`)
		wants(m.t, m.Apply(m.t), 0, "active = true")
		planned = m.Plan(m.t)
	}
	wants(m.t, planned, 0, "No changes")
	m.converged()
	if got := m.policiesOf(m.appRole("")); got != "["+m.vaultPolicy("read")+"]" {
		m.t.Errorf("the AppRole has %s", got)
	}
}

// onlyLooked checks that nothing of this grant was changed on any target: the
// statements that change roles, and Vault's audit log, do not name it.
func (m *member) onlyLooked(log, mark int) {
	m.t.Helper()
	for _, change := range changingStatements(m.db.StatementLog()[log:]) {
		if strings.Contains(change, m.principal("db")) {
			m.t.Errorf("PostgreSQL was told to change it: %s", change)
		}
	}
	for _, change := range m.vault.Changes(mark) {
		if strings.Contains(change, m.principal("kv")) {
			m.t.Errorf("Vault was told to change it: %s", change)
		}
	}
}

// lateWrite holds the write that gives an AppRole its policies, revokes, and
// lets it go on: Vault cannot refuse it. What it made is known as ours, so the
// run that sent it takes it back when it learns that it was overtaken.
func (m *member) lateWrite() {
	m.t.Helper()
	t := m.t
	held, goOn := make(chan struct{}), make(chan struct{})
	var first sync.Once
	m.vault.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
		if r.Path == m.appRole("") && strings.Contains(r.Body, m.vaultPolicy("read")) {
			first.Do(func() { close(held); <-goOn })
		}
		return testserver.VaultPass
	})
	running := m.Start(t, "", "apply", "-no-color", "-input=false", "-auto-approve", "-lock=false")
	<-held
	m.configured()
	wants(t, m.NHI(t, "revoke", string(m.etl), "--yes", "--reason", "laptop stolen"), 0, "Blocked.")
	entries := m.entries()
	close(goOn)
	wants(t, running.Wait(time.Minute), 1, "another run is acting on this grant")
	if now := m.entries(); now != entries {
		t.Errorf("the late run has recorded %d entries", now-entries)
	}
	m.nothingInVault()
	last := m.chain(ledger.GrantChain(m.etl)).Entries
	if _, ok := last[len(last)-1].Body.(ledger.VerificationBody); !ok {
		t.Errorf("the ledger's last word is %#v", last[len(last)-1].Body)
	}
}
