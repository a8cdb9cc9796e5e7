package lifecycle

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// compromise publishes a policy in which ana has a new key, and somebody else
// may have her old one since a time.
func (w *world) compromise(since time.Time) {
	w.t.Helper()
	block := fmt.Sprintf("keys = [%q]\n  compromised %q {\n    since = %q\n  }", keyOf("ana2"), keyOf("ana"), nhi.FormatTime(since))
	w.policy(2, fmt.Sprintf("keys   = [%q]\n  groups = [\"security\"]\n}\napprover \"ben", keyOf("ana")),
		block+"\n  groups = [\"security\"]\n}\napprover \"ben")
	must(w.t, w.run(nil).PublishPolicy(w.t.Context()))
}

// What a compromised key signed is void, whenever it says that it was signed.
func TestCompromisedKeyApprovesNothing(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]time.Duration{"signed before": time.Hour, "signed after": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			w.compromise(noon.Add(since))
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
			if !errors.Is(err, nhi.ErrNotApproved) || !strings.Contains(err.Error(), "it was a key of ana@example.com, and is compromised since 2030-01-10") {
				t.Errorf("the activation is refused with %v", err)
			}
			w.wantHoldings()
			w.pass(time.Second)
			w.sign("ana2", nhi.VerdictApprove, text) // she herself still may
			w.activate(text)
			w.wantThree()
		})
	}
}

// Access in force that needed a decision of a compromised key runs on, and is
// flagged; whoever looks sees whether it was recorded before.
func TestCompromisedKeyFlagsWhatIsActive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since  time.Duration
		before bool
	}{"recorded before": {time.Hour, true}, "recorded after": {-time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, known := w.active(w.three())
			w.compromise(noon.Add(c.since))
			view := w.look(text, known, true)
			if view.Status != Active || len(view.Tainted) != 1 || view.Tainted[0].Before() != c.before {
				t.Fatalf("%s, %+v", view.Status, view.Tainted)
			}
			words := strings.Join(view.Findings, ";")
			when := map[bool]string{true: "before that", false: "after that"}[c.before]
			if !strings.Contains(words, "with the key SHA256:") || !strings.Contains(words, "entry 2") || !strings.HasSuffix(words, when) {
				t.Errorf("findings: %s", words)
			}
			if report := w.run(nil).Report(t.Context(), etlGrant, text); len(report.Tainted) != 1 {
				t.Errorf("the report: %+v", report.Tainted)
			}
			w.wantThree()
			removal, err := w.run(nil).Revoke(t.Context(), known, "the key was stolen")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
		})
	}
}

// A narrower request of the same activation rests on the same decision; one
// that had its quorum without that key does not.
func TestCompromisedKeyThatWasNotNeeded(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.ask(w.three())
	w.sign("ana", nhi.VerdictApprove, text)
	w.sign("ben", nhi.VerdictApprove, text)
	known := w.activate(text)
	w.compromise(noon.Add(-time.Hour))
	if view := w.look(text, known, true); len(view.Tainted) != 0 {
		t.Errorf("it had its quorum without: %v", view.Tainted)
	}

	w = newMemoryWorld(t)
	_, known = w.active(w.three())
	narrow := w.request(environment, access("one", "reader"))
	less := w.ask(narrow)
	known, err := w.run(nil).Activate(t.Context(), Ask{Text: less}, known)
	must(t, err)
	w.compromise(noon.Add(-time.Hour))
	if view := w.look(less, known, true); len(view.Tainted) != 1 {
		t.Errorf("what is left of it rests on the same decision: %v", view.Tainted)
	}
}

// TestForgedDecisions: whatever stands in an approval's chain beside what
// people of the policy signed for it gives nothing, and access is removed.
func TestForgedDecisions(t *testing.T) {
	t.Parallel()
	resealed := func(signed nhi.SignedDecision, namespace, who string) nhi.SignedDecision {
		block, err := signature.Sign(signerOf(who), namespace, signed.List)
		if err != nil {
			panic(err)
		}
		signed.Signature = block
		return signed
	}
	for name, c := range map[string]struct {
		forge func(w *world, text string, good nhi.SignedDecision) nhi.SignedDecision
		words string
	}{
		"its signature stripped": {func(_ *world, _ string, good nhi.SignedDecision) nhi.SignedDecision {
			good.Signature = ""
			return good
		}, "there is no signature"},
		"another's signature": {func(w *world, text string, good nhi.SignedDecision) nhi.SignedDecision {
			good.Signature = w.decide("ana", nhi.VerdictDeny, text).Signature
			return good
		}, "does not match the text"},
		"a text that was not signed": {func(w *world, text string, good nhi.SignedDecision) nhi.SignedDecision {
			w.pass(time.Second)
			good.Text = w.decide("ana", nhi.VerdictApprove, text).Text
			return good
		}, "does not name it"},
		"another namespace": {func(_ *world, _ string, good nhi.SignedDecision) nhi.SignedDecision {
			return resealed(good, signature.NamespaceRequest, "ana")
		}, `signature is for "nhi-request@v1"`},
		"an unknown key": {func(_ *world, _ string, good nhi.SignedDecision) nhi.SignedDecision {
			return resealed(good, signature.NamespaceDecision, "mal")
		}, "belongs to nobody in this policy"},
		"a key that the policy dropped": {func(w *world, _ string, good nhi.SignedDecision) nhi.SignedDecision {
			w.policy(2, keyOf("ana"), keyOf("ana2"))
			return good
		}, "belongs to nobody in this policy"},
		"a key of everybody": {func(w *world, _ string, good nhi.SignedDecision) nhi.SignedDecision {
			w.policy(2, "ana@example.com", "*")
			return good
		}, `must not hold any of *`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			narrow, known := w.active(w.request(environment, access("one", "reader")))
			wide := w.ask(w.three())
			signed := c.forge(w, wide, w.decide("ana", nhi.VerdictApprove, wide))
			w.record(ledger.ApprovalChain(etlGrant), ledger.DecisionBody{SignedDecision: signed})
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: wide}, known)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("it is refused with %v, want %q", err, c.words)
			}
			w.wantHoldings("one: reader")
			removal, err := w.run(nil).Revoke(t.Context(), known, "test")
			must(t, err)
			wantPhase(t, removal.Record, PhaseRevoked)
			w.wantHoldings()
			w.known(narrow)
		})
	}
}
