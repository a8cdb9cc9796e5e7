package lifecycle

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// walk is a grant in a world of events: what Decide is told, and what follows
// from the steps that it says.
type walk struct {
	wish     Wish
	facts    Facts
	approved map[nhi.Digest]bool // by request; used up by an activation
	covers   bool                // the request in force contains the wished one
}

// events are what people, time and systems do between applies.
var events = map[string]func(*walk){
	"time passes":     func(w *walk) { w.facts.Now = w.facts.Now.Add(30 * time.Minute) },
	"approved":        func(w *walk) { w.approved[w.wish.Request] = true },
	"withdrawn":       func(w *walk) { w.approved[w.wish.Request] = false },
	"more is wished":  func(w *walk) { w.wish.Request, w.covers = w.wish.Request+"+", false },
	"less is wished":  func(w *walk) { w.wish.Request, w.covers = w.wish.Request+"-", true },
	"disabled":        func(w *walk) { w.wish.Identity = nhi.IdentityDisabled },
	"enabled":         func(w *walk) { w.wish.Identity = nhi.IdentityActive },
	"blocked":         func(w *walk) { w.facts.Ended = "ended by somebody" },
	"lifted":          func(w *walk) { w.facts.Ended = "" },
	"drift":           func(w *walk) { w.facts.Drift = []string{"something was added by hand"} },
	"state lost":      func(w *walk) { w.facts.Live = false },
	"a run is killed": func(w *walk) { w.kill() },
	"a system is down": func(w *walk) {
		if w.facts.Phase == PhaseActive {
			w.facts.Phase = PhaseRevoking // a removal that was begun and not confirmed
		}
	},
}

// kill leaves an activation unfinished, where one is due.
func (w *walk) kill() {
	if w.decide().Step != Activate {
		return
	}
	w.facts.Changing = w.facts.Phase == PhaseActive
	w.facts.Phase = PhaseUnfinished
}

// decide fills in what follows from the rest, and decides.
func (w *walk) decide() Decision {
	w.facts.Covered = w.covers && (w.facts.Phase == PhaseActive || w.facts.Changing) && w.facts.Held != w.wish.Request
	w.facts.Approved = w.approved[w.wish.Request] || w.facts.Covered
	return Decide(w.wish, w.facts)
}

// apply carries out what was decided.
func (w *walk) apply(step Step) {
	switch step {
	case Activate:
		if !w.facts.Covered {
			w.facts.ExpiresAt = w.facts.Now.Add(2 * time.Hour)
		}
		w.approved[w.wish.Request] = false
		w.facts.Phase, w.facts.Held, w.facts.Live, w.facts.Drift, w.facts.Changing = PhaseActive, w.wish.Request, true, nil, false
	case Adopt:
		w.facts.Live = true
	case Repair:
		w.facts.Phase, w.facts.Drift, w.facts.Changing, w.facts.Live = PhaseActive, nil, false, true
	case Revoke:
		w.facts.Phase, w.facts.Live, w.facts.Drift, w.facts.Changing = PhaseRevoked, false, nil, false
	}
}

// From any state and after any events, a few applies reach rest; on the way
// nothing is given without a live approval, expired access is never left
// alone, and less access asks nobody.
func TestDecideReachesRest(t *testing.T) {
	t.Parallel()
	names := rapid.SampledFrom(sortedKeys(events))
	rapid.Check(t, func(t *rapid.T) {
		wish, facts := drawFacts(t)
		facts.Now, facts.ExpiresAt, facts.Again, facts.Ended = noon, noon.Add(time.Hour), false, ""
		facts.Changing = facts.Changing && facts.Phase == PhaseUnfinished
		wish.Request, wish.Identity = asked, nhi.IdentityActive
		w := &walk{wish: wish, facts: facts, approved: map[nhi.Digest]bool{}}
		for _, name := range rapid.SliceOfN(names, 0, 12).Draw(t, "events") {
			events[name](w)
			if rapid.Bool().Draw(t, "applied in between") {
				w.checked(t)
			}
		}
		const enough = 4
		for n := 0; w.checked(t) != Rest; n++ {
			if n == enough {
				t.Fatalf("no rest after %d applies: %+v %+v", n, w.wish, w.facts)
			}
		}
		if held := w.facts.Phase == PhaseActive; held && (overdue(w.facts.Now, w.facts.ExpiresAt) || w.facts.Ended != "" || w.wish.Identity != nhi.IdentityActive) {
			t.Fatalf("access rests that has ended: %+v %+v", w.wish, w.facts)
		}
		if w.facts.Phase == PhaseUnfinished || w.facts.Phase == PhaseRevoking {
			t.Fatalf("something unfinished rests: %+v", w.facts)
		}
	})
}

// checked applies one decision, and holds it against what must never happen.
func (w *walk) checked(t *rapid.T) Step {
	t.Helper()
	decision := w.decide()
	holds := w.facts.Phase == PhaseActive || w.facts.Changing
	late := holds && overdue(w.facts.Now, w.facts.ExpiresAt)
	switch {
	case decision.Step == Activate && !w.approved[w.wish.Request] && !w.facts.Covered:
		t.Fatalf("given without an approval: %+v %+v", w.wish, w.facts)
	case late && decision.Step != Revoke && !(decision.Step == Activate && w.approved[w.wish.Request]):
		t.Fatalf("expired access is left alone: %+v %+v", decision, w.facts)
	case w.facts.Covered && !late && w.facts.Ended == "" && w.wish.Identity == nhi.IdentityActive && decision.Step != Activate:
		t.Fatalf("less access is not given at once: %+v %+v", decision, w.facts)
	}
	w.apply(decision.Step)
	return decision.Step
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
