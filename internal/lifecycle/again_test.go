package lifecycle

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// reusableRequest serves many activations of an hour each.
func reusableRequest(w *world, until time.Duration) nhi.Request {
	r := w.request(environment, access("one", "reader"))
	r.TTL, r.ReusableUntil = time.Hour, w.clock().Add(until)
	return r
}

// With reusable_until, each new value of the trigger activates once; without
// it, none does.
func TestTrigger(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(reusableRequest(w, 12*time.Hour))
	activate := func(trigger string, known Record) (Record, error) {
		return w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: trigger}, known)
	}
	record := Record{}
	for n, trigger := range []string{"run-1", "run-2", "run-3"} {
		var err error
		record, err = activate(trigger, record)
		must(t, err)
		if record.Activation != n+1 || record.Trigger != trigger {
			t.Fatalf("activation %d for %q", record.Activation, record.Trigger)
		}
		w.pass(90 * time.Minute)
		if n == 1 {
			continue // the next trigger comes over a term that ended and was not revoked
		}
		removal, err := w.run(nil).Revoke(t.Context(), record, "expired")
		must(t, err)
		record = removal.Record
		w.wantHoldings()
	}
	for _, replayed := range []string{"run-1", "run-3", ""} {
		_, err := activate(replayed, record)
		wantError(t, err, nhi.ErrSpent)
	}
	w.wantHoldings()
	w.pass(12 * time.Hour)
	_, err := activate("run-4", record)
	wantError(t, err, nhi.ErrNotApproved)
	w.wantHoldings()
}

// A new value while the term runs begins a new one; the same value leaves it
// in peace.
func TestTriggerWhileActive(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(reusableRequest(w, 12*time.Hour))
	first, err := w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: "1"}, Record{})
	must(t, err)
	w.pass(30 * time.Minute)
	same, err := w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: "1"}, first)
	must(t, err)
	if same.Activation != 1 || !same.ExpiresAt.Equal(first.ExpiresAt) {
		t.Errorf("the same value made activation %d until %s", same.Activation, same.ExpiresAt)
	}
	second, err := w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: "2"}, same)
	must(t, err)
	if second.Activation != 2 || !second.ExpiresAt.Equal(first.ExpiresAt.Add(30*time.Minute)) {
		t.Errorf("activation %d until %s", second.Activation, second.ExpiresAt)
	}
	w.wantHoldings("one: reader")
}

// Without reusable_until a trigger means nothing: one approval, one activation.
func TestTriggerOfOneActivation(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	removal, err := w.run(nil).Revoke(t.Context(), record, "expired")
	must(t, err)
	_, err = w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: "new"}, removal.Record)
	wantError(t, err, nhi.ErrSpent)
}

// The end of reuse that was signed is the end of every term.
func TestReuseEnds(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(reusableRequest(w, 90*time.Minute))
	w.pass(time.Hour)
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: "1"}, Record{})
	must(t, err)
	if want := noon.Add(90 * time.Minute); !record.ExpiresAt.Equal(want) {
		t.Errorf("it ends %s, want %s", record.ExpiresAt, want)
	}
}

// A grant whose state was lost is adopted as it is, under whatever request it
// is in force, and belongs to who adopted it.
func TestAdopt(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: text, Holder: "a"}, Record{})
	must(t, err)
	wider := w.request(environment, access("one", "admin"))
	view := w.look(textOf(t, wider), Record{Grant: record.Grant}, false)
	if view.Status != Approved || view.Step != Adopt {
		t.Fatalf("the view says %s, %s", view.Status, view.Step)
	}
	adopted, err := w.run(nil).Adopt(t.Context(), view.Record, "b")
	must(t, err)
	if adopted.Holder != "b" || adopted.Activation != record.Activation || !adopted.ExpiresAt.Equal(record.ExpiresAt) {
		t.Errorf("adopted %+v", adopted)
	}
	w.wantThree()
	w.pass(25 * time.Hour)
	_, err = w.run(nil).Adopt(t.Context(), adopted, "c")
	wantError(t, err, nhi.ErrEnded)
}

// What the policy forbids while it is active runs on, and is revoked where the
// policy says so.
func TestForbidden(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]Status{"": Active, `on_forbidden = "warn"`: Active, `on_forbidden = "revoke"`: Ended} {
		w := newMemoryWorld(t)
		text, record := w.active(w.three())
		w.policy(2, `max_ttl      = "720h"`, `max_ttl      = "1h"`, "version = 2", "version = 2\n"+said)
		view := w.look(text, record, true)
		if view.Status != want || len(view.Forbidden) == 0 {
			t.Errorf("%q: the view says %s, forbidden %q, %v", said, view.Status, view.Forbidden, view.Warnings)
		}
	}
}

// The terms of a request are found whatever became of them.
func TestTerms(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	for _, term := range []int{1, 3, 2} {
		r.Term = term
		text := w.ask(r)
		must(t, w.run(nil).TakeBack(t.Context(), text))
	}
	r.Term = 1
	other := r
	other.TTL, other.Term = 2*time.Hour, 7
	w.ask(other)
	if n, err := w.run(nil).Terms(t.Context(), textOf(t, r)); err != nil || n != 3 {
		t.Errorf("terms %d, %v", n, err)
	}
	if status := w.standing(textOf(t, r)); status != policy.StatusPending {
		t.Errorf("status %s", status)
	}
}

func (w *world) standing(text string) policy.Status {
	w.t.Helper()
	standing, err := w.run(nil).Standing(w.t.Context(), text)
	must(w.t, err)
	return standing.Status
}
