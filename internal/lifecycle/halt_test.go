package lifecycle

import (
	"errors"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// halt ends a grant now, and wants that to work.
func (w *world) halt(e *Engine, h Halt) Halted {
	w.t.Helper()
	h.By, h.Reason = "unproven: root@host", "incident"
	halted, err := e.Halt(w.t.Context(), h)
	must(w.t, err)
	return halted
}

// lift returns a person's signed lift of the block at the end of a chain.
func (w *world) lift(who, text, chain string) nhi.SignedDecision {
	w.t.Helper()
	return w.word(who, nhi.VerdictLift, text, chain)
}

// word returns a person's signed verdict on what ended or began in a chain.
func (w *world) word(who string, verdict nhi.Verdict, text, chain string) nhi.SignedDecision {
	w.t.Helper()
	read, err := w.book.Read(w.t.Context(), chain)
	must(w.t, err)
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	now := w.clock()
	decided, err := nhi.Decision{
		Verdict: verdict, Justification: "fixed", Requester: "eve@example.com", PolicyVersion: 1, PolicyDigest: nhi.DigestOf("policy"),
		SignedAt: now, ActivateBefore: now.Add(24 * time.Hour), NotAfter: now.Add(24*time.Hour + request.TTL), Head: read.Head(), Request: text,
	}.Text()
	must(w.t, err)
	list, err := nhi.DecisionList([]string{decided})
	must(w.t, err)
	block, err := signature.Sign(signerOf(who), signature.NamespaceDecision, list)
	must(w.t, err)
	return nhi.SignedDecision{Text: decided, List: list, Signature: block}
}

func (w *world) lifts(who, text, chain string) {
	w.t.Helper()
	w.record(chain, ledger.DecisionBody{SignedDecision: w.lift(who, text, chain)})
}

func TestHaltEndsAGrantUntilItIsLifted(t *testing.T) {
	t.Parallel()
	for name, halt := range map[string]Halt{
		"grant":    {Grant: "production/payments/etl/orders-etl:default"},
		"identity": {Identity: "production/payments/etl/orders-etl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, record := w.active(w.three())
			halted := w.halt(w.run(nil), halt)
			w.wantHoldings()
			if halted.Seq == 0 || len(halted.Grants) != 1 || halted.Grants[0].Err != nil || len(halted.Grants[0].Seen) != 3 {
				t.Errorf("halted: %+v", halted)
			}
			view := w.look(text, record, true)
			if view.Status != Ended || view.Step != Revoke || view.Findings[0] != "ended by unproven: root@host: incident" {
				t.Errorf("the plan shows %s, %s, %q", view.Status, view.Step, view.Findings)
			}

			// Another approval is not enough, and neither is a note.
			again := w.three()
			again.Term = 2
			text = w.approved(again)
			w.record(halted.Chain, ledger.LiftBody{By: "eve", Reason: "please"})
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
			wantError(t, err, nhi.ErrEnded)
			// Nor is a lift by the requester, or one of before the block.
			w.lifts("eve", text, halted.Chain)
			_, err = w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
			wantError(t, err, nhi.ErrEnded)
			w.wantHoldings()

			w.lifts("ben", text, halted.Chain)
			record = w.activate(text)
			w.wantThree()
			if record.Blocked != "" || w.look(text, record, true).Status != Active {
				t.Errorf("after the lift: %+v", w.look(text, record, true).Decision)
			}
			_, _, err = w.run(nil).leased(t.Context(), Lease{Grant: record.Grant, Activation: record.Activation})
			must(t, err)

			// What lifted the first block lifts no second one.
			old := w.lift("ben", text, halted.Chain)
			second := w.halt(w.run(nil), halt)
			if second.Seq <= halted.Seq {
				t.Errorf("the second block is entry %d", second.Seq)
			}
			w.record(second.Chain, ledger.DecisionBody{SignedDecision: old})
			third := w.three()
			third.Term = 3
			_, err = w.run(nil).Activate(t.Context(), Ask{Text: w.approved(third)}, Record{})
			wantError(t, err, nhi.ErrEnded)
			w.wantHoldings()
		})
	}
}

func TestTheLiftOfOneGrantLiftsNoOther(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	one, two := w.request(environment, access("one", "reader")), w.request(environment, access("two", "reader"))
	two.Approval = two.Approval[:len(two.Approval)-len("default")] + "second"
	textOne, textTwo := w.approved(one), w.approved(two)
	w.activate(textOne)
	halted := w.halt(w.run(nil), Halt{Identity: one.Identity()})
	w.wantHoldings()
	w.lifts("ben", textTwo, halted.Chain)
	w.activate(textTwo)
	one.Term = 2
	_, err := w.run(nil).Activate(t.Context(), Ask{Text: w.approved(one)}, Record{})
	wantError(t, err, nhi.ErrEnded)
	w.wantHoldings("two: reader")
	identity, known, err := w.run(nil).Identity(t.Context(), one.Identity())
	if err != nil || !known || identity.Status != nhi.IdentityActive {
		t.Errorf("the identity is %+v, %t, %v", identity, known, err)
	}
}

func TestAnIdentityIsDisabledWhileItIsBlocked(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	w.halt(w.run(nil), Halt{Identity: w.three().Identity()})
	identity, known, err := w.run(nil).Identity(t.Context(), w.three().Identity())
	if err != nil || !known || identity.Status != nhi.IdentityDisabled {
		t.Errorf("the identity is %+v, %t, %v", identity, known, err)
	}
}

// Whatever step of an activation a halt falls into, nothing is left, and
// nothing comes back.
func TestHaltDuringAnActivation(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"grant", "identity"} {
		for _, step := range []string{"write intent@1 activate", "prepare two", "write effect@1", "enable one", "probe three", "write verification@1"} {
			t.Run(of+" at "+step, func(t *testing.T) {
				t.Parallel()
				w := newMemoryWorld(t)
				text := w.approved(w.three())
				halt := Halt{Grant: w.three().Approval}
				if of == "identity" {
					halt = Halt{Identity: w.three().Identity()}
				}
				e, done := w.run(nil), false
				lifeOf(e).before = func(name string) {
					if name == step && !done {
						done = true
						w.halt(w.run(nil), halt)
					}
				}
				_, err := e.Activate(t.Context(), Ask{Text: text}, Record{})
				if err == nil || !done {
					t.Errorf("activate: %v, halted %t", err, done)
				}
				w.wantHoldings()
				if record := w.fold(text); record.Phase == PhaseActive || record.holds() {
					t.Errorf("phase %q, %v", record.Phase, record.Targets)
				}
				_, err = w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
				wantError(t, err, nhi.ErrEnded)
			})
		}
	}
}

func TestHaltWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.approved(w.three())
	for _, halt := range []Halt{{Grant: w.three().Approval[:len(w.three().Approval)-1]}, {Identity: "production/payments/etl/orders"}} {
		_, err := w.run(nil).Halt(t.Context(), halt)
		wantError(t, err, nhi.ErrInvalid)
	}
	e := w.run(&life{down: true})
	_, err := e.Halt(t.Context(), Halt{Grant: w.three().Approval})
	wantError(t, err, ErrNoTrustedLedger)
}

func TestHaltOnABrokenChain(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	_, record := w.active(w.three())
	keys, err := w.memory.List(t.Context(), ledger.GrantChain(record.Grant)+"/")
	must(t, err)
	w.memory.Set(keys[len(keys)-1], []byte("{}"))
	halted := w.halt(w.run(nil), Halt{Grant: record.Grant})
	w.wantHoldings()
	if halted.Away == nil {
		t.Error("nothing says that the block is not in the ledger")
	}
	pending, err := ledger.NewSpool(w.path("spool"), w.book.ID()).Pending()
	if err != nil || pending < 2 {
		t.Errorf("%d records wait, %v", pending, err)
	}
}

func TestHaltTwiceIsOneBlock(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	first, second := w.halt(w.run(nil), Halt{Grant: w.three().Approval}), w.halt(w.run(nil), Halt{Grant: w.three().Approval})
	if first.Seq != second.Seq {
		t.Errorf("blocks %d and %d", first.Seq, second.Seq)
	}
}

func TestHaltWhereASystemIsMissing(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, _ := w.active(w.three())
	e := w.run(nil)
	delete(e.Systems.entries, "two")
	halted := w.halt(e, Halt{Grant: w.three().Approval})
	var open *RevokeError
	if !errors.As(halted.Grants[0].Err, &open) || open.Open["two"] == "" || len(open.Open) != 1 {
		t.Errorf("open: %v", halted.Grants[0].Err)
	}
	w.wantHoldings("two: reader")
	_, err := w.run(nil).Revoke(t.Context(), w.fold(text), "later")
	must(t, err)
	w.wantHoldings()
}

// Where the ledger goes away behind the block, nobody can say what a grant
// holds: then it is open, and not done.
func TestHaltBlindIsNotDone(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.active(w.three())
	e := w.run(nil)
	l := lifeOf(e)
	l.after = func(done string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.down = l.down || done == "write block@1"
	}
	halted := w.halt(e, Halt{Grant: w.three().Approval})
	wantError(t, halted.Grants[0].Err, nhi.ErrUnconfirmed)
	w.wantThree()
}

// What was ended by hand is adopted by nobody.
func TestHaltedIsNotAdopted(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	view := w.look(text, Record{Grant: record.Grant}, false)
	w.record(ledger.GrantChain(record.Grant), ledger.BlockBody{By: "ana@example.com", Reason: "incident"})
	_, err := w.run(nil).Adopt(t.Context(), view.Record, "b")
	wantError(t, err, nhi.ErrEnded)
}

// A block that was lifted is not reported as what stands in the way.
func TestLiftedIsNotReported(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.approved(w.three())
	chain := ledger.GrantChain(w.three().Approval)
	w.record(chain, ledger.BlockBody{By: "ana@example.com", Reason: "incident"})
	w.record(chain, ledger.DecisionBody{SignedDecision: w.lift("ana", text, chain)})
	if view := w.run(nil).Report(t.Context(), w.three().Approval, text); view.Status != Approved {
		t.Errorf("the report says %s, %q", view.Status, view.Findings)
	}
}
