package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

type row struct {
	Approval, Status, Requester string
	AsksFor                     string `json:"asks_for"`
	Waits                       bool
}

func (w *world) rows(args ...string) []row {
	w.t.Helper()
	var list struct{ Requests []row }
	w.json(&list, append([]string{"requests"}, args...)...)
	return list.Requests
}

func TestRequestsListsWhatWaits(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.pass(3 * time.Hour)
	w.ask(w.request(approval(1), "a", "b"), "")
	out := w.ok("requests")
	for _, line := range []string{
		"production/payments/etl/orders-etl:default  role orders_ro on orders       720h  eve@example.com  0/2 approvers  3h   pending",
		"production/payments/etl/job-001:default     role a, role b on orders       720h  unproven         0/3 approvers  0s   pending",
	} {
		if !strings.Contains(squeezed(out), squeezed(line)) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	if strings.Index(out, "orders-etl") > strings.Index(out, "job-001") {
		t.Errorf("the oldest is not the first:\n%s", out)
	}
}

func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestRequestsLeavesOutWhatIsDecided(t *testing.T) {
	t.Parallel()
	w := asked(t)
	taken := w.ask(w.request(approval(1)), "eve")
	must(t, w.engine().TakeBack(context.Background(), taken))
	w.ask(w.request(approval(2)), "eve")
	w.ok("approve", string(approval(2)), "--yes", "--key", w.key("ana"))
	w.ok("approve", string(approval(2)), "--yes", "--key", w.key("ben"))
	w.ask(w.request(approval(3)), "eve")
	w.ok("deny", string(approval(3)), "--yes", "--key", w.key("ana"))
	longer := w.request(approval(4))
	longer.TTL = 721 * time.Hour
	w.ask(longer, "eve")

	if rows := w.rows(); len(rows) != 1 || rows[0].Approval != string(etl) || !rows[0].Waits {
		t.Errorf("waiting are %+v", rows)
	}
	status := map[string]string{}
	for _, r := range w.rows("--all") {
		status[r.Approval] = r.Status
	}
	want := map[nhi.ApprovalID]string{etl: "pending", approval(1): "taken back", approval(2): "approved", approval(3): "denied", approval(4): "denied"}
	for id, one := range want {
		if status[string(id)] != one {
			t.Errorf("%s is %q, want %q", id, status[string(id)], one)
		}
	}
}

func TestRequestsShowsTheNewestRequest(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ask(w.request(etl, "orders_ro", "orders_rw"), "eve")
	if rows := w.rows(); len(rows) != 1 || rows[0].AsksFor != "role orders_ro, role orders_rw on orders" {
		t.Errorf("rows are %+v", rows)
	}
	wider, err := w.request(etl, "orders_ro", "orders_rw").Text()
	must(t, err)
	must(t, w.engine().TakeBack(context.Background(), wider))
	if rows := w.rows(); len(rows) != 1 || rows[0].AsksFor != "role orders_ro on orders" {
		t.Errorf("after it was taken back, rows are %+v", rows)
	}
}

func TestRequestsLeavesOutEndedIdentities(t *testing.T) {
	t.Parallel()
	w := asked(t)
	request := w.request(etl)
	must(t, w.engine().RecordIdentity(context.Background(), nhi.Identity{ID: request.Identity(), Owner: request.Owner,
		Purpose: request.Purpose, Kind: request.Kind, Status: nhi.IdentityDisabled}))
	if out := w.ok("requests"); !strings.Contains(out, "1 more request of identities that have ended") {
		t.Errorf("requests said %s", out)
	}
	w.fails(cli.ExitWrong, "the identity is disabled", "approve", string(etl), "--yes", "--key", w.key("ana"))
}

func TestRequestsShowsABrokenRecordBesideTheRest(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ask(w.request(approval(1)), "eve")
	w.sql("DROP TRIGGER entry_update", "UPDATE entry SET value = x'00' WHERE key LIKE '"+ledger.ApprovalChain(approval(1))+"/%'")
	got := w.fails(cli.ExitUnavailable, "1 record cannot be read", "requests")
	if !strings.Contains(got.out, string(etl)) || !strings.Contains(got.out, "cannot be read: ledger: entry 1") {
		t.Errorf("requests said %s", got.out)
	}
}

func TestNothingWorksWithoutTrust(t *testing.T) {
	t.Parallel()
	w := asked(t)
	pins := w.pins
	for _, args := range [][]string{{"requests"}, {"show", string(etl)}, {"approve", string(etl), "--yes", "--key", w.key("ana")}, {"policy", "sign", "--key", w.key("root")}} {
		w.pins = nil
		w.fails(cli.ExitUnavailable, "not pinned", args...)
		w.pins = []nhi.Digest{nhi.DigestOf("another root")}
		w.fails(cli.ExitUnavailable, "not pinned", args...)
		w.pins = pins
		w.fails(cli.ExitUnavailable, "no ledger here", append(args, "--ledger", w.path("nowhere"))...)
	}
	w.fails(cli.ExitUnavailable, "no policy can be relied on", "requests", "--policy", w.path("nowhere"))
	if w.entries(etl) != 1 {
		t.Error("something was recorded")
	}
}
