package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// adopting is a world whose postgres takes accounts over.
func adopting(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.kinds = builtin.All()
	for i := range w.kinds {
		if w.kinds[i].Name == "postgres" {
			w.kinds[i].Adopts = func(access nhi.Values) connector.Adoption {
				return connector.Adoption{Name: access["adopt"].Text(), Disable: access["on_revoke"].Text() == "disable"}
			}
		}
	}
	return w
}

func (w *world) takeover() nhi.Request {
	request := w.request(etl, "orders_ro", "orders_rw")
	settings := request.Access["db"].Settings
	settings["adopt"], settings["on_revoke"] = nhi.Text("svc_orders"), nhi.Text("disable")
	return request
}

func TestATakeoverIsShownWithWhatWasObserved(t *testing.T) {
	t.Parallel()
	w := adopting(t)
	text := w.ask(w.takeover(), "eve")
	if out := w.ok("show", string(etl)); !strings.Contains(out, "! nobody has observed this account yet") {
		t.Errorf("show said %s", out)
	}
	observe := func(request nhi.Digest, principal string) {
		w.add(ledger.ApprovalChain(etl), ledger.ObservationBody{Request: request, Targets: map[string]ledger.Observed{"db": {
			Principal: principal, ID: "16385", Owner: "dba\x1b[2J", Privileges: []string{"owner of table payments", "role orders_ro"},
			LastUsed: time.Date(2029, 12, 1, 8, 0, 0, 0, time.UTC),
		}}})
	}
	observe(nhi.DigestOf("another request"), "svc_orders")
	if out := w.ok("show", string(etl)); !strings.Contains(out, "nobody has observed this account yet") {
		t.Errorf("show said %s", out)
	}
	observe(nhi.DigestOf(text), "root")
	if out := w.ok("show", string(etl)); !strings.Contains(out, `what was observed is another account, "root"`) {
		t.Errorf("show said %s", out)
	}
	observe(nhi.DigestOf(text), "svc_orders")
	golden(t, "show_takeover", w.ok("show", string(etl)))

	var shown struct {
		Access map[string]struct {
			TakesOver struct {
				Account  string
				AtEnd    string `json:"at_end"`
				Stripped []string
				Observed struct{ ID string }
			} `json:"takes_over"`
		}
	}
	w.json(&shown, "show", string(etl))
	over := shown.Access["db"].TakesOver
	if over.Account != "svc_orders" || over.AtEnd != "disabled" || len(over.Stripped) != 1 || over.Observed.ID != "16385" {
		t.Errorf("show told %+v", shown)
	}
	if rows := w.rows(); !strings.HasPrefix(rows[0].AsksFor, "take over svc_orders with role orders_ro") {
		t.Errorf("rows are %+v", rows)
	}
	// Who decides after it has seen it, and nobody who decided before.
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	w.ok("verify")
}

func TestWhoeverApprovedBeforeTheObservationIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := adopting(t)
	text := w.ask(w.takeover(), "eve")
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	w.add(ledger.ApprovalChain(etl), ledger.ObservationBody{Request: nhi.DigestOf(text), Targets: map[string]ledger.Observed{
		"db": {Principal: "svc_orders", Privileges: []string{}}}})
	out := w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	if !strings.Contains(out, "whoever approved before svc_orders was observed must approve again") {
		t.Errorf("approve said %s", out)
	}
	w.pass(time.Minute)
	out = w.ok("approve", "--select", "scope=**", "--yes", "--key", w.key("ana"))
	if !strings.Contains(out, "the next plan shows approved -> active") {
		t.Errorf("approve said %s", out)
	}
}

func TestARenewalIsAnotherTermOfTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.activate(w.approved(w.request(etl)))
	w.pass(time.Hour)
	renewed := w.request(etl)
	renewed.Term = 2
	w.ask(renewed, "eve")
	out := w.ok("show", string(etl))
	if !strings.Contains(out, "Another term of the same (term 2); the term in force ends 2030-02-07T09:00:00Z.") {
		t.Errorf("show said %s", out)
	}
	if rows := w.rows(); rows[0].AsksFor != "another term: role orders_ro on orders" {
		t.Errorf("rows are %+v", rows)
	}
	wider := w.request(etl, "orders_rw")
	wider.Term = 2
	w.ask(wider, "eve")
	if out := w.ok("show", string(etl)); !strings.Contains(out, "Another term (term 2), and not of the same: see above. The term in force ends") {
		t.Errorf("show said %s", out)
	}
	first := w.request(approval(1))
	first.Term = 3
	w.ask(first, "eve")
	if out := w.ok("show", string(approval(1))); !strings.Contains(out, "Another term (term 3); nothing is in force.") {
		t.Errorf("show said %s", out)
	}
}
