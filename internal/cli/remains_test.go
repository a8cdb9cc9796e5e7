package cli_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ledgerGone takes the ledger away, and returns what brings it back.
func (w *world) ledgerGone() (back func()) {
	w.t.Helper()
	must(w.t, os.Rename(w.path(".nhi"), w.path("away")))
	return func() { must(w.t, os.Rename(w.path("away"), w.path(".nhi"))) }
}

// With the ledger away, marks on the systems are enough to revoke; block and
// record wait, and whoever asks is told so.
func TestRevokeWithoutTheLedger(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	id := w.book().ID()
	victim := w.victim(role)
	back := w.ledgerGone()
	got := w.fails(cli.ExitOpen, "not confirmed as removed", "revoke", string(w.etl), "--yes")
	if !strings.Contains(got.out, victim+" on orders") || !strings.Contains(got.out, "is not touched") {
		t.Errorf("revoke said %s", got.out)
	}
	w.wantGone(role)
	w.wantThere(victim)
	w.server.Exec("DROP ROLE " + victim)

	w.fails(cli.ExitUnavailable, "neither marks on systems nor states tell of", "revoke", string(w.etl), "--yes")
	w.server.Exec(fmt.Sprintf("CREATE ROLE %q; COMMENT ON ROLE %q IS '%s'", role, role, nhi.Mark{Ledger: id, Grant: w.etl, Target: "db", Nonce: strings.Repeat("a", 32)}))
	got = w.fails(cli.ExitWaits, "waits to be written", "revoke", string(w.etl.Identity()), "--yes", "--reason", "incident")
	if !strings.Contains(got.out, role+" on orders ("+w.endpoint()+") is gone") || !strings.Contains(got.out, "The record waits in") {
		t.Errorf("revoke said %s", got.out)
	}
	w.wantGone(role)
	back()
	if out := w.ok("verify"); !strings.Contains(out, "wait in") {
		t.Errorf("verify said %s", out)
	}
	w.fails(cli.ExitWaits, "waits to be written", "sweep")
	w.ok("sweep", "--revoke")
	w.wantGone(role)
	if out := w.ok("log"); !strings.Contains(out, "incident") {
		t.Errorf("the block is not on record: %s", out)
	}
}

// Marks of two ledgers under one name: a person says which one is meant.
func TestRevokeWithoutTheLedgerAsksWhose(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	id, other := w.book().ID(), strings.Repeat("f", 32)
	planted := nhi.Principal(w.etl, "other")
	w.server.Exec(fmt.Sprintf("CREATE ROLE %q; COMMENT ON ROLE %q IS '%s'", planted, planted, nhi.Mark{Ledger: other, Grant: w.etl, Target: "other", Nonce: other}))
	w.ledgerGone()
	w.fails(cli.ExitUsage, "--ledger-id", "revoke", string(w.etl), "--yes")
	w.wantThere(role)
	w.fails(cli.ExitUsage, "is no id of a ledger", "revoke", string(w.etl), "--yes", "--ledger-id", "x")
	w.fails(cli.ExitWaits, "waits", "revoke", string(w.etl), "--yes", "--ledger-id", id)
	w.wantGone(role)
	if exists, _ := w.role(planted); !exists {
		t.Error("another ledger's account was removed")
	}
}

// A state that is none is refused before anything happens.
func TestHostileStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for words, text := range map[string]string{
		"is no Terraform state": "{", "is a state of version 3": `{"version":3}`, "is encrypted": `{"version":4,"encrypted_data":"x"}`,
	} {
		w.write(w.path("state.json"), text)
		w.fails(cli.ExitUsage, words, "rebuild", "--state", w.path("state.json"))
	}
	w.fails(cli.ExitUsage, "no such file", "rebuild", "--state", w.path("nowhere"))
	w.write(w.path("state.json"), `{"version":4,"resources":[{"mode":"managed","type":"nhi_grant","name":"etl","instances":[{"attributes":{"id":"x"},"private":"bm9uc2Vuc2U="}]}]}`)
	w.fails(cli.ExitUsage, "its private state cannot be read", "rebuild", "--state", w.path("state.json"))
}
