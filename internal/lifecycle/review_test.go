package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// emergency is a world whose rule for production asks for a review within two
// hours, with a grant that is active under it: ana approved, eve asked.
func emergency(t *testing.T) (w *world, text string, record Record) {
	t.Helper()
	w = newMemoryWorld(t)
	w.policy(2, "max_ttl      = \"720h\"", "max_ttl = \"720h\"\nreview \"security\" {\n count = 1\n within = \"2h\"\n}")
	text, record = w.active(w.three())
	return w, text, record
}

func (w *world) reviews(who, text string) nhi.SignedDecision {
	w.t.Helper()
	return w.word(who, nhi.VerdictReview, text, ledger.GrantChain(w.three().Approval))
}

// A missing review is told, and after its time the access has ended for every
// verb: a plan revokes, a sweep revokes, no credential is issued, and nothing
// more is activated.
func TestMissingReviewEndsAccess(t *testing.T) {
	t.Parallel()
	w, text, record := emergency(t)
	view := w.look(text, record, true)
	if view.Status != Active || len(view.Standing.Review.Missing()) != 1 {
		t.Fatalf("before its time: %s, %+v", view.Status, view.Standing.Review)
	}
	w.pass(2*time.Hour - time.Second)
	if view = w.look(text, record, true); view.Status != Active {
		t.Errorf("a second before: %s", view.Status)
	}
	if swept := w.sweep(SweepOptions{}); len(swept) != 0 {
		t.Errorf("swept %+v", swept)
	}
	lease := Lease{record.Grant, record.Activation}
	_, err := w.run(nil).Issue(t.Context(), lease, "two", time.Hour, nil)
	must(t, err)

	w.pass(time.Second)
	view = w.look(text, record, true)
	if view.Status != Ended || view.Step != Revoke || !strings.Contains(view.Findings[0], "lacks a review by 1 of security") {
		t.Errorf("after its time: %s %s %q", view.Status, view.Step, view.Findings)
	}
	_, err = w.run(nil).Issue(t.Context(), lease, "two", time.Hour, nil)
	wantError(t, err, nhi.ErrEnded)
	again := w.three()
	again.Term = 2
	next := w.approved(again)
	_, err = w.run(nil).Activate(t.Context(), Ask{Text: next}, record)
	wantError(t, err, nhi.ErrNotApproved)
	if swept := w.sweep(SweepOptions{Revoke: true}); len(swept) != 1 || !swept[0].Done || !strings.Contains(swept[0].Why, "review") {
		t.Errorf("swept %+v", swept)
	}
	w.wantHoldings()

	// Also after the end it is missing, until somebody makes it.
	if view = w.look(next, record, false); view.Standing.Status != policy.StatusPending {
		t.Errorf("the next term is %s", view.Standing.Status)
	}
	_, err = w.run(nil).RecordReview(t.Context(), record.Grant, w.reviews("ben", text))
	must(t, err)
	w.activate(next)
}

func TestReviewKeepsAccess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who  string
		want Status
	}{
		"ben": {"ben", Active}, "ana, who approved": {"ana", Ended}, "eve, who asked": {"eve", Ended},
	} {
		w, text, record := emergency(t)
		_, err := w.run(nil).RecordReview(t.Context(), record.Grant, w.reviews(c.who, text))
		must(t, err)
		w.pass(3 * time.Hour)
		if view := w.look(text, record, true); view.Status != c.want {
			t.Errorf("%s: %s, want %s: %q", name, view.Status, c.want, view.Standing.Review.Reasons)
		}
	}
}

// Whoever confirmed the run that activated it approved it: they review nothing of
// it, and neither does who asked by that run.
func TestWhoConfirmedNeverReviews(t *testing.T) {
	t.Parallel()
	for who, want := range map[string]Status{"ana": Active, "ben": Ended} {
		w := newMemoryWorld(t)
		w.policy(2, `quorum "security" { count = 1 }`, "quorum \"security\" {\n count = 1\n run_confirmation = true\n}\nreview \"security\" {\n count = 1\n within = \"2h\"\n}",
			`approver "ben@example.com" {`, "approver \"ben@example.com\" {\n account \"hall.example.com\" { ids = [\"user-ben\"] }")
		text := w.ask(w.three())
		h := &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
		record, err := w.runIn(h).Activate(t.Context(), Ask{Text: text}, Record{})
		must(t, err)
		_, err = w.run(nil).RecordReview(t.Context(), record.Grant, w.reviews(who, text))
		must(t, err)
		w.pass(3 * time.Hour)
		if view := w.look(text, record, true); view.Status != want {
			t.Errorf("reviewed by %s: %s, want %s: %q", who, view.Status, want, view.Standing.Review.Reasons)
		}
	}
}

// A review of one activation is none of the next.
func TestReviewIsOfOneActivation(t *testing.T) {
	t.Parallel()
	w, text, record := emergency(t)
	first := w.reviews("ben", text)
	w.record(ledger.GrantChain(record.Grant), ledger.DecisionBody{SignedDecision: first})
	again := w.three()
	again.Term = 2
	next := w.approved(again)
	record = w.activate(next)
	w.record(ledger.GrantChain(record.Grant), ledger.DecisionBody{SignedDecision: first})
	w.pass(2 * time.Hour)
	if view := w.look(next, record, true); view.Status != Ended {
		t.Errorf("reviewed by what was signed before it: %s", view.Status)
	}
	wrong := w.decide("ben", nhi.VerdictApprove, next)
	_, err := w.run(nil).RecordReview(t.Context(), record.Grant, wrong)
	wantError(t, err, nhi.ErrInvalid)
}
