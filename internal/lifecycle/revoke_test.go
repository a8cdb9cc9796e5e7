package lifecycle

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestRevokeRemovesEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, record := w.active(w.whole())
	removal, err := w.run(nil).Revoke(t.Context(), record, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
	if last := removal.Record.Last["dark"]; last.Verified || last.Open != "" || last.State != "unknown" {
		t.Errorf("what cannot be seen ends as %+v", last)
	}
	before := len(w.log.all())
	again, err := w.run(nil).Revoke(t.Context(), record, "test")
	must(t, err)
	wantPhase(t, again.Record, PhaseRevoked)
	if got := w.log.all()[before:]; len(got) > 0 {
		t.Errorf("the second removal did %q", got)
	}
	_ = text
}

func TestRevokeOfWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	w.systems["two"].change(func(objects map[string]*object) { clear(objects) })
	removal, err := w.run(nil).Revoke(t.Context(), record, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
}

// One target that is down keeps the grant open; the others are revoked.
func TestRevokeWithOneTargetDown(t *testing.T) {
	t.Parallel()
	for _, bad := range []trouble{fails, garbage} {
		t.Run(string(bad), func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			_, record := w.active(w.three())
			w.systems["two"].trip("revoke", fails, -1)
			removal, err := w.run(nil).Revoke(t.Context(), record, "test")
			var open *RevokeError
			if !errors.As(err, &open) || len(open.Open) != 1 || open.Open["two"] == "" {
				t.Fatalf("error is %v", err)
			}
			wantPhase(t, removal.Record, PhaseRevoking)
			w.wantHoldings("two: reader")
			w.systems["two"].mend()
			removal, err = w.run(nil).Revoke(t.Context(), removal.Record, "test")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
			w.wantHoldings()
		})
	}
}

// With the ledger down, the grant is removed from what is remembered, and the
// record is written when the ledger is back.
func TestRevokeWithTheLedgerDown(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"at the start", "after the intent"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			text, record := w.active(w.three())
			l := &life{down: when == "at the start"}
			if !l.down {
				l.loseAfter = 1
			}
			e := w.run(l)
			removal, err := e.Revoke(t.Context(), record, ReasonDestroyed)
			must(t, err)
			if removal.Away == nil {
				t.Error("nobody says that the ledger was away")
			}
			wantPhase(t, removal.Record, PhaseRevoked)
			w.wantHoldings()
			if w.fold(text).Phase == PhaseRevoked {
				t.Error("it is on record already")
			}
			must(t, w.run(nil).Flush(t.Context()))
			after := w.fold(text)
			wantPhase(t, after, PhaseRevoked)
			if !after.Destroyed || len(after.Targets) > 0 {
				t.Errorf("record = %+v", after)
			}
		})
	}
}

// A ledger that cannot be opened at all, and nothing but memory.
func TestRevokeFromMemoryAlone(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	e := w.run(&life{down: true})
	if removal, err := e.Revoke(t.Context(), Record{Grant: record.Grant}, "test"); !errors.Is(err, nhi.ErrUnconfirmed) || removal.Record.Phase != PhaseRevoking {
		t.Fatalf("with neither ledger nor memory: %+v, %v", removal.Record, err)
	}
	w.wantThree()
	removal, err := e.Revoke(t.Context(), record, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
	// What was never held needs no ledger to be gone.
	_, err = e.Revoke(t.Context(), Record{Grant: "production/payments/etl/other:default", Ledger: w.book.ID()}, "test")
	must(t, err)
}

// A chain that is broken, cut short, or of another ledger stops no removal.
func TestRevokeOnABrokenChain(t *testing.T) {
	t.Parallel()
	keys := func(w *world, record Record) []string {
		all, err := w.memory.List(t.Context(), ledger.GrantChain(record.Grant)+"/")
		must(t, err)
		return all
	}
	faults := map[string]func(w *world, record Record) *Engine{
		"broken": func(w *world, record Record) *Engine {
			w.memory.Set(keys(w, record)[1], []byte("{}"))
			return w.run(nil)
		},
		"newer version": func(w *world, record Record) *Engine {
			w.memory.Set(keys(w, record)[0], []byte(`{"type":"intent@2"}`))
			return w.run(nil)
		},
		"cut": func(w *world, record Record) *Engine {
			for _, key := range keys(w, record)[1:] {
				w.memory.Drop(key)
			}
			return w.run(nil)
		},
		"emptied": func(w *world, record Record) *Engine {
			for _, key := range keys(w, record) {
				w.memory.Drop(key)
			}
			return w.run(nil)
		},
		"other ledger": func(w *world, _ Record) *Engine {
			other := newMemoryWorld(t)
			e := w.run(nil)
			e.OpenLedger = other.run(nil).OpenLedger
			return e
		},
	}
	for name, damage := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			_, record := w.active(w.whole())
			e := damage(w, record)
			removal, err := e.Revoke(t.Context(), record, "test")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
			w.wantHoldings()
		})
	}
}

// Intact entries alone are enough where the state is lost.
func TestRevokeFromIntactEntries(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	all, err := w.memory.List(t.Context(), ledger.GrantChain(record.Grant)+"/")
	must(t, err)
	w.memory.Set(all[len(all)-1], []byte("{}"))
	removal, err := w.run(nil).Revoke(t.Context(), Record{Grant: record.Grant}, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
	// A broken beginning says nothing, and nothing is remembered.
	w.memory.Set(all[0], []byte("{}"))
	_, err = w.run(nil).Revoke(t.Context(), Record{Grant: record.Grant}, "test")
	wantError(t, err, nhi.ErrUnconfirmed)
}

// A wrong clock stops no removal, and its record goes straight to the ledger.
func TestRevokeUnderAWrongClock(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.pass(2 * time.Hour)
	text, record := w.active(w.three())
	w.pass(-time.Hour)
	removal, err := w.run(nil).Revoke(t.Context(), record, "test")
	must(t, err)
	if removal.Away != nil {
		t.Errorf("away: %v", removal.Away)
	}
	w.wantHoldings()
	w.pass(time.Hour)
	wantPhase(t, w.fold(text), PhaseRevoked)
}

// A removal wins over whatever is written at the same moment.
func TestRevokeIsNotOvertakenByWords(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	l := &life{}
	l.before = func(step string) {
		if step == "write intent@1 revoke" {
			l.before = nil
			w.record(ledger.GrantChain(record.Grant), ledger.BlockBody{By: "ben", Reason: "incident"})
		}
	}
	removal, err := w.run(l).Revoke(t.Context(), record, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
}

// A removal that was recorded late says nothing of what was given since; a
// block behind it counts all the same.
func TestLateRemoval(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	_, err := w.run(&life{down: true}).Revoke(t.Context(), record, "test")
	must(t, err)
	w.wantHoldings()
	// Another run finds the accounts gone, and repairs.
	repaired, err := w.run(nil).Repair(t.Context(), record)
	must(t, err)
	w.wantThree()
	must(t, w.run(nil).Flush(t.Context()))
	after := w.fold(text)
	wantPhase(t, after, PhaseActive)
	if !slices.Equal(after.keys(), repaired.keys()) {
		t.Errorf("targets are %v", after.keys())
	}
	w.known(text)
	w.record(ledger.GrantChain(record.Grant), ledger.BlockBody{By: "ben", Reason: "incident"})
	if w.fold(text).Blocked == "" {
		t.Error("a block behind a late removal is not seen")
	}
	_, err = w.run(nil).Revoke(t.Context(), after, "test")
	must(t, err)
	w.wantHoldings()
}

// Two removals that were both spooled are both recorded.
func TestTwoSpooledRemovals(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	e := w.run(&life{down: true})
	w.systems["two"].trip("revoke", fails, 1)
	removal, err := e.Revoke(t.Context(), record, "test")
	wantError(t, err, nhi.ErrUnconfirmed)
	_, err = e.Revoke(t.Context(), removal.Record, "test")
	must(t, err)
	must(t, w.run(nil).Flush(t.Context()))
	wantPhase(t, w.fold(text), PhaseRevoked)
}

// Where neither ledger nor spool can be written, that is said.
func TestRevokeWithoutSpool(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	e := w.run(&life{down: true})
	e.SpoolDir = w.path("policy.hcl") // a file, so no folder can be made there
	_, err := e.Revoke(t.Context(), record, "test")
	if err == nil {
		t.Error("a removal without any record succeeds")
	}
	w.wantHoldings()
}

// One approval, one activation; where nobody needs to approve, again only
// after the grant was destroyed.
func TestSpent(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in, reason string
		trouble    bool // the second activation fails first
		want       error
	}{
		{environment, "expired", false, nhi.ErrSpent},
		{environment, ReasonDestroyed, false, nhi.ErrSpent},
		{"sandbox", "expired", false, nhi.ErrSpent},
		{"sandbox", ReasonDestroyed, false, nil},
		{"sandbox", ReasonDestroyed, true, nil},
	}
	for _, c := range cases {
		t.Run(c.in+" "+c.reason, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, record := w.active(w.request(c.in, access("one", "reader")))
			_, err := w.run(nil).Revoke(t.Context(), record, c.reason)
			must(t, err)
			if c.trouble {
				w.systems["one"].trip("enable", fails, 1)
				if _, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{}); err == nil {
					t.Fatal("activated")
				}
				_, _ = w.killed(4).Activate(t.Context(), Ask{Text: text}, Record{})
				wantPhase(t, w.fold(text), PhaseUnfinished)
			}
			again, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if c.want == nil {
				wantPhase(t, again, PhaseActive)
				return
			}
			w.wantHoldings()
			if c.in == "sandbox" { // it expired, and is destroyed then
				_, err := w.run(nil).Revoke(t.Context(), again, ReasonDestroyed)
				must(t, err)
				w.activate(text)
			}
		})
	}
}

// A system's name that leads elsewhere now says nothing about what is there.
func TestEachPlaceAnswersForItself(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	moved := record.Targets["one"]
	moved.Endpoint, moved.Nonce = "elsewhere:1", "00000000000000000000000000000001"
	op := &operation{engine: w.run(nil), record: record}
	op.record.Targets = map[string]ledger.Target{"one": record.Targets["one"], "one@9": moved}
	verified, open := op.takeAway(t.Context(), []string{"one", "one@9"})
	if open["one"] != nil || !errors.Is(open["one@9"], ErrNoSystem) || gone(verified["one@9"]) {
		t.Errorf("open are %v", open)
	}
}
