package provider_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// untouched remembers what the targets hold, and returns a check that they
// were not changed since: PostgreSQL's own statement log, the revocation list,
// and Vault's audit log.
func (l *landscape) untouched() func(what string) {
	l.t.Helper()
	roles, krl, log := strings.Join(l.roles(), ","), l.krl(), len(l.db.StatementLog())
	mark := l.vault.Mark()
	return func(what string) {
		l.t.Helper()
		if changes := l.vault.Changes(mark); len(changes) > 0 {
			l.t.Fatalf("%s: Vault was told to change something: %q", what, changes)
		}
		if now := strings.Join(l.roles(), ","); now != roles {
			l.t.Fatalf("%s: the roles were %q and are %q", what, roles, now)
		}
		if l.krl() != krl {
			l.t.Fatalf("%s: the revocation list was changed", what)
		}
		if changes := changingStatements(l.db.StatementLog()[log:]); len(changes) > 0 {
			l.t.Fatalf("%s: PostgreSQL was told to change something: %q", what, changes)
		}
	}
}

// changingStatements are the lines of a statement log that change roles.
func changingStatements(log string) []string {
	var changes []string
	for line := range strings.SplitSeq(log, "\n") {
		upper := strings.ToUpper(line)
		for _, verb := range []string{"CREATE ROLE", "DROP ROLE", "ALTER ROLE", "GRANT ", "REVOKE ", "COMMENT ON", "PG_TERMINATE"} {
			if strings.Contains(upper, ": "+verb) || strings.Contains(upper, " EXECUTE "+verb) {
				changes = append(changes, line)
			}
		}
	}
	return changes
}

// approvedLandscape is a landscape whose grant is approved and not active yet.
func approvedLandscape(t testing.TB, private bool) *landscape {
	t.Helper()
	l := newLandscape(t, private)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	return l
}

// activeLandscape is a landscape whose grant is active.
func activeLandscape(t testing.TB, private bool) *landscape {
	t.Helper()
	l := approvedLandscape(t, private)
	wants(t, l.Apply(t), 0, "active = true")
	return l
}

// used says how many activations the ledger has recorded.
func (w *world) used() int {
	w.t.Helper()
	uses := 0
	for _, entry := range w.chain(ledger.GrantChain(w.etl)).Entries {
		if _, ok := entry.Body.(ledger.UseBody); ok {
			uses++
		}
	}
	return uses
}

// saved plans into a file and checks that it activates.
func (w *world) saved(name string) {
	w.t.Helper()
	wants(w.t, w.Plan(w.t, "-out="+name), 2, `"approved" -> "active"`)
}

// apply applies a saved plan.
func (w *world) applySaved(name string) testserver.Result {
	return w.Run(w.t, "apply", "-no-color", "-input=false", name)
}
