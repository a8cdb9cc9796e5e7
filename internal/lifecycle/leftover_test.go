package lifecycle

import (
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// A run that failed over a live grant and was killed while it put that back
// leaves an account that is retired and stands: the next activation takes it
// up, and does not meet it as something foreign.
func TestKilledWhilePuttingBack(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"write intent@1 repair", "enable one"} {
		w := newMemoryWorld(t)
		_, record := w.active(w.request(environment, access("one", "reader"), access("two", "reader")))
		text := w.approved(w.request(environment, access("one", "reader"), access("two", "writer"), access("three", "reader")))
		w.systems["two"].trip("enable", fails, 1)
		e := w.run(nil)
		e.SpoolDir = t.TempDir()
		l := lifeOf(e)
		l.after = func(step string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if step == at && w.fold(text).intent.Verb == "repair" {
				l.killAfter = l.steps
			}
		}
		_, err := e.Activate(t.Context(), Ask{Text: text}, record)
		wantError(t, err, errDead)
		w.systems["two"].mend()
		w.known(text)
		after := w.activate(text)
		if left := after.retired(); len(left) > 0 || after.Uses[after.Held] != 1 {
			t.Errorf("killed after %s: left %q, used %v", at, left, after.Uses)
		}
		w.wantHoldings("one: reader", "two: writer", "three: reader")
	}
}

// What was left out and could not be removed serves again where it is approved
// again: under its own nonce, stripped first.
func TestLeftOverServesAgain(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	whole, _ := w.active(w.three())
	less := w.ask(w.request(environment, access("one", "reader"), access("two", "reader")))
	w.systems["three"].trip("revoke", fails, -1)
	record, err := w.run(nil).Activate(t.Context(), Ask{Text: less}, Record{})
	wantError(t, err, nhi.ErrUnconfirmed)
	r := w.three()
	r.Term = 2
	again := w.approved(r)
	w.systems["three"].mend()
	w.systems["three"].change(func(objects map[string]*object) {
		for _, o := range objects {
			o.privileges = append(o.privileges, "planted")
		}
	})
	before := w.fold(whole)
	after, err := w.run(nil).Activate(t.Context(), Ask{Text: again}, record)
	must(t, err)
	if after.Targets["three"].Nonce != before.Targets[before.retired()[0]].Nonce || len(after.retired()) > 0 {
		t.Errorf("%q is left over", after.retired())
	}
	if prepared := w.log.having("prepare three"); len(prepared) != 2 {
		t.Errorf("it was made inert %d times, want 2", len(prepared))
	}
	w.wantThree()
}
