package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestCase11AnswerLost: a target commits, and its answer is lost. The run that
// sees the failure takes back what it made; the one that is killed first leaves
// it to the next, which adopts that very object. Either way there is one in the
// end, one activation, and nobody is asked again.
func TestCase11AnswerLost(t *testing.T) {
	t.Parallel()
	l, fleet := newFleet(t, 6, func(l *landscape) string { return l.dbAccess() + l.boxAccess() + l.kvAccess() })
	t.Run("answers", func(t *testing.T) {
		for i, points := range []string{"effect.prepare=lost", "effect.enable=lost", "activate.use.after=lost",
			"effect.prepare=lost;activate.prepare.after=kill", "effect.enable=lost;activate.enable.after=kill"} {
			t.Run(points, func(t *testing.T) {
				t.Parallel()
				m := fleet[i]
				m.t = t
				killed := strings.HasSuffix(points, "kill")
				code := 1
				if strings.HasPrefix(points, "activate.use") {
					code = 0 // the ledger is asked again, and has it
				}
				wants(t, m.Fault(t, points, "apply", "-no-color", "-input=false", "-auto-approve"), code)
				accounts := m.accounts()
				if left := len(accounts) > 0; left != (killed || code == 0) {
					t.Errorf("after the answers were lost there are %v", accounts)
				}
				m.restored()
				if now := m.accounts(); len(accounts) > 0 && (len(now) != 1 || now[0] != accounts[0]) {
					t.Errorf("the accounts were %v and are %v", accounts, now)
				}
			})
		}
		t.Run("Vault itself", func(t *testing.T) {
			t.Parallel()
			m := fleet[5]
			m.t = t
			lost := 0
			m.vault.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
				if lost == 0 && r.Method != http.MethodGet && r.Path == m.appRole("") {
					lost++
					return testserver.VaultLose
				}
				return testserver.VaultPass
			})
			wants(t, m.Apply(t), 1, "Access not granted", "undone")
			m.nothingInVault()
			m.restored()
		})
	})
	l.verified()
}

// TestCase11CommitLost: PostgreSQL commits, and its connection ends before it
// says so. There is one role in the end.
func TestCase11CommitLost(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	proxy := l.db.Proxy(t)
	l.policy(2, fmt.Sprintf("  system \"orders\" { postgres = \"127.0.0.1:%d/%s\" }\n", proxy.Port, l.db.Database()), twoOfSecurity)
	l.Env = append(l.Env, "TF_VAR_orders_url="+proxy.URL(l.db.URL("")))
	m := &member{landscape: l, name: "orders-etl"}
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()))
	wants(t, l.Apply(t), 0, "active = false")
	l.decide("approve", l.etl, ana, ben)
	const most = 4
	for n := 1; n <= most; n++ {
		proxy.LoseCommits(n)
		before := proxy.Lost()
		result := l.Apply(t)
		t.Logf("%d of %d answers were lost: exit %d, %d roles", proxy.Lost()-before, n, result.Code, len(m.accounts()))
		if proxy.Lost() == before {
			t.Fatal("no answer was lost")
		}
		proxy.LoseCommits(0)
		if n == most || result.Code == 0 {
			break
		}
	}
	wants(t, l.Apply(t), 0, "active = true")
	m.converged()
	wants(t, l.Plan(t), 0, "No changes")
	proxy.LoseCommits(1)
	_ = l.Destroy(t)
	wants(t, l.Destroy(t), 0)
	if accounts := m.accounts(); len(accounts) > 0 {
		t.Errorf("left over: %v", accounts)
	}
}
