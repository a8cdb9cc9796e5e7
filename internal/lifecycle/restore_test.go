package lifecycle

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// restore puts a copy of the ledger in its place, as an operator does with a
// back-up.
func (w *world) restore(backup *storetest.Memory) {
	w.t.Helper()
	w.memory = backup.Copy()
	w.memory.SetClock(w.clock)
	w.store = w.memory
	book, err := ledger.Open(w.t.Context(), &runStore{Store: w.store, life: &life{}, log: &journal{}}, "test")
	must(w.t, err)
	w.book = book
}

// rebase signs a base over the ledger as it is.
func (w *world) rebase(signers ...string) {
	w.t.Helper()
	e := w.run(nil)
	text, err := e.DraftBase(w.t.Context(), "the disk was lost")
	must(w.t, err)
	_, err = e.Rebase(w.t.Context(), text, sealed(w.t, signature.NamespaceBase, text, signers...))
	must(w.t, err)
}

func warned(view View, want error) bool {
	return slices.ContainsFunc(view.Warnings, func(err error) bool { return errors.Is(err, want) })
}

// A grant that was in force at the back-up goes on after the base; without one,
// nothing is concluded and nothing is given.
func TestRestoredLedger(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, _ := w.active(w.three())
	backup := w.memory.Copy()
	w.pass(time.Minute)
	w.record(ledger.GrantChain(etlGrant), ledger.HolderBody{Holder: "x", Activation: 1})
	known := w.look(text, Record{Grant: etlGrant}, true).Record
	w.restore(backup)

	view := w.look(text, known, true)
	if !warned(view, ErrShortened) || warned(view, ErrRestored) || !strings.Contains(view.Warnings[0].Error(), "ends with entry") {
		t.Errorf("before the base: %v", view.Warnings)
	}
	_, err := w.run(nil).Repair(t.Context(), known)
	wantError(t, err, ErrShortened)

	w.pass(time.Minute)
	w.rebase("root")
	view = w.look(text, known, true)
	if !warned(view, ErrRestored) || warned(view, ErrShortened) || view.Status != Active || view.Record.Base != 1 {
		t.Errorf("after the base: %s, base %d, %v", view.Status, view.Record.Base, view.Warnings)
	}
	if again := w.look(text, view.Record, true); len(again.Warnings) > 0 || again.Status != Active {
		t.Errorf("the next look: %s, %v", again.Status, again.Warnings)
	}
	if _, err := w.run(nil).Repair(t.Context(), known); err != nil {
		t.Errorf("a repair after the base: %v", err)
	}

	// It is excused once: what is cut after that is noticed again.
	seen := w.look(text, view.Record, true).Record
	w.restore(backup)
	w.rebase("root") // the same number again, by a copy of the same back-up
	if view := w.look(text, seen, true); !warned(view, ErrShortened) || warned(view, ErrRestored) {
		t.Errorf("cut after the base: %v", view.Warnings)
	}
	removal, err := w.run(nil).Revoke(t.Context(), seen, "test")
	must(t, err)
	wantPhase(t, removal.Record, PhaseRevoked)
	w.wantHoldings()
}

const etlGrant = nhi.ApprovalID(environment + "/" + scope + "/orders-etl:default")

// An approval that may have been used after the back-up gives nothing new; one
// that is signed after the base does.
func TestRestoredLedgerCannotReplayApprovals(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	backup := w.memory.Copy()
	w.pass(time.Minute)
	known := w.activate(text)
	removal, err := w.run(nil).Revoke(t.Context(), known, "test")
	must(t, err)
	w.wantHoldings()
	w.restore(backup) // which holds the approval, and no use of it
	w.rebase("root")
	for name, remembered := range map[string]Record{"remembered": removal.Record, "state lost": {Grant: etlGrant}} {
		_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, remembered)
		if !errors.Is(err, nhi.ErrNotApproved) || !strings.Contains(err.Error(), "before the ledger was restored from a back-up") {
			t.Errorf("%s: the used approval gives access again: %v", name, err)
		}
	}
	w.wantHoldings()
	w.pass(time.Minute)
	w.sign("ana", nhi.VerdictApprove, text)
	_, err = w.run(nil).Activate(t.Context(), Ask{Text: text}, removal.Record)
	must(t, err)
	w.wantThree()
}

// What was given or removed after the back-up is not what the restored ledger
// says: it is taken away first, and no account is forgotten.
func TestRestoredLedgerKnowsLess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after func(w *world, text string) Record // the back-up
		live          bool
		words         string
	}{
		"given after it": {func(*world, string) Record { return Record{} },
			func(w *world, text string) Record { return w.activate(text) }, true, "it was given after the back-up"},
		"removed after it": {func(w *world, text string) Record { return w.activate(text) },
			func(w *world, _ string) Record {
				removal, err := w.run(nil).Revoke(w.t.Context(), w.fold(textOf(w.t, w.three())), "test")
				must(w.t, err)
				return removal.Record
			}, false, "it was removed after the back-up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			c.before(w, text)
			backup := w.memory.Copy()
			w.pass(time.Minute)
			known := c.after(w, text)
			w.restore(backup)
			w.rebase("root")
			for range 2 { // as a plan and the refresh of an apply do
				view := w.look(text, known, c.live)
				if view.Step != Revoke || !strings.Contains(strings.Join(view.Findings, ";"), c.words) {
					t.Errorf("%s, %q, %v", view.Step, view.Findings, view.Warnings)
				}
				known = view.Record
			}
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, known)
			wantError(t, err, ErrShortened)
			removal, err := w.run(nil).Revoke(t.Context(), known, "test")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
			if removal.Away != nil || removal.Record.Base != 1 {
				t.Errorf("base %d, %v", removal.Record.Base, removal.Away)
			}
			w.wantHoldings()
			w.known(text)
			if view := w.look(text, removal.Record, false); view.Step != Rest || len(view.Warnings) > 0 {
				t.Errorf("afterwards: %s, %v", view.Step, view.Warnings)
			}
		})
	}
}

// A base that is not signed by the threshold, or was signed for something else,
// changes nothing: neither is the cut excused, nor are approvals taken away.
func TestBaseThatCountsForNothing(t *testing.T) {
	t.Parallel()
	put := func(w *world, base nhi.Base, namespace string, signers ...string) {
		text, err := base.Text()
		must(w.t, err)
		w.record(ledger.RootChain, ledger.BaseBody{Base: text, Signatures: sealed(w.t, namespace, text, signers...)})
	}
	for name, forge := range map[string]func(w *world, base nhi.Base){
		"unsigned":          func(w *world, base nhi.Base) { put(w, base, signature.NamespaceBase) },
		"by an approver":    func(w *world, base nhi.Base) { put(w, base, signature.NamespaceBase, "ana") },
		"with a stranger":   func(w *world, base nhi.Base) { put(w, base, signature.NamespaceBase, "root", "mal") },
		"another namespace": func(w *world, base nhi.Base) { put(w, base, signature.NamespacePolicy, "root") },
		"another ledger": func(w *world, base nhi.Base) {
			base.Ledger = strings.Repeat("0", 32)
			put(w, base, signature.NamespaceBase, "root")
		},
		"another root chain": func(w *world, base nhi.Base) {
			base.Root.Hash = nhi.DigestOf("x")
			put(w, base, signature.NamespaceBase, "root")
		},
		"of a longer chain": func(w *world, base nhi.Base) { base.Root.Seq = 7; put(w, base, signature.NamespaceBase, "root") },
		"no text of a base": func(w *world, _ nhi.Base) { w.record(ledger.RootChain, ledger.BaseBody{Base: "nhi base 1\n"}) },
		"signed another text": func(w *world, base nhi.Base) {
			text, err := base.Text()
			must(w.t, err)
			blocks := sealed(w.t, signature.NamespaceBase, text, "root")
			base.Reason = "another reason"
			other, err := base.Text()
			must(w.t, err)
			w.record(ledger.RootChain, ledger.BaseBody{Base: other, Signatures: blocks})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.ask(w.three())
			backup := w.memory.Copy()
			w.pass(time.Minute)
			w.sign("ana", nhi.VerdictApprove, text)
			known := w.activate(text)
			w.restore(backup)
			w.sign("ana", nhi.VerdictApprove, text)
			w.pass(time.Minute)
			draft, err := w.run(nil).DraftBase(t.Context(), "forged")
			must(t, err)
			base, err := nhi.ParseBase(draft)
			must(t, err)
			forge(w, base)
			trust, err := w.run(nil).Trust()
			must(t, err)
			if trust.Base.Number != 0 || trust.Ignored[2] == "" {
				t.Errorf("base %d, ignored %v", trust.Base.Number, trust.Ignored)
			}
			if view := w.look(text, known, true); !warned(view, ErrShortened) {
				t.Errorf("the look warns of %v", view.Warnings)
			}
			other := w.approved(w.request("sandbox", access("one", "reader")))
			w.activate(other)
			standing, err := w.run(nil).Standing(t.Context(), text)
			must(t, err)
			if !standing.Approved() {
				t.Errorf("the approval is %s: %v", standing.Status, standing.Verdict.Reasons)
			}
		})
	}
}

// A base is for the record that was signed: one that lacks even that is not
// excused.
func TestBaseIsNoExcuseForLess(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, _ := w.active(w.three())
	backup := w.memory.Copy()
	w.record(ledger.GrantChain(etlGrant), ledger.HolderBody{Holder: "x", Activation: 1})
	known := w.look(text, Record{Grant: etlGrant}, true).Record
	w.restore(backup)
	last := w.fold(text).Head.Seq
	w.rebase("root")
	w.memory.Drop(entryKey(ledger.GrantChain(etlGrant), last))
	if view := w.look(text, known, true); !warned(view, ErrShortened) {
		t.Errorf("the look warns of %v", view.Warnings)
	}

	// Nor is one published that the ledger does not hold any more.
	w.restore(backup)
	draft, err := w.run(nil).DraftBase(t.Context(), "the disk was lost")
	must(t, err)
	w.memory.Drop(entryKey(ledger.GrantChain(etlGrant), last))
	_, err = w.run(nil).Rebase(t.Context(), draft, sealed(t, signature.NamespaceBase, draft, "root"))
	wantError(t, err, ErrShortened)
	_, err = w.run(nil).Rebase(t.Context(), draft, sealed(t, signature.NamespaceBase, draft, "ana"))
	wantError(t, err, nhi.ErrDenied)
	wantRoots(t, w, 1)
}

// A base that a root signed which this machine does not pin takes approvals
// away, and excuses nothing.
func TestBaseOfAnOlderRoot(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, _ := w.active(w.three())
	backup := w.memory.Copy()
	w.record(ledger.GrantChain(etlGrant), ledger.HolderBody{Holder: "x", Activation: 1})
	known := w.look(text, Record{Grant: etlGrant}, true).Record
	w.restore(backup)
	w.rebase("root")
	w.resign("root", "new1")
	next := rootText(t, rootOf(2, 1, "new1"))
	must(t, w.run(nil).Succeed(t.Context(), next, sealed(t, signature.NamespaceRoot, next, "root", "new1")))
	if view := w.look(text, known, true); !warned(view, ErrRestored) || view.Status != Active {
		t.Errorf("where the first root is pinned: %s, %v", view.Status, view.Warnings)
	}
	w.pin = nhi.DigestOf(next)
	if view := w.look(text, known, true); !warned(view, ErrShortened) {
		t.Errorf("where only the newest is pinned: %v", view.Warnings)
	}
	trust, err := w.run(nil).Trust()
	must(t, err)
	if trust.Base.Number != 1 {
		t.Errorf("base %d", trust.Base.Number)
	}
}
