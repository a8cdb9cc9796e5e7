package lifecycle

import (
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// existing puts an account of somebody's on a system.
func (w *world) existing(system, name, id string, roles ...string) {
	w.systems[system].change(func(objects map[string]*object) {
		objects[name] = &object{id: id, enabled: true, privileges: roles}
	})
}

// askToTakeOver asks, looks at what is there, and has ana approve.
func (w *world) askToTakeOver(r nhi.Request) string {
	w.t.Helper()
	text := w.ask(r)
	must(w.t, w.run(nil).Observe(w.t.Context(), text))
	w.sign("ana", nhi.VerdictApprove, text)
	return text
}

// What is not approved of an account that is taken over goes, its name stays,
// and in the end it is shut or removed, as was asked for.
func TestTakeover(t *testing.T) {
	t.Parallel()
	for onRevoke, left := range map[string][]string{"disable": {"one: "}, "delete": nil} {
		t.Run(onRevoke, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			w.existing("one", "svc_orders", "id-1", "admin", "reader")
			text := w.askToTakeOver(w.request(environment, adopting("one", "svc_orders", onRevoke, "reader"), access("two", "reader")))
			w.wantHoldings("one: admin reader")
			view := w.look(text, Record{Grant: w.fold(text).Grant}, false)
			if want := "one: takes over svc_orders as it is, which loses admin"; len(view.Findings) != 2 || view.Findings[1] != want {
				t.Errorf("the plan says %q, want %q", view.Findings, want)
			}
			record := w.activate(text)
			w.wantHoldings("one: reader", "two: reader")
			if target := record.Targets["one"]; target.Principal != "svc_orders" || target.ID != "id-1" {
				t.Errorf("the target is %+v", target)
			}
			_, err := w.run(nil).Revoke(t.Context(), record, ReasonDestroyed)
			must(t, err)
			w.wantHoldings(left...)
		})
	}
}

// A takeover that fails on another target gives the account back as it was.
func TestTakeoverUndone(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"prepare", "enable", "probe"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			w.existing("one", "svc_orders", "id-1", "admin", "reader")
			text := w.askToTakeOver(w.request(environment, adopting("one", "svc_orders", "delete", "reader"), access("two", "reader")))
			w.systems["two"].trip(verb, fails, -1)
			if _, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{}); err == nil {
				t.Fatal("activated")
			}
			w.wantHoldings("one: admin reader")
		})
	}
}

// Nobody's account is taken over that approvers have not seen as it is.
func TestTakeoverOfAnother(t *testing.T) {
	t.Parallel()
	request := func(w *world) nhi.Request {
		return w.request(environment, adopting("one", "svc_orders", "delete", "reader"))
	}
	for name, c := range map[string]struct {
		ask  func(*world) string
		want error
	}{
		"never looked at": {func(w *world) string { return w.approved(request(w)) }, nhi.ErrNotApproved},
		"looked at after the approval": {func(w *world) string {
			text := w.approved(request(w))
			must(w.t, w.run(nil).Observe(w.t.Context(), text))
			return text
		}, nhi.ErrNotApproved},
		"dropped and made again": {func(w *world) string {
			text := w.askToTakeOver(request(w))
			w.existing("one", "svc_orders", "id-2", "reader")
			return text
		}, nhi.ErrForeign},
		"marked by another meanwhile": {func(w *world) string {
			text := w.askToTakeOver(request(w))
			w.systems["one"].change(func(objects map[string]*object) { objects["svc_orders"].mark = "nhi:1 somebody" })
			return text
		}, nhi.ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			w.existing("one", "svc_orders", "id-1", "admin", "reader")
			text := c.ask(w)
			before := w.holdings()
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
			wantError(t, err, c.want)
			w.wantHoldings(before...)
		})
	}
}

// A killed takeover is finished, or given back, by the next run.
func TestTakeoverKilled(t *testing.T) {
	t.Parallel()
	for steps := 1; steps < 12; steps++ {
		w := newMemoryWorld(t)
		w.existing("one", "svc_orders", "id-1", "admin", "reader")
		text := w.askToTakeOver(w.request(environment, adopting("one", "svc_orders", "delete", "reader"), access("two", "reader")))
		_, _ = w.killed(steps).Activate(t.Context(), Ask{Text: text}, Record{})
		if steps%2 == 0 {
			w.activate(text)
			w.wantHoldings("one: reader", "two: reader")
			continue
		}
		record := w.fold(text)
		removal, err := w.run(nil).Revoke(t.Context(), record, ReasonDestroyed)
		must(t, err)
		if len(record.Used) == 0 && removal.Record.Phase != PhaseActive {
			if got := w.holdings(); len(got) != 1 || got[0] == "one: " {
				t.Errorf("after %d steps and a removal the systems hold %q", steps, got)
			}
		}
	}
}

// What was observed is recorded once, and again where it has changed.
func TestObserve(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.existing("one", "svc_orders", "id-1", "reader")
	r := w.request(environment, adopting("one", "svc_orders", "delete", "reader"))
	text := w.ask(r)
	observations := func() int {
		chain, err := w.book.Read(t.Context(), ledger.ApprovalChain(r.Approval))
		must(t, err)
		n := 0
		for _, entry := range chain.Entries {
			if _, ok := entry.Body.(ledger.ObservationBody); ok {
				n++
			}
		}
		return n
	}
	for range 2 {
		must(t, w.run(nil).Observe(t.Context(), text))
	}
	if n := observations(); n != 1 {
		t.Errorf("%d observations of the same", n)
	}
	w.existing("one", "svc_orders", "id-1", "admin", "reader")
	must(t, w.run(nil).Observe(t.Context(), text))
	if n := observations(); n != 2 {
		t.Errorf("%d observations after a change", n)
	}
	w.systems["one"].trip("appraise", fails, -1)
	if err := w.run(nil).Observe(t.Context(), text); err == nil {
		t.Error("what could not be looked at was recorded")
	}
}

// An account that is held already needs no second takeover: less of it applies
// at once, and the next term is asked for while this one runs.
func TestTakeoverGoesOn(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.existing("one", "svc_orders", "id-1", "admin", "reader")
	record := w.activate(w.askToTakeOver(w.request(environment, adopting("one", "svc_orders", "delete", "reader", "writer"))))
	less := w.request(environment, adopting("one", "svc_orders", "delete", "reader"))
	text := w.ask(less)
	must(t, w.run(nil).Observe(t.Context(), text))
	_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, record)
	must(t, err)
	w.wantHoldings("one: reader")
	less.Term = 2
	w.activate(w.askToTakeOver(less))
	w.wantHoldings("one: reader")
}

// A takeover that was killed and then fails gives the account back as it was
// found first, and leaves nothing of what was approved.
func TestTakeoverKilledThenUndone(t *testing.T) {
	t.Parallel()
	for steps := 1; steps < 12; steps++ {
		w := newMemoryWorld(t)
		w.existing("one", "svc_orders", "id-1", "admin", "reader")
		text := w.askToTakeOver(w.request(environment, adopting("one", "svc_orders", "delete", "reader", "writer"), access("two", "reader")))
		_, _ = w.killed(steps).Activate(t.Context(), Ask{Text: text}, Record{})
		if w.fold(text).Phase == PhaseActive {
			break
		}
		w.systems["two"].trip("probe", fails, -1)
		if _, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{}); err == nil {
			t.Fatal("activated")
		}
		w.systems["two"].mend()
		w.wantHoldings("one: admin reader")
	}
}
