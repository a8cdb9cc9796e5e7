package lifecycle

import (
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (w *world) sweep(options SweepOptions) []Swept {
	w.t.Helper()
	swept, err := w.run(nil).Sweep(w.t.Context(), options)
	must(w.t, err)
	return swept
}

func TestSweepFindsWhatIsDue(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		happen func(w *world, text string)
		why    string // empty where nothing is due
	}{
		"nothing happened":  {func(*world, string) {}, ""},
		"the term ended":    {func(w *world, _ string) { w.pass(24 * time.Hour) }, "the term ended 2030-01-11T12:00Z"},
		"identity disabled": {func(w *world, _ string) { w.identify(w.three(), nhi.IdentityDisabled, time.Time{}) }, "the identity is disabled"},
		"identity deleted":  {func(w *world, _ string) { w.identify(w.three(), nhi.IdentityDeleted, time.Time{}) }, "the identity is deleted"},
		"identity orphaned": {func(w *world, _ string) { w.identify(w.three(), nhi.IdentityOrphaned, time.Time{}) }, "the identity is orphaned"},
		"identity ended":    {func(w *world, _ string) { w.identify(w.three(), nhi.IdentityActive, noon) }, "the identity ended 2030-01-10T12:00Z"},
		"grant blocked": {func(w *world, _ string) {
			w.record(ledger.GrantChain(w.three().Approval), ledger.BlockBody{By: "ben", Reason: "incident"})
		}, "ended by ben: incident"},
		"identity blocked": {func(w *world, _ string) {
			w.record(ledger.IdentityChain(w.three().Identity()), ledger.BlockBody{By: "ben"})
		}, "ended by ben"},
		"identity blocked and lifted": {func(w *world, text string) {
			name := ledger.IdentityChain(w.three().Identity())
			w.record(name, ledger.BlockBody{By: "ben"})
			w.lifts("ben", text, name)
		}, ""},
		"a removal is open": {func(w *world, text string) {
			w.systems["two"].trip("revoke", fails, 1)
			_, err := w.run(nil).Revoke(w.t.Context(), w.fold(text), "test")
			wantError(w.t, err, nhi.ErrUnconfirmed)
		}, "a removal is not confirmed yet"},
		"a removal has just begun": {func(w *world, text string) {
			_, err := w.killed(1).Revoke(w.t.Context(), w.fold(text), "test")
			if err == nil {
				w.t.Error("it was not killed")
			}
		}, ""},
		"a removal has stopped": {func(w *world, text string) {
			_, _ = w.killed(1).Revoke(w.t.Context(), w.fold(text), "test")
			w.pass(StaleAfter)
		}, "a removal is not confirmed yet"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, _ := w.active(w.three())
			c.happen(w, text)
			before, calls := w.holdings(), len(w.log.all())
			due := w.sweep(SweepOptions{})
			if after := w.holdings(); len(after) != len(before) || len(w.log.all()) != calls {
				t.Errorf("a dry run left %q of %q, and did %q", after, before, w.log.all()[calls:])
			}
			swept := w.sweep(SweepOptions{Revoke: true})
			if c.why == "" {
				if len(due)+len(swept) > 0 {
					t.Errorf("due %+v, swept %+v", due, swept)
				}
				return
			}
			if len(due) != 1 || due[0].Why != c.why || due[0].Step != Revoke || due[0].Done {
				t.Errorf("due %+v, want %q", due, c.why)
			}
			if len(swept) != 1 || !swept[0].Done || swept[0].Err != nil {
				t.Errorf("swept %+v", swept)
			}
			w.wantHoldings()
			if again := w.sweep(SweepOptions{Revoke: true}); len(again) > 0 {
				t.Errorf("swept again: %+v", again)
			}
		})
	}
}

func TestSweepTakesBackWhatIsUnfinished(t *testing.T) {
	t.Parallel()
	for after := 2; after <= 12; after++ {
		w := newMemoryWorld(t)
		text := w.approved(w.three())
		_, err := w.killed(after).Activate(t.Context(), Ask{Text: text}, Record{})
		if err == nil {
			break // it was faster
		}
		if w.fold(text).Phase != PhaseUnfinished {
			continue
		}
		if due := w.sweep(SweepOptions{Revoke: true}); len(due) > 0 {
			t.Errorf("after %d steps: it was not silent for long, and is due: %+v", after, due)
		}
		w.pass(StaleAfter)
		if swept := w.sweep(SweepOptions{Revoke: true}); len(swept) != 1 || !swept[0].Done {
			t.Errorf("after %d steps: swept %+v", after, swept)
		}
		w.wantHoldings()
		wantPhase(t, w.fold(text), PhaseNone)
		w.activate(text) // the approval was not used
	}
}

func TestSweepPutsAnUnfinishedChangeBack(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	wider := w.request(environment, access("one", "reader", "writer", "admin"), access("two", "reader"), access("three", "reader"))
	_, err := w.killed(6).Activate(t.Context(), Ask{Text: w.approved(wider)}, Record{})
	if err == nil {
		t.Fatal("it was not killed")
	}
	w.pass(StaleAfter)
	if swept := w.sweep(SweepOptions{Revoke: true}); len(swept) != 1 || swept[0].Step != Repair || !swept[0].Done {
		t.Errorf("swept %+v", swept)
	}
	w.wantThree()
}

func TestSweepKeepsToItsScope(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	w.pass(24 * time.Hour)
	for pattern, want := range map[string]int{"": 1, "payments/*": 1, "**": 1, "payments": 0, "sales/*": 0} {
		if due := w.sweep(SweepOptions{Scope: pattern}); len(due) != want {
			t.Errorf("scope %q: %+v", pattern, due)
		}
	}
}

func TestSweepBesideOthers(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, _ := w.active(w.three())
	w.pass(24 * time.Hour)
	again := w.three()
	again.Term = 2
	next := w.approved(again)

	// Another term begins after the sweep has judged and before it acts.
	e, done := w.run(nil), false
	lifeOf(e).before = func(step string) {
		if step == "write intent@1 revoke" && !done {
			done = true
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: next}, Record{})
			must(t, err)
		}
	}
	swept, err := e.Sweep(t.Context(), SweepOptions{Revoke: true})
	must(t, err)
	if len(swept) != 1 || !swept[0].Skipped || swept[0].Done || swept[0].Err != nil {
		t.Errorf("swept %+v", swept)
	}
	w.wantThree()
	wantPhase(t, w.fold(text), PhaseActive)

	// Two sweeps at once end in nothing held, and no error but of who was late.
	w.pass(24 * time.Hour)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			swept, err := w.run(nil).Sweep(t.Context(), SweepOptions{Revoke: true})
			for _, one := range swept {
				err = errors.Join(err, one.Err)
			}
			if err != nil {
				t.Errorf("sweep: %v", err)
			}
		})
	}
	wait.Wait()
	w.wantHoldings()
	wantPhase(t, w.fold(text), PhaseRevoked)
}

func TestSweepSaysWhatItCannotJudge(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	w.damageGrant(record)
	w.pass(24 * time.Hour)
	swept := w.sweep(SweepOptions{Revoke: true})
	if len(swept) != 1 || swept[0].Err == nil || swept[0].Step != "" {
		t.Errorf("swept %+v", swept)
	}
	w.wantThree()
}

// A clock that ran backwards is in doubt: nothing ends by time, what was ended
// by a person does.
func TestSweepWhereTheClockIsInDoubt(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.pass(25 * time.Hour)
	soon := w.three()
	soon.TTL = time.Hour
	_, record := w.active(soon)
	w.memory.SetClock(func() time.Time { return noon.Add(time.Hour) })
	if swept := w.sweep(SweepOptions{Revoke: true}); len(swept) != 1 || swept[0].Step != "" || !errors.Is(swept[0].Err, ledger.ErrAhead) {
		t.Errorf("swept %+v", swept)
	}
	w.wantThree()
	w.memory.SetClock(func() time.Time { return noon.Add(48 * time.Hour) })
	w.record(ledger.GrantChain(record.Grant), ledger.BlockBody{By: "ben"})
	w.memory.SetClock(func() time.Time { return noon.Add(time.Hour) })
	if swept := w.sweep(SweepOptions{Revoke: true}); len(swept) != 1 || swept[0].Why != "ended by ben" || !swept[0].Done {
		t.Errorf("swept %+v", swept)
	}
	w.wantHoldings()
}

func TestSweepTouchesNoVictim(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	w.systems["one"].change(func(objects map[string]*object) {
		for principal, mine := range maps.Clone(objects) {
			victim := *mine
			victim.id = "victim-1"
			objects[principal+"-victim"] = &victim
		}
	})
	w.pass(24 * time.Hour)
	w.sweep(SweepOptions{Revoke: true})
	w.wantHoldings("one: reader writer")
}
