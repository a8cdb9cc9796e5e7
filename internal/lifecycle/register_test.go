package lifecycle

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (w *world) count(chain string) int {
	w.t.Helper()
	read, err := w.book.Read(w.t.Context(), chain)
	must(w.t, err)
	return len(read.Entries)
}

// What is on record already is not recorded again; what is asked again after
// it was taken back, or in other words, is.
func TestRecordRequestOnce(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	text, chain, e := textOf(t, r), ledger.ApprovalChain(r.Approval), w.run(nil)
	ask := func(why string) { must(t, e.RecordRequest(t.Context(), text, why, Signed{})) }
	steps := []struct {
		do   func()
		want int
	}{
		{func() { ask("CHG-1") }, 1},
		{func() { ask("CHG-1") }, 1},
		{func() { ask("CHG-2") }, 2},
		{func() { must(t, e.TakeBack(t.Context(), text)) }, 3},
		{func() { must(t, e.TakeBack(t.Context(), text)) }, 3},
		{func() { ask("CHG-2") }, 4},
	}
	for i, step := range steps {
		step.do()
		if got := w.count(chain); got != step.want {
			t.Fatalf("after step %d there are %d entries, want %d", i+1, got, step.want)
		}
	}
	r.Ledger = "ffffffffffffffffffffffffffffffff"
	wantError(t, e.RecordRequest(t.Context(), textOf(t, r), "CHG-1", Signed{}), nhi.ErrInvalid)
}

// Somebody who writes at the same moment costs nobody their request.
func TestRecordRequestBesideOthers(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	text, chain := textOf(t, r), ledger.ApprovalChain(r.Approval)
	l := &life{}
	l.before = func(string) {
		l.before = nil
		w.record(chain, ledger.RequestBody{Text: text, Justification: "another run"})
	}
	must(t, w.run(l).RecordRequest(t.Context(), text, "CHG-1", Signed{}))
	if got := w.count(chain); got != 2 {
		t.Errorf("%d entries", got)
	}
}

func TestRecordIdentity(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	chain := ledger.IdentityChain(r.Identity())
	w.identify(r, nhi.IdentityActive, noon.Add(time.Hour))
	w.identify(r, nhi.IdentityActive, noon.Add(time.Hour))
	if got := w.count(chain); got != 1 {
		t.Errorf("%d entries", got)
	}
	w.identify(r, nhi.IdentityDeleted, noon.Add(time.Hour))
	if _, known, err := w.run(nil).Identity(t.Context(), r.Identity()); known || err != nil {
		t.Errorf("known %t, %v", known, err)
	}
}

// What is spooled of an identity's end is on record once the ledger is back.
func TestSpooledIdentity(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	w.active(r)
	identity := nhi.Identity{ID: r.Identity(), Owner: r.Owner, Purpose: r.Purpose, Kind: r.Kind, Status: nhi.IdentityDeleted}
	must(t, w.run(&life{down: true}).SpoolIdentity(w.book.ID(), identity))
	must(t, w.run(nil).Flush(t.Context()))
	if view := w.look(textOf(t, r), Record{Grant: r.Approval}, true); view.Status != Ended {
		t.Errorf("the view says %s", view.Status)
	}
}

func TestLiveGrants(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	_, record := w.active(r)
	near := r // an identity whose name starts alike
	near.Approval = nhi.ApprovalID(string(r.Identity()) + "-2:default")
	live, err := w.run(nil).LiveGrants(t.Context(), r.Identity())
	if err != nil || len(live) != 1 || live[0] != r.Approval {
		t.Errorf("live = %v, %v", live, err)
	}
	live, err = w.run(nil).LiveGrants(t.Context(), near.Identity())
	if err != nil || len(live) != 0 {
		t.Errorf("live = %v, %v", live, err)
	}
	w.systems["one"].trip("revoke", fails, 1)
	_, err = w.run(nil).Revoke(t.Context(), record, "test")
	wantError(t, err, nhi.ErrUnconfirmed)
	if live, _ = w.run(nil).LiveGrants(t.Context(), r.Identity()); len(live) != 1 {
		t.Errorf("a removal that is open is not live: %v", live)
	}
	_, err = w.run(nil).Revoke(t.Context(), record, "test")
	must(t, err)
	if live, _ = w.run(nil).LiveGrants(t.Context(), r.Identity()); len(live) != 0 {
		t.Errorf("live = %v", live)
	}
}

func TestPins(t *testing.T) {
	good := nhi.DigestOf("root")
	t.Setenv(TrustRootVariable, "# a comment\n"+string(good)+" # ours\n")
	if pins, err := Pins(); err != nil || len(pins) != 1 || pins[0] != good {
		t.Errorf("pins = %v, %v", pins, err)
	}
	for _, bad := range []string{"nonsense", "# nothing\n", string(good) + "\nnonsense"} {
		t.Setenv(TrustRootVariable, bad)
		if pins, err := Pins(); err == nil {
			t.Errorf("%q gives %v", bad, pins)
		}
	}
	t.Setenv(TrustRootVariable, "")
	t.Setenv("HOME", t.TempDir())
	if _, err := Pins(); err == nil {
		t.Skip("this machine pins a root in /etc/nhi")
	}
}
