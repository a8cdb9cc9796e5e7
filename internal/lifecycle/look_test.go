package lifecycle

import (
	"errors"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (w *world) damageGrant(record Record) {
	w.t.Helper()
	keys, err := w.memory.List(w.t.Context(), ledger.GrantChain(record.Grant)+"/")
	must(w.t, err)
	w.memory.Set(keys[1], []byte("{}"))
}

func TestLook(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		happen func(w *world, record Record)
		status Status
		step   Step
	}{
		"active":         {func(*world, Record) {}, Active, Rest},
		"expired":        {func(w *world, _ Record) { w.pass(24 * time.Hour) }, Expired, Revoke},
		"blocked":        {func(w *world, r Record) { w.record(ledger.GrantChain(r.Grant), ledger.BlockBody{By: "ben"}) }, Ended, Revoke},
		"identity ended": {func(w *world, _ Record) { w.identify(w.three(), nhi.IdentityDisabled, time.Time{}) }, Ended, Revoke},
		"identity ended, and the policy is gone": {func(w *world, _ Record) {
			w.identify(w.three(), nhi.IdentityDisabled, time.Time{})
			w.writePolicy("nonsense", "root")
		}, Ended, Revoke},
		"expired, and the policy is gone":  {func(w *world, _ Record) { w.pass(24 * time.Hour); w.writePolicy("nonsense", "root") }, Expired, Revoke},
		"expired, and the chain is broken": {func(w *world, r Record) { w.pass(24 * time.Hour); w.damageGrant(r) }, Expired, Revoke},
		"the chain is broken":              {func(w *world, r Record) { w.damageGrant(r) }, Active, Rest},
		"identity ended, and the chain is broken": {func(w *world, r Record) {
			w.identify(w.three(), nhi.IdentityDisabled, time.Time{})
			w.damageGrant(r)
		}, Ended, Revoke},
		"revoked elsewhere": {func(w *world, r Record) {
			_, err := w.run(nil).Revoke(w.t.Context(), r, "test")
			must(w.t, err)
		}, Ended, Revoke},
		"target unreachable": {func(w *world, _ Record) { w.systems["two"].trip("read", fails, -1) }, Active, Rest},
		"target holds others": {func(w *world, _ Record) {
			w.systems["two"].change(func(o map[string]*object) {
				for _, one := range o {
					one.mark = "theirs"
				}
			})
		}, Drifted, Repair},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, record := w.active(w.three())
			c.happen(w, record)
			before := len(w.log.having("write", "prepare", "enable", "revoke"))
			view := w.look(text, record, true)
			if view.Status != c.status || view.Step != c.step || !view.Certain {
				t.Errorf("the view says %s, %s, certain %t, %v", view.Status, view.Step, view.Certain, view.Warnings)
			}
			if after := len(w.log.having("write", "prepare", "enable", "revoke")); after != before {
				t.Errorf("looking changed something: %q", w.log.all()[before:])
			}
			if view.Record.Head.Seq < record.Head.Seq {
				t.Errorf("the view forgets the head that was seen: %v after %v", view.Record.Head, record.Head)
			}
		})
	}
}

// Where the ledger is away, nothing is concluded and nothing is forgotten.
func TestLookWithoutLedger(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	w.pass(48 * time.Hour)
	e := w.run(&life{down: true})
	view := e.Look(t.Context(), text, record, Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, true)
	if view.Certain || len(view.Warnings) == 0 || view.Record.Head != record.Head || len(view.Record.Targets) != 3 {
		t.Errorf("view = %+v", view)
	}
}

// Where the ledger is away and has a clock of its own, a term has ended when the
// targets say so: all that answer, and at least one. This machine has no say.
func TestLookByTheTargetsTime(t *testing.T) {
	t.Parallel()
	before := func(w *world) time.Time { return w.now.Add(-time.Hour) }
	after := func(w *world) time.Time { return w.now.Add(48 * time.Hour) }
	for name, c := range map[string]struct {
		told []func(*world) time.Time // by each system; nil for no answer
		want Status
	}{
		"all say that it has ended":   {[]func(*world) time.Time{after, after, after}, Expired},
		"one says so, others nothing": {[]func(*world) time.Time{nil, after, nil}, Expired},
		"one says that it has not":    {[]func(*world) time.Time{after, before, after}, ""},
		"nobody says anything":        {[]func(*world) time.Time{nil, nil, nil}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, record := w.active(w.three())
			for i, name := range []string{"one", "two", "three"} {
				if told := c.told[i]; told != nil {
					at := told(w)
					w.systems[name].clock = func() time.Time { return at }
				}
			}
			w.pass(48 * time.Hour) // by itself it ends nothing
			e := w.run(&life{down: true})
			view := e.Look(t.Context(), text, record, Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, true)
			if view.Status != c.want || view.Certain != (c.want == Expired) {
				t.Fatalf("the view says %q, %s, certain %t, %v", view.Status, view.Step, view.Certain, view.Warnings)
			}
			if c.want == "" {
				return
			}
			removal, err := e.Revoke(t.Context(), record, "expired")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
			w.wantHoldings()
		})
	}
}

// A state that was lost finds its grant active, and adopts it as it is.
func TestLookAfterStateLoss(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	view := w.look(text, Record{Grant: record.Grant}, false)
	if view.Status != Approved || view.Step != Adopt {
		t.Errorf("the view says %s, %s", view.Status, view.Step)
	}
	recalled, err := w.run(nil).Record(t.Context(), record.Grant)
	must(t, err)
	if len(recalled.Targets) != 3 || recalled.Ledger != w.book.ID() {
		t.Errorf("recalled %+v", recalled)
	}
}

// A ledger that is another one is not believed: neither that a grant is gone,
// nor that it may be given.
func TestLookAtAnotherLedger(t *testing.T) {
	t.Parallel()
	w, other := newMemoryWorld(t), newMemoryWorld(t)
	text, record := w.active(w.three())
	e := w.run(nil)
	e.OpenLedger = other.run(nil).OpenLedger
	view := e.Look(t.Context(), text, record, Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, true)
	if view.Step != Rest || len(view.Warnings) == 0 || !errors.Is(view.Warnings[0], ErrShortened) {
		t.Errorf("the view says %s, %s, %v", view.Status, view.Step, view.Warnings)
	}
	_, err := e.Activate(t.Context(), Ask{Text: text}, record)
	if err == nil {
		t.Error("activated")
	}
	w.wantThree()
}
