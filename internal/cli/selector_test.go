package cli_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// selected are the approvals that requests --all lists.
func (w *world) selected(selector string) []string {
	w.t.Helper()
	var ids []string
	for _, row := range w.rows("--all", "--select", selector) {
		ids = append(ids, row.Approval)
	}
	slices.Sort(ids)
	return ids
}

func TestSelect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wide, narrow, other := etl, approval(1), nhi.ApprovalID("staging/billing/web/orders-api:default")
	w.ask(w.wide(wide), "eve")
	w.ask(w.request(narrow), "")
	elsewhere := w.request(other)
	elsewhere.Owner, elsewhere.Kind = "ben@example.com", nhi.KindAgent
	w.ask(elsewhere, "cyd")
	for selector, want := range map[string][]nhi.ApprovalID{
		"scope=payments/*":                       {wide, narrow},
		"scope=payments":                         nil,
		"scope=**":                               {wide, narrow, other},
		"scope=*":                                nil,
		"environment=staging":                    {other},
		"environment=*":                          {wide, narrow, other},
		"identity=orders-*":                      {wide, other},
		"identity=production/**":                 {wide, narrow},
		"identity=production/payments/etl/job-*": {narrow},
		"owner=ben@*":                            {other},
		"owner=*@example.com":                    {wide, narrow, other},
		"system=bastion":                         {wide},
		"kind=ssh":                               {wide},
		"kind=agent":                             {other},
		"kind=postgres,system=orders,scope=payments/**": {wide, narrow},
		"requester=unproven":                            {narrow},
		"requester=eve@*":                               {wide},
		"status=pending":                                {wide, narrow},
		"status=denied, requester=cyd*":                 {other},
		"rule=every*":                                   {wide, narrow},
		"rule=thing":                                    nil,
	} {
		got := w.selected(selector)
		ids := make([]string, 0, len(want))
		for _, id := range want {
			ids = append(ids, string(id))
		}
		slices.Sort(ids)
		if !slices.Equal(got, ids) {
			t.Errorf("%s selects %v, want %v", selector, got, ids)
		}
	}
}

func TestHostileSelectors(t *testing.T) {
	t.Parallel()
	w := asked(t)
	for selector, words := range map[string]string{
		"scope":                         "is not KEY=PATTERN",
		"=x":                            "is none of",
		"scope=":                        "is not KEY=PATTERN",
		"what=x":                        "is none of environment, scope",
		"scope=a,scope=b":               "scope stands twice",
		"scope=a**b":                    "must be a whole segment",
		"scope=[a-z]":                   "a segment may hold only",
		"scope=../etl":                  "a segment may hold only",
		"scope=a,,owner=b":              "is not KEY=PATTERN",
		"owner=\x1b[2J":                 "can hide or forge text",
		"owner=\u202eana":               "can",
		"owner=\xff":                    "is not valid UTF-8",
		"owner= ana":                    "must not start or end with white space",
		strings.Repeat("owner=x,", 999): "is longer than",
	} {
		for _, command := range []string{"requests", "approve", "deny", "withdraw", "log"} {
			got := w.fails(cli.ExitUsage, words, command, "--select", selector)
			if strings.ContainsAny(got.err, "\x1b\u202e") || len(got.err) > 3_000 {
				t.Errorf("%q: the error holds what came in: %.300q", selector, got.err)
			}
		}
	}
	w.fails(cli.ExitUsage, "and not both", "approve", string(etl), "--select", "scope=**")
	w.fails(cli.ExitWrong, "nothing that waits for a decision of yours matches", "approve", "--select", "scope=other", "--key", w.key("ana"), "--yes")
	// As many stars as there is room for cost next to nothing.
	started := time.Now()
	pattern := strings.Repeat("*a", 190) + "*b"
	if ids := w.selected("owner=" + pattern + ",identity=" + strings.Repeat("*", 50) + "x"); len(ids) != 0 || time.Since(started) > 5*time.Second {
		t.Errorf("%v after %s", ids, time.Since(started))
	}
}

func TestSelectTakesWhatTheDecisionWouldMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.ask(w.request(approval(i)), "eve")
	}
	w.ask(w.request(approval(4)), "ana") // her own
	w.ok("approve", string(approval(0)), "--yes", "--key", w.key("ana"))
	w.ok("deny", string(approval(1)), "--yes", "--key", w.key("ben"))
	decided := func(name, command, selector string) []string {
		var told struct{ Decisions []struct{ Approval string } }
		w.json(&told, command, "--select", selector, "--yes", "--key", w.key(name))
		var ids []string
		for _, one := range told.Decisions {
			ids = append(ids, strings.TrimPrefix(one.Approval, "production/payments/etl/"))
		}
		return ids
	}
	if ids := decided("ana", "approve", "scope=payments/**"); !slices.Equal(ids, []string{"job-002:default", "job-003:default"}) {
		t.Errorf("ana approves %v", ids)
	}
	w.pass(time.Minute)
	if ids := decided("ana", "withdraw", "identity=job-00*"); !slices.Equal(ids, []string{"job-000:default", "job-002:default", "job-003:default"}) {
		t.Errorf("ana withdraws %v", ids)
	}
	if ids := decided("cyd", "deny", "identity=job-003"); !slices.Equal(ids, []string{"job-003:default"}) {
		t.Errorf("cyd denies %v", ids)
	}
	w.fails(cli.ExitWrong, "belongs to nobody", "approve", "--select", "scope=**", "--yes", "--key", w.key("mal"))
	w.fails(cli.ExitWrong, "nothing that waits", "approve", "--select", "scope=**", "--yes", "--key", w.key("eve"))
	w.ok("verify")
}

func TestSelectLeavesOutWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ask(w.request(approval(1)), "eve")
	w.sql("DROP TRIGGER entry_update", "UPDATE entry SET value = x'00' WHERE key LIKE '"+ledger.ApprovalChain(approval(1))+"/%'")
	got := w.run("approve", "--select", "scope=**", "--yes", "--key", w.key("ana"))
	if got.code != cli.ExitOK || !strings.Contains(got.err, "1 record cannot be read") || w.entries(etl) != 2 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// many asks for that many accesses.
func (w *world) many(n int) {
	w.t.Helper()
	engine, request := w.engine(), w.request(etl)
	for i := range n {
		request.Approval = approval(i)
		text, err := request.Text()
		must(w.t, err)
		must(w.t, engine.RecordRequest(context.Background(), text, "CHG-1234", lifecycle.Signed{}))
		must(w.t, engine.RecordIdentity(context.Background(), nhi.Identity{ID: request.Identity(), Owner: request.Owner,
			Purpose: request.Purpose, Kind: request.Kind, Status: nhi.IdentityActive}))
	}
}

func TestSelectTwoHundredWithOneSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const many = 200
	w.many(many)
	started := time.Now()
	out := w.ok("approve", "--select", "scope=payments/*", "--yes", "--key", w.key("ana"))
	t.Logf("approve --select over %d took %s", many, time.Since(started))
	if !strings.Contains(out, fmt.Sprintf("job-%03d:default approved by ana@example.com", many-1)) {
		t.Error("the last one was not approved")
	}
	signatures := map[string]int{}
	for i := range many {
		body, ok := w.chain(ledger.ApprovalChain(approval(i))).Entries[1].Body.(ledger.DecisionBody)
		if !ok || !body.Listed(approval(i)) {
			t.Fatalf("%s has no decision", approval(i))
		}
		signatures[body.Signature]++
	}
	if len(signatures) != 1 {
		t.Errorf("there are %d signatures", len(signatures))
	}
	started = time.Now()
	w.ok("requests")
	t.Logf("requests over %d took %s", many, time.Since(started))
}
