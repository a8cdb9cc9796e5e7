package provider_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// storeServer is a world whose ledger is in a store that the test can take away.
type storeServer struct {
	world    *world
	down, up func()
}

// TestLedgerStores: in each store the whole life of a grant; and while the store
// is down nothing is granted, what is in force can be revoked, and the record
// follows when it is back.
func TestLedgerStores(t *testing.T) {
	t.Parallel()
	for kind, start := range storeServers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			l := newLandscapeIn(t, server.world, false)
			l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()))
			wants(t, l.Apply(t), 0)
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			check := l.untouched()
			l.saved("plan")
			server.down()
			wants(t, l.applySaved("plan"), 1, "Access not granted")
			check("while the ledger is away")
			server.up()
			wants(t, l.Apply(t), 0, "active = true")
			wants(t, l.Plan(t), 0, "No changes")
			server.down()
			wants(t, l.Plan(t), 0, "No changes", "Nothing can be granted in this run")
			wants(t, l.Destroy(t), 0, "The ledger is away")
			if roles := l.roles(); len(roles) > 0 {
				t.Errorf("after destroy: %v", roles)
			}
			server.up()
			wants(t, l.Apply(t), 0, "active = false")
			entries := l.chain(ledger.GrantChain(l.etl)).Entries
			if last, ok := entries[len(entries)-1].Body.(ledger.VerificationBody); !ok || last.Targets["db"].State != "absent" {
				t.Errorf("the ledger's last word is %#v", entries[len(entries)-1].Body)
			}
			book := l.book()
			if faults, err := book.Verify(t.Context()); err != nil || len(faults) > 0 {
				t.Errorf("verify: %v, %v", faults, err)
			}
			if l.used() != 1 {
				t.Errorf("%d activations", l.used())
			}
		})
	}
}

// TestLedgerStoresAwayAtTheEnd: a term that ends while a shared ledger is away
// ends by the target's own time, and no earlier.
func TestLedgerStoresAwayAtTheEnd(t *testing.T) {
	t.Parallel()
	server := storeServers["s3"](t)
	l := newLandscapeIn(t, server.world, false)
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("20s", l.dbAccess()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	server.down()
	wants(t, l.Plan(t), 0, "No changes")
	var planned testserver.Result
	testserver.Wait(t, time.Minute, "the term ends", func() bool {
		planned = l.Plan(t, "-out=plan")
		return planned.Code == 2
	})
	wants(t, planned, 2, `"expired" -> "revoked"`)
	wants(t, l.applySaved("plan"), 0, "The ledger is away")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("after the end: %v", roles)
	}
	server.up()
	wants(t, l.Apply(t), 0, "active = false")
	entries := l.chain(ledger.GrantChain(l.etl)).Entries
	if last, ok := entries[len(entries)-1].Body.(ledger.VerificationBody); !ok || last.Targets["db"].State != "absent" {
		t.Errorf("the ledger's last word is %#v", entries[len(entries)-1].Body)
	}
}
