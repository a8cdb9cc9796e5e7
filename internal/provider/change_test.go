package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// changing is a landscape with an active grant of the roles a and b, and a
// function that writes and applies another wish.
func changing(t *testing.T) (*landscape, func(ttl string, roles ...string)) {
	t.Helper()
	l := newLandscape(t, false)
	for _, role := range []string{"a", "b", "c"} {
		l.db.Exec("CREATE ROLE " + l.db.Prefix() + role)
	}
	wish := func(ttl string, roles ...string) {
		t.Helper()
		quoted := make([]string, len(roles))
		for i, role := range roles {
			quoted[i] = fmt.Sprintf("%q", l.db.Prefix()+role)
		}
		access := fmt.Sprintf("    db = { system = \"orders\", postgres = { roles = [%s] } }\n", strings.Join(quoted, ", "))
		l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf(ttl, access))
	}
	wish("720h", "a", "b")
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	return l, wish
}

// holds lists the roles that the account of the grant is a member of, without
// the landscape's prefix.
func (l *landscape) holds() string {
	l.t.Helper()
	var names []string
	for _, row := range l.db.Query(`SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
		WHERE u.rolname = $1 ORDER BY 1`, nhi.Principal(l.etl, "db")) {
		names = append(names, strings.TrimPrefix(row[0], l.db.Prefix()))
	}
	return strings.Join(names, " ")
}

// TestWiderWaits: more access waits for its own approval, while what is in
// force stays, is repaired, and is never replaced by what was not shown.
func TestWiderWaits(t *testing.T) {
	t.Parallel()
	l, wish := changing(t)
	wish("720h", "a", "b", "c")
	wants(t, l.Apply(t), 0, "active = true", "Waiting for approval")
	l.db.Exec(fmt.Sprintf(`REVOKE %sa FROM %q`, l.db.Prefix(), nhi.Principal(l.etl, "db")))
	wants(t, l.Plan(t), 2, `"drifted" -> "active"`)
	wants(t, l.Apply(t), 0)
	if held := l.holds(); held != "a b" {
		t.Fatalf("after the repair it holds %q", held)
	}
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Plan(t, "-out=plan"), 2, `"approved" -> "active"`, `+ "role `+l.db.Prefix()+`c"`)
	wants(t, l.applySaved("plan"), 0)
	if held := l.holds(); held != "a b c" {
		t.Errorf("after the approval it holds %q", held)
	}
	wants(t, l.Plan(t), 0, "No changes")
}

// TestThirdWish: a plan that shows no new access gives none, whatever was
// approved in between.
func TestThirdWish(t *testing.T) {
	t.Parallel()
	l, wish := changing(t)
	wish("720h", "a", "b", "c")
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wish("719h", "a", "b", "c")
	wants(t, l.Plan(t, "-target=nhi_approval.etl", "-out=ask"), 2)
	wants(t, l.applySaved("ask"), 0)
	wants(t, l.Plan(t, "-out=plan"), 2)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	if result := l.applySaved("plan"); result.Code == 0 && l.holds() != "a b" {
		t.Errorf("it holds %q, and the plan showed nothing new:\n%s", l.holds(), result.Stdout)
	}
	wants(t, l.Apply(t), 0)
	wants(t, l.Apply(t), 0)
	if held := l.holds(); held != "a b c" {
		t.Errorf("in the end it holds %q", held)
	}
}

// TestNarrowerAtOnce: less access or an earlier end needs no approval, keeps
// the end where it was, and an ended term is revoked all the same.
func TestNarrowerAtOnce(t *testing.T) {
	t.Parallel()
	l, wish := changing(t)
	wish("720h", "a", "b", "c") // asked for, and never approved
	wants(t, l.Apply(t), 0)
	wish("720h", "a")
	wants(t, l.Apply(t), 0, "active = true")
	if held := l.holds(); held != "a" {
		t.Fatalf("after narrowing it holds %q", held)
	}
	wants(t, l.Plan(t), 0, "No changes")
	l.advance(721 * time.Hour)
	wants(t, l.Plan(t), 2, `"expired" -> "revoked"`)
	wants(t, l.Apply(t), 0, "active = false")
	if held := l.holds(); held != "" {
		t.Errorf("after the end it holds %q", held)
	}
}

// TestDestroyedWhileTheLedgerWasAway: access that was destroyed meanwhile does
// not come back when even the records that waited for the ledger are lost.
func TestDestroyedWhileTheLedgerWasAway(t *testing.T) {
	t.Parallel()
	l, _ := changing(t)
	must(t, os.Rename(filepath.Join(l.Dir, ".nhi"), filepath.Join(l.Dir, "away")))
	wants(t, l.Destroy(t), 0, "The ledger is away")
	must(t, os.Rename(filepath.Join(l.Dir, "away"), filepath.Join(l.Dir, ".nhi")))
	l.Env = append(l.Env, "XDG_CACHE_HOME="+t.TempDir()) // another machine
	for range 3 {
		wants(t, l.Apply(t), 0, "active = false")
	}
	if held := l.holds(); held != "" || len(l.roles()) > 0 {
		t.Errorf("it holds %q", held)
	}
}

// TestRequesterLater: who first asked without a proof, took it back, and asks
// again with one, is not held to the first time.
func TestRequesterLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	proven := w.providerBlock("") + grantOf("720h", externalAccess)
	w.Write(t, "main.tf", strings.Replace(proven, "requester ", "# requester ", 1))
	wants(t, w.Apply(t), 0, "needs 3 of group security")
	wants(t, w.Destroy(t), 0)
	w.Write(t, "main.tf", proven)
	wants(t, w.Apply(t), 0, "needs 2 of group security")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
}

// TestUnknownProvider: settings of the provider block that are known only at
// apply make no false error.
func TestUnknownProvider(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, config string) string{
		"requester": func(w *world, config string) string {
			return strings.Replace(config, fmt.Sprintf("%q", w.keyFile(rae)), "terraform_data.later.output", 1) +
				fmt.Sprintf("resource \"terraform_data\" \"later\" { input = %q }\n", w.keyFile(rae))
		},
		"ledger": func(_ *world, config string) string {
			return strings.Replace(config, `".nhi"`, "terraform_data.later.output", 1) + "resource \"terraform_data\" \"later\" { input = \".nhi\" }\n"
		},
		"scope": func(w *world, config string) string {
			return strings.Replace(config, fmt.Sprintf("%q", w.scope), "terraform_data.later.output", 1) +
				fmt.Sprintf("resource \"terraform_data\" \"later\" { input = %q }\n", w.scope)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.policy(1, "", twoOfSecurity)
			w.Write(t, "main.tf", change(w, w.providerBlock("")+grantOf("720h", externalAccess)))
			wants(t, w.Plan(t, "-out=plan"), 2, `+ status = "pending"`)
			wants(t, w.applySaved("plan"), 0)
			w.decide(nhi.VerdictApprove, w.etl, ana, ben)
			wants(t, w.Apply(t), 0, "active = true")
		})
	}
}
