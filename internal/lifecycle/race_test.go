package lifecycle

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Several runs at once on one grant: one wins, the others find it active, or
// say that they were overtaken or disturbed and have undone what they did. What
// a late effect took away from the winner shows as drift, and comes back.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			var wait sync.WaitGroup
			errs := make([]error, 3)
			for n := range errs {
				e := w.run(nil)
				wait.Go(func() { _, errs[n] = e.Activate(t.Context(), Ask{Text: text}, Record{}) })
			}
			wait.Wait()
			for _, err := range errs {
				var undone *UndoError
				if err != nil && !errors.Is(err, ErrOvertaken) && (!errors.As(err, &undone) || len(undone.Open) > 0) {
					t.Errorf("error is %v", err)
				}
			}
			w.known(text)
			finishActive(w, text)
			w.wantThree()
			if record := w.fold(text); record.Uses[record.Held] != 1 {
				t.Errorf("used %d times", record.Uses[record.Held])
			}
		})
	}
}

// Another run takes over at every step of a run: by activating, or by revoking.
// The one that was overtaken leaves nothing behind that nobody knows of.
func TestOvertakenAnywhere(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"activate", "revoke", "activate and revoke"} {
		t.Run(other, func(t *testing.T) {
			t.Parallel()
			for at := 1; at < 60; at++ {
				if !overtake(t, other, at) {
					return
				}
				if t.Failed() {
					t.Fatalf("overtaken at step %d", at)
				}
			}
		})
	}
}

// overtake lets another run act just before step number at of a run, and says
// whether the run got that far.
func overtake(t *testing.T, other string, at int) bool {
	t.Helper()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	l, got := &life{}, false
	var mu sync.Mutex
	l.before = func(string) {
		mu.Lock()
		defer mu.Unlock()
		at--
		if at != 0 {
			return
		}
		got = true
		if other != "revoke" {
			if _, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{}); err != nil {
				t.Errorf("the other run: %v", err)
			}
		}
		if other != "activate" {
			if _, err := w.run(nil).Revoke(t.Context(), Record{Grant: w.fold(text).Grant}, "test"); err != nil {
				t.Errorf("the other run: %v", err)
			}
		}
	}
	_, err := w.run(l).Activate(t.Context(), Ask{Text: text}, Record{})
	w.known(text)
	record := w.fold(text)
	if record.Uses[nhi.DigestOf(text)] > 1 {
		t.Errorf("used %d times", record.Uses[nhi.DigestOf(text)])
	}
	switch record.Phase {
	case PhaseActive: // what our late effect took away shows as drift
		if view := w.look(text, record, true); view.Step == Repair {
			_, err := w.run(nil).Repair(t.Context(), record)
			must(t, err)
		}
		w.wantThree()
	case PhaseNone, PhaseRevoked:
		w.wantHoldings()
	default:
		t.Errorf("phase is %q after %v", record.Phase, err)
	}
	return got
}

// An approval is counted on the very chain that the intent is written behind:
// one that another run has used up meanwhile serves nobody twice.
func TestUsedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	l := &life{}
	l.before = func(step string) {
		if step != "write intent@1 activate" {
			return
		}
		l.before = nil
		record := w.activate(text)
		_, err := w.run(nil).Revoke(t.Context(), record, "test")
		must(t, err)
	}
	_, err := w.run(l).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, ErrOvertaken)
	w.wantHoldings()
	_, err = w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, nhi.ErrSpent)
}

// A run that fails and is overtaken before it can undo leaves the grant to the
// run that has it: nothing of that is torn down.
func TestOvertakenBeforeUndo(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	w.systems["three"].trip("enable", fails, 1)
	l := &life{}
	l.before = func(step string) {
		if step == "write intent@1 undo" {
			l.before = nil
			w.activate(text)
		}
	}
	record, err := w.run(l).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, ErrOvertaken)
	wantPhase(t, record, PhaseActive)
	w.wantThree()
}
