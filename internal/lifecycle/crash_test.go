package lifecycle

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// situation is a place from which a run is killed: what was there before, what
// the run does, and what must be true once the next run has finished it.
type situation struct {
	name    string
	prepare func(w *world) string // returns the text that is to be put in force
	run     func(w *world, e *Engine, text string)
	finish  func(w *world, text string)
	rest    []string // what the systems hold in the end
}

// whole asks for every kind of system at once.
func (w *world) whole() nhi.Request {
	return w.request(environment, access("one", "reader", "writer"), access("two", "reader"), access("card", "reader"), access("dark", "reader"))
}

var wholeRest = []string{"one: reader writer", "two: reader", "card: reader"}

func activateIt(w *world, e *Engine, text string) {
	_, _ = e.Activate(w.t.Context(), Ask{Text: text}, Record{})
}

func revokeIt(w *world, e *Engine, text string) {
	_, _ = e.Revoke(w.t.Context(), Record{Grant: w.fold(text).Grant}, "test")
}

// finishActive is the next apply, and one more where the plan asks for it:
// what was put back while its own use was on record already shows as drift.
func finishActive(w *world, text string) {
	record := w.activate(text)
	view := w.look(text, record, true)
	if view.Step == Repair {
		_, err := w.run(nil).Repair(w.t.Context(), record)
		must(w.t, err)
		view = w.look(text, record, true)
	}
	if view.Status != Active || view.Step != Rest {
		w.t.Errorf("in the end the view says %s, %s: %q", view.Status, view.Step, view.Findings)
	}
}

func finishRevoked(w *world, text string) {
	_, err := w.run(nil).Revoke(w.t.Context(), Record{Grant: w.fold(text).Grant}, "test")
	must(w.t, err)
}

func situations() []situation {
	fresh := func(w *world) string { return w.approved(w.whole()) }
	live := func(w *world) string { text, _ := w.active(w.whole()); return text }
	// wider changes what is live: more on one, nothing on two, another card.
	wider := func(w *world) string {
		live(w)
		r := w.request(environment, access("one", "admin"), access("three", "reader"), access("card", "writer"))
		return w.approved(r)
	}
	narrower := func(w *world) string {
		live(w)
		return w.ask(w.request(environment, access("one", "reader"), access("card", "reader")))
	}
	return []situation{
		{"activate then activate", fresh, activateIt, finishActive, wholeRest},
		{"activate then revoke", fresh, activateIt, finishRevoked, nil},
		{"change then change", wider, activateIt, finishActive, []string{"one: admin", "three: reader", "card: writer"}},
		{"change then revoke", wider, activateIt, finishRevoked, nil},
		{"less then less", narrower, activateIt, finishActive, []string{"one: reader", "card: reader"}},
		{"revoke then revoke", live, revokeIt, finishRevoked, nil},
		{"change then put back", wider, activateIt, func(w *world, text string) {
			if record := w.fold(text); record.Changing() {
				_, err := w.run(nil).Repair(w.t.Context(), Record{Grant: record.Grant})
				must(w.t, err)
				w.wantHoldings(wholeRest...)
			}
			finishRevoked(w, text)
		}, nil},
		{"repair then repair", func(w *world) string {
			text := live(w)
			for _, name := range []string{"one", "card"} {
				w.systems[name].change(func(objects map[string]*object) { clear(objects) })
			}
			return text
		}, repairIt, func(w *world, text string) {
			_, err := w.run(nil).Repair(w.t.Context(), Record{Grant: w.fold(text).Grant})
			must(w.t, err)
		}, wholeRest},
	}
}

func repairIt(w *world, e *Engine, text string) {
	_, _ = e.Repair(w.t.Context(), Record{Grant: w.fold(text).Grant})
}

// A run is killed after every entry that it writes and every call that it
// sends. Nothing is forgotten, and the next run finishes it, with nothing
// twice, nothing left over and one use.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range situations() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for after := 1; ; after++ {
				w := newMemoryWorld(t)
				text := s.prepare(w)
				e := w.killed(after)
				s.run(w, e, text)
				finishSituation(w, s, text, fmt.Sprintf("killed after step %d", after))
				if after > 100 {
					t.Fatal("the run never ends")
				}
				if t.Failed() {
					t.Fatalf("killed after step %d: %q", after, w.log.all())
				}
				if !lifeOf(e).dead() {
					return
				}
			}
		})
	}
}

func finishSituation(w *world, s situation, text, what string) {
	w.t.Helper()
	w.known(text)
	w.pass(time.Minute)
	must(w.t, w.run(nil).Flush(w.t.Context()))
	w.known(text)
	s.finish(w, text)
	w.known(text)
	w.wantHoldings(s.rest...)
	record := w.fold(text)
	for request, uses := range record.Uses {
		if uses > 1 || uses < 1 && s.rest != nil {
			w.t.Errorf("%s: %s was used %d times", what, request.Short(), uses)
		}
	}
	if s.rest == nil && (record.Phase != PhaseRevoked && record.Phase != PhaseNone || len(record.Targets) > 0) {
		w.t.Errorf("%s: the record ends as %q with %d targets", what, record.Phase, len(record.Targets))
	}
	if s.rest != nil && (record.Phase != PhaseActive || len(record.retired()) > 0) {
		w.t.Errorf("%s: the record ends as %q with %v left over", what, record.Phase, record.retired())
	}
}

// The ledger goes away after every single entry, with or without its last
// answer. What was sent is taken back or on record; the next run converges.
func TestLedgerLostAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range situations() {
		for _, answerLost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s answer lost %t", s.name, answerLost), func(t *testing.T) {
				t.Parallel()
				for after := 1; ; after++ {
					w := newMemoryWorld(t)
					text := s.prepare(w)
					l := &life{loseAfter: after, answerLost: answerLost}
					s.run(w, w.run(l), text)
					finishSituation(w, s, text, fmt.Sprintf("lost after entry %d", after))
					if t.Failed() {
						t.Fatalf("lost after entry %d: %q", after, w.log.all())
					}
					if l.writes < after {
						return
					}
				}
			})
		}
	}
}

// Only the answers are lost: the ledger itself is there. Then the run goes on.
func TestAnswersLost(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"intent@1 activate", "effect@1", "verification@1", "use@1"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			e := w.run(nil)
			forgetful(w, e, "write "+at)
			record, err := e.Activate(t.Context(), Ask{Text: text}, Record{})
			must(t, err)
			wantPhase(t, record, PhaseActive)
			w.wantThree()
		})
	}
}

// The next run adopts what an earlier one has made: the same accounts, under
// the same nonces, stripped before they are enabled again.
func TestAdoptsWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	text := w.approved(r)
	l := &life{}
	l.after = func(step string) {
		if step == "enable two" {
			l.mu.Lock()
			l.killAfter = l.steps
			l.mu.Unlock()
		}
	}
	e := w.run(l)
	e.SpoolDir = t.TempDir()
	_, err := e.Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, errDead)
	before := w.fold(text)
	wantPhase(t, before, PhaseUnfinished)
	w.systems["two"].change(func(objects map[string]*object) {
		objects[nhi.Principal(r.Approval, "two")].privileges = []string{"reader", "planted"}
	})
	after := w.activate(text)
	w.wantThree()
	for key, target := range after.Targets {
		if target.Nonce != before.Targets[key].Nonce {
			t.Errorf("%s was made anew", key)
		}
	}
	if after.Activation != before.Activation || after.Uses[after.Held] != 1 {
		t.Errorf("activation %d after %d, uses %v", after.Activation, before.Activation, after.Uses)
	}
}

// What was begun under an approval is not finished without one: it is undone, by
// the run that was to finish it, or by a removal.
func TestUnfinishedNeedsItsApproval(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	_, err := w.killed(8).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, errDead)
	w.sign("ana", nhi.VerdictWithdraw, text)
	record := w.fold(text)
	wantPhase(t, record, PhaseUnfinished)
	view := w.look(text, Record{Grant: record.Grant}, false)
	if view.Status != Revoking || view.Step != Revoke {
		t.Errorf("the view says %s, %s", view.Status, view.Step)
	}
	after, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, nhi.ErrNotApproved)
	wantPhase(t, after, PhaseNone)
	w.wantHoldings()
	_, err = w.run(nil).Revoke(t.Context(), view.Record, "test")
	must(t, err)
}

// A removal ends a change over a live grant for good: what stood before never
// comes back by itself.
func TestRevokedChangeIsForgotten(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	wider := w.approved(w.request(environment, access("one", "admin"), access("two", "reader")))
	w.systems["one"].trip("enable", fails, 1)
	_, err := w.killed(9).Activate(t.Context(), Ask{Text: wider}, Record{})
	if err == nil {
		t.Fatal("activated")
	}
	finishRevoked(w, wider)
	w.wantHoldings()
	w.systems["two"].trip("enable", fails, 1)
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: wider}, Record{})
	if err == nil {
		t.Fatal("activated")
	}
	wantPhase(t, record, PhaseNone)
	w.wantHoldings()
}

// An undo without the ledger is on record as soon as that is back.
func TestUndoIsRecordedLater(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	_, err := w.run(&life{loseAfter: 3}).Activate(t.Context(), Ask{Text: text}, Record{}) // policy, intent, prepare
	var undone *UndoError
	if !errors.As(err, &undone) || len(undone.Undone) != 3 {
		t.Fatalf("error is %v", err)
	}
	w.wantHoldings()
	wantPhase(t, w.fold(text), PhaseUnfinished)
	must(t, w.run(nil).Flush(t.Context()))
	wantPhase(t, w.fold(text), PhaseNone)
}

// A change whose use was recorded, and whose run learned of it only afterwards,
// is in force: it is not put back.
func TestChangeWhoseUseWasNotAnswered(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.request(environment, access("one", "reader"), access("two", "reader")))
	text := w.approved(w.request(environment, access("one", "reader", "writer")))
	e := w.run(nil)
	l := lifeOf(e)
	l.after = func(done string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if done == "write use@1" {
			l.forget, l.deaf = true, 1
		}
	}
	after, err := e.Activate(t.Context(), Ask{Text: text}, record)
	must(t, err)
	wantPhase(t, after, PhaseActive)
	w.wantHoldings("one: reader writer")
}
