package provider_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	stores "github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// clockStores make a world for each kind of store that has a clock of its own.
var clockStores = map[string]func(testing.TB) *world{
	"postgres": func(t testing.TB) *world {
		return newWorldOn(t, func(*world) (string, nhi.Values, string) {
			url := testserver.Postgres(t).URL("")
			return "postgres", nhi.Values{"url": nhi.Text(url)}, `{ postgres = { url = "` + url + `" } }`
		})
	},
}

// TestCase19Clock: a runner's clock that is a day or ten years ahead, or a day
// back, where store and targets have their own: no longer term, no early
// revocation, no refusal to revoke, and nothing that others stumble over.
func TestCase19Clock(t *testing.T) {
	t.Parallel()
	for _, kind := range stores.All() {
		start, has := clockStores[kind.Name]
		if !has {
			continue
		}
		for name, wrong := range map[string]time.Duration{"a day ahead": 24 * time.Hour, "ten years ahead": 87600 * time.Hour, "a day back": -24 * time.Hour} {
			t.Run(kind.Name+" "+name, func(t *testing.T) {
				t.Parallel()
				l := newLandscapeIn(t, start(t), false)
				l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.sshSystem(`confirm = "krl"`))+variables+grantOf("48h", l.dbAccess()+l.boxAccess()))
				wants(t, l.Apply(t), 0)
				l.decide(nhi.VerdictApprove, l.etl, ana, ben)
				l.SetClock(t, wrong)
				before := time.Now()
				wants(t, l.Apply(t), 0, "active = true")
				l.wantTerm(before, 48*time.Hour)
				wants(t, l.Plan(t), 0, "No changes")
				l.configured()
				wants(t, l.NHI(t, "sweep", "--revoke"), 0, "Nothing is due.")
				l.SetClock(t, 0) // others, whose clocks are right
				wants(t, l.Plan(t), 0, "No changes")
				wants(t, l.NHI(t, "verify"), 0, "as it must be")
				l.SetClock(t, wrong)
				wants(t, l.Destroy(t), 0)
				if roles := l.roles(); len(roles) > 0 {
					t.Errorf("left over: %v", roles)
				}
				l.SetClock(t, 0)
				wants(t, l.NHI(t, "verify"), 0, "as it must be")
			})
		}
	}
}

// TestCase19LocalClock: a local ledger has no clock but the machine's. One that
// was set back a day is noticed, by what is on record: nothing is granted, and
// what is in force can be revoked.
func TestCase19LocalClock(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("48h", l.dbAccess()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.SetClock(t, -24*time.Hour)
	wants(t, l.Apply(t), 0, "ahead of the store's", "active = false")
	l.SetClock(t, 0)
	wants(t, l.Apply(t), 0, "active = true")
	l.SetClock(t, -24*time.Hour)
	wants(t, l.Destroy(t), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
	l.SetClock(t, 0)
	l.configured()
	wants(t, l.NHI(t, "emergency", "record"), 0)
	wants(t, l.NHI(t, "verify"), 0, "as it must be")
	entries := l.chain(ledger.GrantChain(l.etl)).Entries
	if last, ok := entries[len(entries)-1].Body.(ledger.VerificationBody); !ok || last.Targets["db"].State != "absent" {
		t.Errorf("the ledger's last word is %#v", entries[len(entries)-1].Body)
	}
}

// wantTerm wants the term that began just now to last so long, in the ledger
// and on the server, by real time.
func (l *landscape) wantTerm(began time.Time, lasts time.Duration) {
	l.t.Helper()
	const slack = 5 * time.Minute
	near := func(what string, at, want time.Time) {
		l.t.Helper()
		if at.Sub(want).Abs() > slack {
			l.t.Errorf("%s %s, want about %s", what, at, want)
		}
	}
	for _, entry := range l.chain(ledger.GrantChain(l.etl)).Entries {
		near("an entry is of", entry.Time, began)
		if intent, ok := entry.Body.(ledger.IntentBody); ok {
			near("the term ends", intent.ExpiresAt, began.Add(lasts))
		}
		if effect, ok := entry.Body.(ledger.EffectBody); ok {
			for key, target := range effect.Targets {
				near("the end of "+key+" is", target.NotAfter, began.Add(lasts))
			}
		}
	}
}
