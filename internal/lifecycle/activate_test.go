package lifecycle

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestActivateGivesWhatWasApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, record := w.active(w.three())
	w.wantThree()
	if record.Held != nhi.DigestOf(text) || record.Activation != 1 || record.Uses[record.Held] != 1 {
		t.Errorf("record = %+v", record)
	}
	if want := noon.Add(24 * time.Hour); !record.ExpiresAt.Equal(want) {
		t.Errorf("ends %s, want %s", record.ExpiresAt, want)
	}
	for key, verified := range record.Last {
		if !verified.Verified || verified.State != "active" {
			t.Errorf("%s was read back as %+v", key, verified)
		}
	}
}

// The intent is on disk before the first effect, and each step of effects is
// behind an entry of the run's own.
func TestActivateOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := w.approved(w.three())
	w.log.lines = nil
	w.activate(text)
	var order []string
	for _, line := range w.log.having("write", "prepare", "enable", "probe", "revoke") {
		verb := line
		for _, word := range []string{"prepare", "enable", "probe", "revoke"} {
			if len(line) > len(word) && line[:len(word)+1] == word+" " {
				verb = word
			}
		}
		if len(order) == 0 || order[len(order)-1] != verb {
			order = append(order, verb)
		}
	}
	want := []string{
		"write policy@1", "write intent@1 activate", "prepare", "write effect@1", "enable", "write effect@1",
		"probe", "write verification@1", "write use@1",
	}
	if !slices.Equal(order, want) {
		t.Errorf("order is\n%q, want\n%q", order, want)
	}
}

func TestSecondActivateDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, first := w.active(w.three())
	before := len(w.log.all())
	again := w.activate(text)
	if got := w.log.all()[before:]; len(got) > 0 {
		t.Errorf("the second activation did %q", got)
	}
	if again.Head != first.Head {
		t.Errorf("head moved from %v to %v", first.Head, again.Head)
	}
}

// Whatever fails, on whatever target, at whatever step: nothing is left.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"prepare", "enable", "probe", "read"} {
		for _, system := range []string{"one", "two", "three"} {
			for _, bad := range []trouble{fails, lost, garbage} {
				t.Run(fmt.Sprintf("%s on %s %s", verb, system, bad), func(t *testing.T) {
					t.Parallel()
					w := newMemoryWorld(t)
					text := w.approved(w.three())
					w.systems[system].trip(verb, bad, 1)
					record, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
					var undone *UndoError
					if !errors.As(err, &undone) || len(undone.Open) > 0 || len(undone.Undone) != 3 {
						t.Fatalf("error is %v", err)
					}
					wantPhase(t, record, PhaseNone)
					w.wantHoldings()
					if record.Uses[nhi.DigestOf(text)] != 0 {
						t.Error("an activation was consumed")
					}
					w.activate(text)
					w.wantThree()
				})
			}
		}
	}
}

// An undo that fails stays open as revoking, and the next Activate or Revoke
// finishes it.
func TestUndoThatFails(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"activate", "revoke"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			w.systems["three"].trip("enable", fails, 1)
			w.systems["one"].trip("revoke", fails, -1)
			record, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
			var undone *UndoError
			if !errors.As(err, &undone) || undone.Open["one"] == nil || !slices.Equal(undone.Undone, []string{"three", "two"}) {
				t.Fatalf("error is %v", err)
			}
			wantPhase(t, record, PhaseRevoking)
			w.wantHoldings("one: reader writer")
			w.known(text)
			if d := Decide(Wish{Request: nhi.DigestOf(text)}, Facts{Phase: record.Phase, Approved: true}); d.Step != Revoke {
				t.Errorf("the next step is %s", d.Step)
			}
			if _, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{}); err == nil {
				t.Error("activated over a removal that is open")
			}
			w.systems["one"].mend()
			if next == "activate" {
				w.activate(text)
				w.wantThree()
				return
			}
			_, err = w.run(nil).Revoke(t.Context(), Record{Grant: record.Grant}, "test")
			must(t, err)
			w.wantHoldings()
		})
	}
}

func TestForeignObjectIsNotTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.three()
	text := w.approved(r)
	name := nhi.Principal(r.Approval, "two")
	theirs := object{id: "theirs", mark: "somebody", enabled: true, privileges: []string{"admin"}}
	w.systems["two"].change(func(objects map[string]*object) { o := theirs; objects[name] = &o })
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, nhi.ErrForeign)
	wantPhase(t, record, PhaseNone)
	w.wantHoldings("two: admin")
	if got := w.systems["two"].objects[name]; got.id != theirs.id || !slices.Equal(got.privileges, theirs.privileges) {
		t.Errorf("it is now %+v", got)
	}
}

// What ours was replaced by is no proof that ours is gone, once ours existed.
func TestForeignIsNotGone(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	text, record := w.active(r)
	name := nhi.Principal(r.Approval, "two")
	w.systems["two"].change(func(objects map[string]*object) { objects[name].mark = "somebody" })
	removal, err := w.run(nil).Revoke(t.Context(), record, "test")
	wantError(t, err, nhi.ErrUnconfirmed)
	wantPhase(t, removal.Record, PhaseRevoking)
	if _, open := removal.Record.Targets["two"]; !open || len(removal.Record.Targets) != 1 {
		t.Errorf("open are %v", slices.Collect(maps.Keys(removal.Record.Targets)))
	}
	w.wantHoldings("two: reader")
	_ = text
}

// What changes between evaluation and effect stops everything, before any
// system is asked for anything.
func TestChangedBeforeTheFirstEffect(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*world, string){
		"identity disabled":  func(w *world, _ string) { w.identify(w.three(), nhi.IdentityDisabled, time.Time{}) },
		"approval withdrawn": func(w *world, text string) { w.sign("ana", nhi.VerdictWithdraw, text) },
		"policy": func(w *world, _ string) {
			w.policy(2)
			must(w.t, w.run(nil).PublishPolicy(w.t.Context()))
		},
		"blocked": func(w *world, text string) {
			r, _ := nhi.ParseRequest(text)
			w.record(ledger.GrantChain(r.Approval), ledger.BlockBody{By: "ben", Reason: "incident"})
		},
		"time": func(w *world, _ string) { w.pass(25 * time.Hour) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			l := &life{after: func(step string) {
				if step == "write intent@1 activate" {
					change(w, text)
				}
			}}
			if _, err := w.run(l).Activate(t.Context(), Ask{Text: text}, Record{}); err == nil {
				t.Fatal("activated")
			}
			if got := w.log.having("prepare", "enable", "revoke"); len(got) > 0 {
				t.Errorf("systems were asked to %q", got)
			}
			w.wantHoldings()
			w.known(text)
			wantPhase(t, w.fold(text), PhaseNone)
		})
	}
}

// A target that looks right and lets nobody in is not active; nor is one that
// holds more than was approved.
func TestNotAsApproved(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world, l *life){
		"the probe is refused": func(w *world, _ *life) { w.systems["two"].trip("probe", refused, 1) },
		"more than approved": func(w *world, l *life) {
			l.after = func(step string) {
				if step == "enable two" {
					w.systems["two"].change(func(o map[string]*object) {
						for _, one := range o {
							one.privileges = append(one.privileges, "planted")
						}
					})
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			l := &life{}
			spoil(w, l)
			record, err := w.run(l).Activate(t.Context(), Ask{Text: text}, Record{})
			wantError(t, err, errNotActive)
			wantPhase(t, record, PhaseNone)
			w.wantHoldings()
		})
	}
}
