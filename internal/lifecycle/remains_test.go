package lifecycle

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func anyGrant(nhi.ApprovalID) bool { return true }

// What a state remembers and the ledger does not is told by its mark alone, now
// and when the removal is on record.
func TestForgedMemoryIsToldByItsMark(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	w.systems["one"].change(func(objects map[string]*object) {
		objects["victim"] = &object{id: "v1", enabled: true, privileges: []string{"admin"}}
	})
	w.known(text)
	forged := record
	forged.Head = nhi.Head{Seq: 2, Hash: nhi.DigestOf("no entry of this chain")}
	victim := record.Targets["one"]
	victim.Principal, victim.ID, victim.Nonce = "victim", "v1", "0123456789abcdef0123456789abcdef"
	forged.Targets = map[string]ledger.Target{"four": victim}
	op := w.run(nil).beginRemoval(t.Context(), forged)
	if !op.record.Account("four").ByMark || op.record.Account("one").ByMark {
		t.Error("a memory is believed, or the ledger is not")
	}
	_, err := w.run(nil).Revoke(t.Context(), forged, "test")
	wantError(t, err, nhi.ErrUnconfirmed)
	if again := w.fold(text); !again.Account("four").ByMark {
		t.Error("once on record, a memory is believed")
	}
	w.wantHoldings("one: admin")
}

// A state of another ledger that remembers nothing does not say that what this
// ledger holds is gone.
func TestStateOfAnotherLedgerSaysNothing(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	for phase, known := range map[string]Record{
		"nothing": {Grant: record.Grant, Ledger: "ffffffffffffffffffffffffffffffff"},
		"active":  {Grant: record.Grant, Ledger: "ffffffffffffffffffffffffffffffff", Phase: PhaseActive},
	} {
		removal, err := w.run(nil).Revoke(t.Context(), known, ReasonDestroyed)
		if !errors.Is(err, nhi.ErrUnconfirmed) || removal.Record.Phase != PhaseRevoking {
			t.Errorf("%s: %s, %v", phase, removal.Record.Phase, err)
		}
	}
	w.wantThree()
	// What neither ledger holds is no reason to keep a resource.
	_, err := w.run(nil).Revoke(t.Context(), Record{Grant: "production/payments/etl/other:default", Ledger: "ffffffffffffffffffffffffffffffff"}, ReasonDestroyed)
	must(t, err)
}

// Marks count where the name follows from the grant; a copy under another name
// is shown and left.
func TestRemains(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	mark := record.Account("one").Mark
	other := mark
	other.Ledger = "ffffffffffffffffffffffffffffffff"
	w.systems["two"].change(func(objects map[string]*object) {
		objects["copy"] = &object{id: "c1", mark: mark.String()}
		objects[nhi.Principal(mark.Grant, mark.Target)] = &object{id: "c2", mark: other.String()}
	})
	w.systems["three"].trip("survey", fails, -1)
	found := w.run(&life{down: true}).Remains(t.Context(), nil, anyGrant)
	if ids := found.Ledgers(); !slices.Equal(ids, []string{w.book.ID(), other.Ledger}) && !slices.Equal(ids, []string{other.Ledger, w.book.ID()}) {
		t.Errorf("ledgers %v", ids)
	}
	ours := found.Of(w.book.ID())
	if len(ours) != 1 || len(ours[0].Targets) != 2 || ours[0].Targets["one"].Nonce != mark.Nonce {
		t.Fatalf("found %+v", ours)
	}
	if len(found.Strays) != 1 || found.Strays[0].Principal != "copy" {
		t.Errorf("strays %+v", found.Strays)
	}
	unseen := []string{}
	for _, one := range found.Unlisted {
		unseen = append(unseen, one.System)
	}
	if !slices.Equal(unseen, []string{"three"}) { // the fakes can all be listed, but for one
		t.Errorf("unlisted %v", unseen)
	}
	// A state adds what could not be listed, and is not repeated.
	found = w.run(&life{down: true}).Remains(t.Context(), []Record{record, record}, anyGrant)
	if ours = found.Of(w.book.ID()); len(ours) != 1 || len(ours[0].Targets) != 3 || ours[0].Targets["one"].ID != record.Targets["one"].ID {
		t.Errorf("with a state: %+v", ours)
	}
}

// With the ledger away, marks are enough to end a grant now; block and removal
// are recorded when it is back.
func TestHaltByMarks(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	e := w.run(&life{down: true})
	known := e.Remains(t.Context(), nil, anyGrant).Grants
	halted, err := e.Halt(t.Context(), Halt{Grant: record.Grant, By: "ben", Reason: "incident", Known: known})
	must(t, err)
	if halted.Away == nil || len(halted.Grants) != 1 || halted.Grants[0].Err != nil || halted.Grants[0].Away == nil {
		t.Errorf("halted %+v", halted)
	}
	w.wantHoldings()
	must(t, w.run(nil).Flush(t.Context()))
	after := w.fold(text)
	wantPhase(t, after, PhaseRevoked)
	if after.Blocked == "" {
		t.Error("the block is not on record")
	}
}

// What a rebuilt ledger says gives nothing: no activation without a new
// approval, no repair, no adoption, no lease.
func TestRebuildNeverGrants(t *testing.T) {
	t.Parallel()
	old := newMemoryWorld(t)
	_, record := old.active(old.three())
	w := newMemoryWorld(t)
	w.systems = old.systems
	left := w.run(nil).Remains(t.Context(), []Record{record}, anyGrant).Of(old.book.ID())
	if len(left) != 1 {
		t.Fatalf("left %+v", left)
	}
	rebuilt, err := w.run(nil).Rebuild(t.Context(), left[0])
	must(t, err)
	wantPhase(t, rebuilt, PhaseRevoking)
	text := w.ask(w.three())
	grant := record.Grant
	old.log.mu.Lock()
	before := len(old.log.lines)
	old.log.mu.Unlock()
	if _, err := w.run(nil).Adopt(t.Context(), Record{Grant: grant}, "x"); err == nil {
		t.Error("it was adopted")
	}
	if _, err := w.run(nil).Repair(t.Context(), Record{Grant: grant}); !errors.Is(err, nhi.ErrEnded) {
		t.Errorf("repair: %v", err)
	}
	if _, err := w.run(nil).Issue(t.Context(), Lease{grant, 1}, "one", time.Minute, nil); err == nil {
		t.Error("a credential was issued")
	}
	if got := old.log.all()[before:]; len(got) > 0 {
		t.Errorf("the systems were told %q", got)
	}
	view := w.look(text, record, true) // the state of the lost ledger
	if view.Status != Ended || view.Step != Revoke {
		t.Errorf("the plan shows %s", view.Status)
	}
	if _, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{}); !errors.Is(err, nhi.ErrNotApproved) {
		t.Errorf("activate: %v", err)
	}
	removal, err := w.run(nil).Revoke(t.Context(), record, ReasonDestroyed)
	must(t, err)
	if removal.Away != nil || removal.Record.Ledger != w.book.ID() {
		t.Errorf("the removal is recorded nowhere: %v", removal.Away)
	}
	wantPhase(t, w.fold(text), PhaseRevoked)
	old.wantHoldings()
	again, err := w.run(nil).Rebuild(t.Context(), left[0])
	must(t, err)
	if again.Head != w.fold(text).Head || again.Phase != PhaseRevoked {
		t.Errorf("what was removed is rebuilt again: %+v", again)
	}
}

// A removal that waits in the spool counts: whoever destroys all at once is not
// stopped by what the ledger could not be told.
func TestSpooledRemovalIsNotLive(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	identity := record.Grant.Identity()
	full := w.run(&life{loseAfter: 1})
	_, err := full.Revoke(t.Context(), record, ReasonDestroyed)
	must(t, err)
	live, err := w.run(nil).LiveGrants(t.Context(), identity)
	must(t, err)
	if len(live) > 0 {
		t.Errorf("live are %v", live)
	}
}

// An account that was taken over and is gone cannot be made again: no intent
// says that it will be, and the plan says why.
func TestRepairOfATakeoverThatIsGone(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.existing("one", "svc_orders", "id-1", "reader")
	text := w.askToTakeOver(w.request(environment, adopting("one", "svc_orders", "disable", "reader"), access("two", "reader")))
	record := w.activate(text)
	w.systems["one"].change(func(objects map[string]*object) { clear(objects) })
	if view := w.look(text, record, true); view.Status != Drifted || !slices.ContainsFunc(view.Findings, func(finding string) bool {
		return finding == "one: it was taken over, so no repair can make it again: end this grant, or leave the target out"
	}) {
		t.Errorf("the plan shows %s %q", view.Status, view.Findings)
	}
	_, err := w.run(nil).Repair(t.Context(), record)
	wantError(t, err, nhi.ErrEnded)
	if after := w.fold(text); after.Head != record.Head {
		t.Errorf("the refused repair wrote %d entries", after.Head.Seq-record.Head.Seq)
	}
}
