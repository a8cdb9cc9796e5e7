package lifecycle

import (
	"errors"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// runWith is a run whose systems are, by name, those of the world.
func (w *world) runWith(places map[string]string) *Engine {
	w.t.Helper()
	l := &life{}
	e := w.run(l)
	e.Systems = NewSystems(w.fakeKinds(l))
	lives.Store(e.Systems, l)
	for name, of := range places {
		must(w.t, e.Systems.Add(name, "fake", setting.Settings{Values: nhi.Values{"name": nhi.Text(of)}}))
	}
	return e
}

// A system that is renamed is the same place: what is there is seen and removed
// under its new name, and what is asked for under the new name takes it over
// without a second account.
func TestRenamedSystem(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]func(w *world, e *Engine, text string, known Record){
		"looked at and revoked": func(w *world, e *Engine, text string, known Record) {
			view := e.Look(w.t.Context(), text, known, Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, true)
			if view.Status != Active || len(view.Warnings) > 0 || view.Targets["one"].Err != nil {
				w.t.Errorf("%s, %v", view.Status, view.Warnings)
			}
			removal, err := e.Revoke(w.t.Context(), known, "test")
			must(w.t, err)
			wantPhase(w.t, removal.Record, PhaseRevoked)
			w.wantHoldings()
		},
		"asked for under the new name": func(w *world, e *Engine, _ string, known Record) {
			w.policy(2, `system "one" { fake = "one:1" }`, `system "uno" { fake = "one:1" }`)
			renamed := w.request(environment)
			moved := access("one", "reader")
			moved.System = "uno"
			renamed.Access["one"] = moved
			text := w.ask(renamed)
			_, err := e.Activate(w.t.Context(), Ask{Text: text}, known)
			wantError(w.t, err, nhi.ErrNotApproved) // another text
			w.sign("ana", nhi.VerdictApprove, text)
			record, err := e.Activate(w.t.Context(), Ask{Text: text}, known)
			must(w.t, err)
			if got, was := record.Targets["one"], known.Targets["one"]; got.System != "uno" || got.Nonce != was.Nonce || got.ID != was.ID || len(record.Targets) != 1 {
				w.t.Errorf("the targets are %+v, and were %+v", record.Targets, known.Targets)
			}
			w.wantHoldings("one: reader")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, known := w.active(w.request(environment, access("one", "reader")))
			what(w, w.runWith(map[string]string{"uno": "one", "two": "two"}), text, known)
		})
	}
}

// A system that leads to another endpoint is another place. What is on the old
// one is never given up: it is removed where a system still leads there, and
// stays open, by name, where none does.
func TestMovedSystem(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, known := w.active(w.request(environment, access("one", "reader")))
	w.policy(2, `system "one" { fake = "one:1" }`, `system "one" { fake = "two:1" }`, `system "two" { fake = "two:1" }`, "")
	moved := w.runWith(map[string]string{"one": "two"})
	_, err := moved.Activate(t.Context(), Ask{Text: text}, known)
	wantError(t, err, ErrNoSystem)
	request := w.request(environment)
	there := access("two", "reader")
	there.System = "one"
	request.Access["one"] = there
	w.pass(1e9)
	next := w.ask(request)
	_, err = moved.Activate(t.Context(), Ask{Text: next}, known)
	wantError(t, err, nhi.ErrNotApproved) // the endpoint is signed
	w.wantHoldings("one: reader")
	w.sign("ana", nhi.VerdictApprove, next)
	record, err := moved.Activate(t.Context(), Ask{Text: next}, known)
	var open *RevokeError
	if !errors.As(err, &open) || record.Phase != PhaseActive || !strings.Contains(err.Error(), "leads to two:1, and this access is on one:1") {
		t.Fatalf("%s, %v", record.Phase, err)
	}
	w.wantHoldings("one: reader", "two: reader")

	// With the old place configured under any name, it is removed.
	record, err = w.runWith(map[string]string{"one": "two", "retired": "one"}).Activate(t.Context(), Ask{Text: next}, record)
	must(t, err)
	w.wantHoldings("two: reader")
	if len(record.retired()) > 0 {
		t.Errorf("%v is still open", record.retired())
	}
}

// Where nothing leads to the old place any more, a removal says so, and is
// finished when something does.
func TestMovedSystemIsRevoked(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, known := w.active(w.request(environment, access("one", "reader"), access("two", "reader")))
	removal, err := w.runWith(map[string]string{"one": "three", "two": "two"}).Revoke(t.Context(), known, "test")
	var open *RevokeError
	if !errors.As(err, &open) || len(open.Open) != 1 || !strings.Contains(open.Open["one"], "this access is on one:1") {
		t.Fatal(err)
	}
	wantPhase(t, removal.Record, PhaseRevoking)
	w.wantHoldings("one: reader")
	view := w.look(text, removal.Record, false)
	if view.Status != Revoking {
		t.Errorf("it is %s", view.Status)
	}
	removal, err = w.runWith(map[string]string{"one": "three", "old": "one"}).Revoke(t.Context(), removal.Record, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
}
