package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
)

func TestRevokeNowAndUnblock(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grant", "identity"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLive(t)
			etl := w.etl
			of := map[string]string{"grant": string(etl), "identity": string(etl.Identity())}[name]
			text, role := w.granted(etl)
			w.wantThere(role)

			if out := w.ok("revoke", of, "--dry-run"); !strings.Contains(out, role+" on orders") {
				t.Errorf("dry run said %s", out)
			}
			w.fails(cli.ExitUsage, "say --yes", "revoke", of)
			w.wantThere(role)

			out := w.ok("revoke", of, "--yes", "--reason", "laptop stolen", "--key", w.key("ana"))
			if !strings.Contains(out, role+" on orders ("+w.endpoint()+") is gone") || !strings.Contains(out, "Blocked.") {
				t.Errorf("revoke said %s", out)
			}
			w.wantGone(role)
			if view := w.look(text); view.Status != lifecycle.Ended || view.Findings[0] != "ended by ana@example.com: laptop stolen" {
				t.Errorf("the plan shows %s %q", view.Status, view.Findings)
			}
			if out := w.ok("show", string(etl)); !strings.Contains(out, "ended by ana@example.com: laptop stolen") {
				t.Errorf("show said %s", out)
			}

			// A new term is approved by its quorum, and still does not begin.
			again := w.wants(etl)
			again.Term = 2
			text = w.ask(again, "eve")
			w.fails(cli.ExitWrong, "ended by ana@example.com", "approve", string(etl), "--yes", "--key", w.key("ana"))

			w.fails(cli.ExitWrong, "eve@example.com asked for this access and lifted", "unblock", of, "--yes", "--key", w.key("eve"))
			w.fails(cli.ExitWrong, "belongs to nobody", "unblock", of, "--yes", "--key", w.key("mal"))
			if out := w.ok("unblock", of, "--yes", "--key", w.key("ana"), "--reason", "laptop found"); !strings.Contains(out, "it still takes 1 more of approvers") {
				t.Errorf("the first unblock said %s", out)
			}
			w.ok("unblock", of, "--yes", "--key", w.key("ana"))
			if view := w.look(text); view.Status != lifecycle.Ended {
				t.Errorf("after one person the plan shows %s %q", view.Status, view.Findings)
			}
			if out := w.ok("unblock", of, "--yes", "--key", w.key("ben")); !strings.Contains(out, "the block is lifted") {
				t.Errorf("the second unblock said %s", out)
			}
			w.fails(cli.ExitWrong, "nothing of this is blocked", "unblock", of, "--yes", "--key", w.key("cyd"))

			w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
			w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
			_, err := w.provider().Activate(context.Background(), lifecycle.Ask{Text: text}, lifecycle.Record{})
			must(t, err)
			w.wantThere(role)
			if out := w.ok("verify"); !strings.Contains(out, "Everything that can be checked here") {
				t.Errorf("verify said %s", out)
			}

			// The old lifts do not lift a newer block.
			w.ok("revoke", of, "--yes")
			w.wantGone(role)
			var told struct{ Lifts []struct{ Missing []string } }
			w.json(&told, "unblock", of, "--yes", "--key", w.key("cyd"))
			if len(told.Lifts) != 1 || len(told.Lifts[0].Missing) != 1 {
				t.Errorf("unblock told %+v", told)
			}
		})
	}
}

func TestRevokeWithoutAKey(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	etl := w.etl
	text, role := w.granted(etl)
	var told struct {
		Open    int
		Targets []struct {
			State    string
			Verified bool
		}
	}
	w.json(&told, "revoke", string(etl), "--yes")
	w.wantGone(role)
	if told.Open != 0 || len(told.Targets) != 1 || told.Targets[0].State != "gone" || !told.Targets[0].Verified {
		t.Errorf("revoke told %+v", told)
	}
	if view := w.look(text); view.Status != lifecycle.Ended || !strings.HasPrefix(view.Findings[0], "ended by unproven: ") {
		t.Errorf("the plan shows %s %q", view.Status, view.Findings)
	}
	entries := w.chain(ledger.GrantChain(etl)).Entries
	w.ok("revoke", string(etl), "--yes")
	if again := w.chain(ledger.GrantChain(etl)).Entries; len(again) != len(entries) {
		t.Errorf("a second revoke wrote %d entries", len(again)-len(entries))
	}
}

func TestRevokeWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fails(cli.ExitUsage, "the ledger knows no production/payments/etl/orders", "revoke", "production/payments/etl/orders", "--yes")
	w.fails(cli.ExitUsage, "the ledger knows no", "revoke", string(etl), "--yes")
	w.fails(cli.ExitUsage, "say which", "revoke", "--yes")
	w.fails(cli.ExitUsage, "", "revoke", "Orders", "--yes")
}

func TestRevokeWhereTheSystemIsMissing(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	etl := w.etl
	_, role := w.granted(etl)
	hcl := w.read(w.path("nhi.hcl"))
	w.configure(`orders = { postgres = { url = env("NHI_TEST_NOT_SET") } }`)
	got := w.fails(cli.ExitOpen, "1 grant is not confirmed as removed everywhere", "revoke", string(etl), "--yes")
	if !strings.Contains(got.out, "NHI_TEST_NOT_SET is not set") || !strings.Contains(got.out, "nhi sweep --revoke") {
		t.Errorf("revoke said %s", got.out)
	}
	w.wantThere(role)
	w.write(w.path("nhi.hcl"), hcl)
	w.pass(time.Hour)
	w.ok("revoke", string(etl), "--yes")
	w.wantGone(role)
}

func TestASystemIsCheckedAsTheProvidersIs(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	for words, text := range map[string]string{
		`nhi.hcl line 22: system "orders" must have exactly one kind`: `orders = { }`,
		`system "orders" is of no known kind "mysql"`:                 `orders = { mysql = { } }`,
		`system "orders": unknown attribute "uri"`:                    `orders = { postgres = { uri = "x" } }`,
		`system "orders": url is required`:                            `orders = { postgres = { } }`,
		`url must be a string`:                                        `orders = { postgres = { url = 3 } }`,
		`probe must be a list of strings`:                             `orders = { ssh = { probe = "x", ca_key_file = "ca", krl_file = "krl" } }`,
		`"Orders" is no name of a system`:                             `Orders = { postgres = { url = "x" } }`,
		"Variables not allowed":                                       `orders = { postgres = { url = var.url } }`,
		"There is no function named":                                  `orders = { postgres = { url = file("x") } }`,
	} {
		w.configure(text)
		w.fails(cli.ExitUsage, words, "requests")
	}
}

// A victim that carries a copy of the mark is not touched; and as long as it
// does, nobody says that all is gone.
func TestRevokeTouchesNoVictim(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	victim := w.victim(role)
	w.fails(cli.ExitOpen, "not confirmed", "revoke", string(w.etl), "--yes")
	w.wantGone(role)
	w.wantThere(victim)
	w.server.Exec("DROP ROLE " + victim)
	w.ok("revoke", string(w.etl), "--yes")
}
