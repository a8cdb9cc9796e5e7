package lifecycle

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestRepair(t *testing.T) {
	t.Parallel()
	hands := map[string]func(objects map[string]*object, name string){
		"role added":      func(o map[string]*object, name string) { o[name].privileges = []string{"admin", "reader"} },
		"role removed":    func(o map[string]*object, name string) { o[name].privileges, o[name].enabled = nil, false },
		"end moved":       func(o map[string]*object, name string) { o[name].end = noon.Add(time.Hour * 999) },
		"account removed": func(o map[string]*object, name string) { delete(o, name) },
	}
	for what, hand := range hands {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			r := w.three()
			text, record := w.active(r)
			w.systems["two"].change(func(o map[string]*object) { hand(o, nhi.Principal(r.Approval, "two")) })
			view := w.look(text, record, true)
			if view.Status != Drifted || view.Step != Repair {
				t.Fatalf("the view says %s, %s", view.Status, view.Step)
			}
			repaired, err := w.run(nil).Repair(t.Context(), view.Record)
			must(t, err)
			wantPhase(t, repaired, PhaseActive)
			w.wantThree()
			anew := repaired.Targets["two"].Nonce != record.Targets["two"].Nonce
			if anew != (what == "account removed") {
				t.Errorf("made anew: %t", anew)
			}
			if !repaired.ExpiresAt.Equal(record.ExpiresAt) || repaired.Uses[record.Held] != 1 || repaired.Activation != 1 {
				t.Errorf("repaired to %+v", repaired)
			}
			if view := w.look(text, repaired, true); view.Step != Rest {
				t.Errorf("then the view says %s: %q", view.Status, view.Findings)
			}
		})
	}
}

// A repair that fails leaves the grant live, and the next one goes on.
func TestRepairThatFails(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"prepare", "enable", "probe", "read"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, record := w.active(w.three())
			w.systems["two"].change(func(o map[string]*object) { clear(o) })
			w.systems["two"].trip(verb, lost, 1)
			failed, err := w.run(nil).Repair(t.Context(), record)
			if err == nil {
				t.Fatal("repaired")
			}
			wantPhase(t, failed, PhaseActive)
			w.known(text)
			if got := w.holdings(); !slices.Contains(got, "one: reader writer") || !slices.Contains(got, "three: reader") {
				t.Errorf("the systems hold %q", got)
			}
			if revokes := w.log.having("revoke"); len(revokes) > 0 {
				t.Errorf("it did %q", revokes)
			}
			_, err = w.run(nil).Repair(t.Context(), failed)
			must(t, err)
			w.wantThree()
		})
	}
}

func TestRepairIsRefused(t *testing.T) {
	t.Parallel()
	damages := map[string]struct {
		damage func(w *world, e *Engine, record *Record)
		want   error
	}{
		"policy forbids it": {func(w *world, _ *Engine, _ *Record) { w.policy(2, "720h", "1h") }, nhi.ErrDenied},
		"policy expired":    {func(w *world, _ *Engine, _ *Record) { w.policy(2, "2031-01-01", "2030-01-01") }, nhi.ErrDenied},
		"policy missing":    {func(_ *world, e *Engine, _ *Record) { e.PolicyFile = "missing" }, ErrPolicy},
		"identity ended":    {func(w *world, _ *Engine, _ *Record) { w.identify(w.three(), nhi.IdentityDisabled, time.Time{}) }, nhi.ErrEnded},
		"term ended":        {func(w *world, _ *Engine, _ *Record) { w.pass(25 * time.Hour) }, nhi.ErrEnded},
		"blocked": {func(w *world, _ *Engine, r *Record) {
			w.record(ledger.GrantChain(r.Grant), ledger.BlockBody{By: "ben"})
		}, nhi.ErrEnded},
		"ledger away":      {func(_ *world, e *Engine, _ *Record) { lifeOf(e).down = true }, ErrNoTrustedLedger},
		"another in force": {func(_ *world, _ *Engine, r *Record) { r.Held = nhi.DigestOf("other") }, ErrOvertaken},
		"ledger shortened": {func(_ *world, _ *Engine, r *Record) { r.Head = nhi.Head{Seq: 3, Hash: nhi.DigestOf("other")} }, ErrShortened},
		"something foreign": {func(w *world, _ *Engine, _ *Record) {
			w.systems["two"].change(func(o map[string]*object) {
				for n := range w.systems["two"].objects {
					o[n].mark = "theirs"
				}
			})
		}, nhi.ErrForeign},
		"changed on the way": {func(w *world, e *Engine, _ *Record) {
			lifeOf(e).after = func(step string) {
				if step == "write intent@1 repair" {
					w.identify(w.three(), nhi.IdentityDisabled, time.Time{})
				}
			}
		}, ErrOvertaken},
	}
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			_, record := w.active(w.three())
			w.systems["one"].change(func(o map[string]*object) { clear(o) })
			e := w.run(nil)
			c.damage(w, e, &record)
			_, err := e.Repair(t.Context(), record)
			wantError(t, err, c.want)
			if name != "something foreign" {
				w.wantHoldings("two: reader", "three: reader")
			}
		})
	}
}

// A target that was dropped and could not be removed is never enabled again.
func TestRepairNeverEnablesWhatWasDropped(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	text := w.ask(w.request(environment, access("one", "reader", "writer"), access("two", "reader")))
	w.systems["three"].trip("revoke", fails, -1)
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
	var left *RevokeError
	if !errors.As(err, &left) {
		t.Fatalf("error is %v", err)
	}
	wantPhase(t, record, PhaseActive)
	view := w.look(text, record, true)
	if view.Status != Drifted || view.Step != Repair {
		t.Errorf("the view says %s, %s", view.Status, view.Step)
	}
	before := len(w.log.having("enable three"))
	_, err = w.run(nil).Repair(t.Context(), record)
	wantError(t, err, nhi.ErrUnconfirmed)
	w.systems["three"].mend()
	repaired, err := w.run(nil).Repair(t.Context(), record)
	must(t, err)
	if len(repaired.Targets) != 2 || len(w.log.having("enable three")) != before {
		t.Errorf("targets %v, journal %q", repaired.Targets, w.log.all())
	}
	w.wantHoldings("one: reader writer", "two: reader")
}

// A change over a live grant that fails anywhere puts back what was in force,
// and touches nothing that it did not change.
func TestFailedChangeKeepsWhatIsInForce(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"prepare", "enable", "probe", "read"} {
		for _, system := range []string{"one", "three", "card"} {
			for _, bad := range []trouble{fails, lost} {
				if verb == "prepare" && system == "one" {
					continue // it is live, and must not be stripped
				}
				t.Run(verb+" "+system+" "+string(bad), func(t *testing.T) {
					t.Parallel()
					w := newMemoryWorld(t)
					_, before := w.active(w.whole())
					wider := w.approved(w.request(environment, access("one", "admin"), access("three", "reader"), access("card", "writer")))
					w.systems[system].trip(verb, bad, 1)
					record, err := w.run(nil).Activate(t.Context(), Ask{Text: wider}, before)
					var undone *UndoError
					if !errors.As(err, &undone) || len(undone.Open) > 0 {
						t.Fatalf("error is %v", err)
					}
					wantPhase(t, record, PhaseActive)
					if record.Held != before.Held || record.Activation != before.Activation || !record.ExpiresAt.Equal(before.ExpiresAt) {
						t.Errorf("in force is %+v", record)
					}
					for key, target := range before.Targets {
						if record.Targets[key].Nonce != target.Nonce {
							t.Errorf("%s is another account now", key)
						}
					}
					w.wantHoldings(wholeRest...)
					w.known(wider)
					w.activate(wider)
					w.wantHoldings("one: admin", "three: reader", "card: writer")
				})
			}
		}
	}
}

// A change never strips what is in force: it goes on working all the while.
func TestChangeLeavesWhatIsInForce(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.whole())
	before := len(w.log.having("prepare one", "prepare two"))
	text := w.approved(w.request(environment, access("one", "admin"), access("two", "reader"), access("three", "reader")))
	w.activate(text)
	w.wantHoldings("one: admin", "two: reader", "three: reader")
	if after := len(w.log.having("prepare one", "prepare two")); after != before {
		t.Errorf("what is in force was stripped: %q", w.log.all())
	}
}

// A change that was given up before it began leaves everything on record, also
// what was still to be removed before it.
func TestChangeGivenUpForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	less := w.ask(w.request(environment, access("one", "reader"), access("two", "reader")))
	w.systems["three"].trip("revoke", fails, -1)
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: less}, Record{})
	wantError(t, err, nhi.ErrUnconfirmed)
	more := w.approved(w.request(environment, access("one", "admin")))
	l := &life{after: func(step string) {
		if step == "write intent@1 activate" {
			w.policy(2)
			must(t, w.run(nil).PublishPolicy(t.Context()))
		}
	}}
	after, err := w.run(l).Activate(t.Context(), Ask{Text: more}, record)
	wantError(t, err, ErrOvertaken)
	wantPhase(t, after, PhaseActive)
	w.known(more)
	w.wantHoldings("one: reader", "two: reader", "three: reader")
}
