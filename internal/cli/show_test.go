package cli_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// A ledger's id is random, so every digest that follows from it is too.
var digests = regexp.MustCompile(`sha256:[0-9a-f]{8,64}…?`)

// golden compares text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	text = digests.ReplaceAllString(text, "sha256:…")
	path := filepath.Join("testdata", name+".golden")
	if *update {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if string(want) != text {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, text)
	}
}

// wide asks for access on everything there is.
func (w *world) wide(id nhi.ApprovalID) nhi.Request {
	request := w.request(id, "orders_ro", "orders_rw")
	request.Access["box"] = nhi.Access{System: "bastion", Kind: "ssh", Endpoint: "SHA256:bastion", Settings: nhi.Values{
		"principals": nhi.List("deploy"), "extensions": nhi.List("permit-pty"), "force_command": nhi.Text(""),
		"source_addresses": nhi.List(), "public_key": nhi.Text(strings.TrimSpace(w.read(w.key("eve.pub")))),
	}}
	request.Access["aws"] = nhi.Access{Kind: nhi.KindExternal, Settings: nhi.Values{"description": nhi.Text("read the export bucket")}}
	return request
}

func TestShowReadsLikeAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ask(w.wide(etl), "eve")
	w.pass(90 * time.Minute)
	golden(t, "show_pending", w.ok("show", string(etl)))
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	golden(t, "show_one_of_two", w.ok("show", string(etl)))
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	w.pass(time.Hour)
	golden(t, "show_approved", w.ok("show", string(etl)))
}

func TestShowTellsWhatSpeaksAgainst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := w.wide(etl)
	request.Access["db"] = nhi.Access{System: "orders", Kind: "postgres", Endpoint: "elsewhere:5432/orders", Settings: nhi.Values{"roles": nhi.List("x")}}
	request.ReusableUntil = time.Date(2030, 2, 1, 0, 0, 0, 0, time.UTC)
	w.ask(request, "")
	golden(t, "show_denied_by_policy", w.ok("show", string(etl)))

	w.ask(w.request(approval(1)), "cyd")
	w.ok("deny", string(approval(1)), "--yes", "--key", w.key("ana"))
	golden(t, "show_denied_by_ana", w.ok("show", string(approval(1))))
}

// activate records an activation of a request as an apply does.
func (w *world) activate(text string) {
	w.t.Helper()
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	ctx, book, name := context.Background(), w.book(), ledger.GrantChain(request.Approval)
	chain, standing := w.chain(name), w.standing(text)
	intent := ledger.IntentBody{
		Verb: ledger.VerbActivate, Activation: 1, Request: nhi.DigestOf(text), Text: text, Reason: "approved",
		StartedAt: standing.Now, ExpiresAt: standing.Now.Add(request.TTL), Heads: standing.Heads, Targets: map[string]ledger.Target{},
	}
	for key, access := range request.Access {
		intent.Targets[key] = ledger.Target{System: access.System, Kind: access.Kind, Endpoint: access.Endpoint, Access: access.Settings, Nonce: "00112233445566778899aabbccddeeff"}
	}
	chain, err = book.Append(ctx, chain, intent)
	must(w.t, err)
	_, err = book.Append(ctx, chain, ledger.UseBody{Epoch: chain.Head().Seq, Activation: 1, Request: nhi.DigestOf(text)})
	must(w.t, err)
}

func (w *world) approved(request nhi.Request) string {
	w.t.Helper()
	text := w.ask(request, "eve")
	w.ok("approve", string(request.Approval), "--yes", "--key", w.key("ana"))
	w.ok("approve", string(request.Approval), "--yes", "--key", w.key("ben"))
	return text
}

func TestShowComparesWithWhatIsInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.activate(w.approved(w.wide(etl)))
	w.pass(time.Minute)
	changed := w.wide(etl)
	changed.Access["db"].Settings["roles"] = nhi.List("orders_ro", "orders_admin")
	delete(changed.Access, "box")
	changed.Access["aws"] = nhi.Access{System: "orders", Kind: "postgres", Endpoint: "db.internal:5432/orders", Settings: nhi.Values{"roles": nhi.List("buckets")}}
	w.ask(changed, "eve")
	golden(t, "show_change", w.ok("show", string(etl)))
}

func TestShowText(t *testing.T) {
	t.Parallel()
	w := asked(t)
	want, err := w.request(etl).Text()
	must(t, err)
	// The text needs no trust: it is what it is.
	w.pins = nil
	got := w.run("show", string(etl), "--text")
	if got.out != want || got.err != string(nhi.DigestOf(want))+"\n" {
		t.Errorf("the text is %q, and beside it %q", got.out, got.err)
	}
	var shown struct {
		Text    string
		Request nhi.Digest
	}
	w.json(&shown, "show", string(etl), "--text")
	if shown.Text != want || shown.Request != nhi.DigestOf(want) {
		t.Errorf("as JSON it is %+v", shown)
	}
}

func TestShowJSON(t *testing.T) {
	t.Parallel()
	w := asked(t)
	var shown struct {
		Approval, Status, Requester, Text string
		Request                           nhi.Digest
		Access                            map[string]struct{ Privileges []string }
		Needs                             []struct{ Want int }
		Waits                             bool
		Now                               map[string]string `json:"if_approved_now"`
	}
	w.json(&shown, "show", string(etl))
	if shown.Approval != string(etl) || shown.Requester != "eve@example.com" || shown.Request != nhi.DigestOf(shown.Text) ||
		shown.Access["db"].Privileges[0] != "role orders_ro" || shown.Needs[0].Want != 2 || !shown.Waits ||
		shown.Now["ends_at_the_latest"] != "2030-02-14T09:00:00Z" {
		t.Errorf("show is %+v", shown)
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	w := asked(t)
	for _, name := range []string{
		"", "x", "\x1b[2J:default", "production/payments/etl/a\x00:default", "production/../etl/x:default",
		"production/payments/etl/orders-etl:default\n", "production/payments/etl/\u202eltero:default", strings.Repeat("a", 1<<20),
		"production/payments/etl/orders-etl:default:default", "production/payments/etl/orders-etl:%2e%2e",
	} {
		for _, args := range [][]string{{"show", name}, {"approve", "--yes", "--key", w.key("ana"), name}, {"show", "--text", name}} {
			got := w.fails(cli.ExitUsage, "", args...)
			if strings.ContainsAny(got.err, "\x00\x1b\u202e") || len(got.err) > 2_000 {
				t.Errorf("%.60q: the error holds what came in: %.300q", name, got.err)
			}
			var parsed struct {
				Error string
				Exit  int
			}
			bad := w.run(append(args, "--json")...)
			if err := json.Unmarshal([]byte(bad.err), &parsed); err != nil || parsed.Exit != cli.ExitUsage || bad.out != "" {
				t.Errorf("%.60q: as JSON: %v, %q, %q", name, err, bad.err, bad.out)
			}
			if strings.ContainsAny(bad.err, "\x00\x1b\u202e") {
				t.Errorf("%.60q: the JSON error holds what came in: %.300q", name, bad.err)
			}
		}
	}
	w.fails(cli.ExitUsage, "nothing was asked for under this name", "show", "production/payments/etl/nobody:default")
}

func TestShowEscapesWhatALedgerHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := w.request(etl).Text()
	must(t, err)
	w.ask(w.request(etl), "")
	chain := w.chain(ledger.ApprovalChain(etl))
	_, err = w.book().Append(context.Background(), chain, ledger.RequestBody{Text: text, Justification: "harmless\x1b[2J\u202e\nrole admin"})
	must(t, err)
	out := w.ok("show", string(etl))
	if strings.ContainsAny(out, "\x1b\u202e") || !strings.Contains(out, `"harmless\x1b[2J\u202e\nrole admin"`) {
		t.Errorf("show said %q", out)
	}
	w.fails(cli.ExitUsage, "justification", "approve", string(etl), "--yes", "--key", w.key("ana"))
}
