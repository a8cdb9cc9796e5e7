//go:build nhi_failpoints

package lifecycle

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/failpoint"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// kill ends a run now: nothing of it is done any more.
func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killAfter = max(l.steps, 1)
	l.steps = max(l.steps, 1)
}

// faulty is a run with a fault at one point.
type faulty struct {
	mu  sync.Mutex
	at  string
	hit map[string]int
	do  func() error
	// met is called at each point, before the fault.
	met func(name string)
}

// on returns a context in which the fault waits.
func (k *faulty) on(ctx context.Context) context.Context {
	return failpoint.With(ctx, func(name string) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.hit[name]++
		if k.met != nil {
			k.met(name)
		}
		if name == k.at && k.hit[name] == 1 {
			return k.do()
		}
		return nil
	})
}

// hits collects which points were ever hit, over all tests of this file.
type hits struct {
	mu    sync.Mutex
	names map[string]bool
}

func (h *hits) add(k *faulty) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range k.hit {
		h.names[name] = true
	}
}

// pointed is a situation whose run takes a context.
type pointed struct {
	situation
	run func(ctx context.Context, w *world, e *Engine, text string)
}

// pointedSituations are those of TestKilledAnywhere, and more, so that every
// point is on the way of one.
func pointedSituations() []pointed {
	activate := func(ctx context.Context, w *world, e *Engine, text string) {
		_, _ = e.Activate(ctx, Ask{Text: text}, Record{})
	}
	revoke := func(ctx context.Context, w *world, e *Engine, text string) {
		_, _ = e.Revoke(ctx, Record{Grant: w.fold(text).Grant}, "test")
	}
	repair := func(ctx context.Context, w *world, e *Engine, text string) {
		_, _ = e.Repair(ctx, Record{Grant: w.fold(text).Grant})
	}
	var all []pointed
	for _, s := range situations() {
		run := activate
		switch {
		case s.name == "repair then repair":
			run = repair
		case s.name == "revoke then revoke":
			run = revoke
		}
		all = append(all, pointed{s, run})
	}
	return append(all, takeoverSituations(activate)...)
}

// takeoverSituations take an account over, and fail: over nothing, over a live
// grant, and in a change that was left out again.
func takeoverSituations(activate func(context.Context, *world, *Engine, string)) []pointed {
	failing := func(ctx context.Context, w *world, e *Engine, text string) {
		w.systems["two"].trip("enable", fails, 1)
		activate(ctx, w, e, text)
		w.systems["two"].mend()
	}
	taking := func(w *world) nhi.Request {
		w.systems["one"].change(func(objects map[string]*object) {
			if objects["svc-old"] == nil {
				objects["svc-old"] = &object{id: "one-old", privileges: []string{"reader", "admin"}}
			}
		})
		return w.request(environment, adopting("one", "svc-old", "delete", "reader"), access("two", "reader"))
	}
	asked := func(w *world, r nhi.Request) string {
		text := w.ask(r)
		must(w.t, w.run(nil).Observe(w.t.Context(), text))
		w.sign("ana", nhi.VerdictApprove, text)
		return text
	}
	given := []string{"one: reader", "two: reader"}
	back := "one: reader admin"
	revoked := func(w *world, text string) {
		finishRevoked(w, text)
		for i, held := range w.holdings() { // given back as it was found, or removed once it was in force
			if held != back || i > 0 {
				w.t.Errorf("left over: %q", w.holdings())
			}
		}
		w.systems["one"].change(func(objects map[string]*object) { delete(objects, "svc-old") })
	}
	return []pointed{
		{situation{"takeover that fails, then activate", func(w *world) string { return asked(w, taking(w)) }, nil, finishActive, given}, failing},
		{situation{"takeover that fails, then revoke", func(w *world) string { return asked(w, taking(w)) }, nil, revoked, nil}, failing},
		{situation{"change to a takeover that fails", func(w *world) string {
			w.active(w.request(environment, access("two", "reader")))
			r := taking(w)
			r.Access["two"] = access("two", "writer")
			return asked(w, r)
		}, nil, func(w *world, text string) { finishActive(w, text) }, []string{"one: reader", "two: writer"}}, failing},
		{situation{"takeover that fails and is left out", func(w *world) string {
			text := asked(w, taking(w))
			e := w.run(nil)
			k := &faulty{at: "activate.enable.before", hit: map[string]int{}}
			l := lifeOf(e)
			k.do = func() error { l.kill(); return errDead }
			_, _ = e.Activate(k.on(w.t.Context()), Ask{Text: text}, Record{})
			return w.approved(w.request(environment, access("two", "writer")))
		}, nil, finishActive, []string{back, "two: writer"}}, activate},
		{situation{"takeover, then revoke", func(w *world) string {
			text := asked(w, taking(w))
			e := w.run(nil)
			k := &faulty{at: "activate.enable.before", hit: map[string]int{}}
			l := lifeOf(e)
			k.do = func() error { l.kill(); return errDead }
			_, _ = e.Activate(k.on(w.t.Context()), Ask{Text: text}, Record{})
			return text
		}, nil, revoked, nil}, func(ctx context.Context, w *world, e *Engine, text string) {
			_, _ = e.Revoke(ctx, Record{Grant: w.fold(text).Grant}, "test")
		}},
	}
}

// Every point is hit by some verb, and no point is hit that has no name. A run
// that is killed at a point is finished by the next one; one at which the step
// fails, or its answer is lost, has undone what it did, or is finished too.
func TestEveryFailpoint(t *testing.T) {
	t.Parallel()
	found := &hits{names: map[string]bool{}}
	t.Run("all", func(t *testing.T) {
		for _, s := range pointedSituations() {
			for _, fault := range []string{"kill", "error", "lost"} {
				t.Run(s.name+", "+fault, func(t *testing.T) {
					t.Parallel()
					s.everywhere(t, fault, found)
				})
			}
		}
		t.Run("others", func(t *testing.T) {
			t.Parallel()
			otherPoints(t, found)
		})
	})
	for _, name := range Failpoints() {
		if !found.names[name] {
			t.Errorf("nothing hits %s", name)
		}
	}
	for name := range found.names {
		if !slices.Contains(Failpoints(), name) {
			t.Errorf("%s is on no list", name)
		}
	}
}

// everywhere meets the fault at each point that the situation's run comes by.
func (s pointed) everywhere(t *testing.T, fault string, found *hits) {
	t.Helper()
	first := s.meet(t, "", fault, found)
	names := slices.Collect(func(yield func(string) bool) {
		for name := range first.hit {
			if !yield(name) {
				return
			}
		}
	})
	slices.Sort(names)
	for _, name := range names {
		s.meet(t, name, fault, found)
		if t.Failed() {
			t.Fatalf("%s at %s", fault, name)
		}
	}
}

// meet carries the situation out once, with the fault at one point.
func (s pointed) meet(t *testing.T, at, fault string, found *hits) *faulty {
	t.Helper()
	w := newMemoryWorld(t)
	text := s.prepare(w)
	e := w.run(nil)
	e.SpoolDir = t.TempDir() // it dies with a killed run
	l := lifeOf(e)
	k := &faulty{at: at, hit: map[string]int{}}
	k.do = func() error {
		if fault == "kill" {
			l.kill()
			return errDead
		}
		if fault == "lost" {
			return failpoint.ErrLost
		}
		return failpoint.ErrOrdered
	}
	s.run(k.on(t.Context()), w, e, text)
	found.add(k)
	if fault != "kill" { // the run is alive: what it spooled is written before the next one
		must(t, e.Flush(t.Context()))
	}
	finishSituation(w, s.situation, text, fault+" at "+at)
	if t.Failed() {
		t.Logf("%s at %s: %q", fault, at, w.log.all())
	}
	return k
}

// otherPoints come by the points of the verbs that have no situation.
func otherPoints(t *testing.T, found *hits) {
	t.Helper()
	for _, step := range []string{"revoke.spool", "undo.spool", "halt.block", "halt.spool", "sweep.act", "adopt.holder", "observe.observation"} {
		for _, when := range []string{before, after} {
			k := &faulty{at: step + when, hit: map[string]int{}, do: func() error { return failpoint.ErrOrdered }}
			w := newMemoryWorld(t)
			err := w.come(k, step)
			if !errors.Is(err, failpoint.ErrOrdered) {
				t.Errorf("%s: error is %v", step+when, err)
			}
			found.add(k)
		}
	}
}

// come comes by one of the points without a situation, and returns what the
// verb said.
func (w *world) come(k *faulty, step string) error {
	ctx, e, l := k.on(w.t.Context()), w.run(nil), &life{}
	switch step {
	case "observe.observation":
		w.systems["one"].change(func(objects map[string]*object) { objects["svc-old"] = &object{id: "one-old"} })
		return e.Observe(ctx, w.ask(w.request(environment, adopting("one", "svc-old", "delete", "reader"))))
	case "undo.spool":
		text := w.approved(w.three())
		_, err := w.run(&life{loseAfter: 3}).Activate(ctx, Ask{Text: text}, Record{})
		return err
	}
	text, record := w.active(w.three())
	switch step {
	case "revoke.spool":
		l.down = true
		_, err := w.run(l).Revoke(ctx, record, "test")
		return err
	case "adopt.holder":
		_, err := e.Adopt(ctx, record, "another")
		return err
	case "sweep.act":
		w.pass(25 * time.Hour)
		swept, err := e.Sweep(ctx, SweepOptions{Revoke: true})
		must(w.t, err)
		return swept[0].Err
	case "halt.spool":
		k.met = func(name string) { l.down = l.down || name == "halt.block.before" }
		e = w.run(l)
	}
	halted, err := e.Halt(ctx, Halt{Grant: w.fold(text).Grant, By: "ana", Reason: "test"})
	must(w.t, err)
	return halted.Away
}
