package lifecycle

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

const hallHost = "hall.example.com"

// hall is a channel on which one account has said yes to one request.
type hall struct {
	account string // empty for nobody
	request nhi.Digest
	at      time.Time
	asked   []nhi.Digest
	asking  func() // called while it is asked; nil for nothing
}

// Ask implements channel.Channel.
func (h *hall) Ask(_ context.Context, q channel.Question) (channel.Yes, error) {
	h.asked = append(h.asked, q.Request)
	if h.asking != nil {
		h.asking()
	}
	if h.account == "" || q.Request != h.request {
		return channel.Yes{}, errors.New("nobody confirmed this run")
	}
	return channel.Yes{Account: channel.Account{ID: h.account, Name: h.account}, Run: "run-1", URL: "https://hall.example.com/run-1", At: h.at,
		Others: []channel.Other{{Account: channel.Account{ID: "user-eve", Name: "eve"}, Role: "created the run"}}}, nil
}

// confirmable lets ana, ben and eve confirm runs: two of security are needed.
func (w *world) confirmable(version int) {
	w.t.Helper()
	account := func(name string) (string, string) {
		head := `approver "` + name + `@example.com" {`
		return head, head + "\n  account \"hall.example.com\" { ids = [\"user-" + name + "\"] }"
	}
	edits := []string{`quorum "security" { count = 1 }`, "quorum \"security\" {\n    count = 2\n    run_confirmation = true\n  }"}
	for _, name := range []string{"ana", "ben", "eve"} {
		before, after := account(name)
		edits = append(edits, before, after)
	}
	w.policy(version, edits...)
}

// runIn is a new run in which the hall can be asked.
func (w *world) runIn(h *hall) *Engine {
	w.t.Helper()
	e := w.run(nil)
	open, errs := channel.NewOpen(channel.Kind{
		Name: "hall", Host: func(setting.Settings) (string, error) { return hallHost, nil },
		Open: func(setting.Settings, channel.Options) (channel.Channel, error) { return h, nil },
	}, nhi.Values{}, channel.Options{})
	must(w.t, errors.Join(errs...))
	e.Channels = []*channel.Open{open}
	return e
}

func TestAConfirmedRunActivates(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.confirmable(2)
	text := w.approved(w.three()) // by ana: one of two
	h := &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
	standing, err := w.runIn(h).Standing(t.Context(), text)
	must(t, err)
	if want := []string{"ben@example.com"}; !slices.Equal(standing.Verdict.Confirmers, want) || len(h.asked) > 0 {
		t.Errorf("confirmers are %q, want %q; a plan asked %d times", standing.Verdict.Confirmers, want, len(h.asked))
	}
	here, err := w.runIn(h).StandingHere(t.Context(), text)
	must(t, err)
	if !here.Approved() || here.Verdict.ConfirmedBy != "ben@example.com" {
		t.Errorf("%s, confirmed by %q", here.Status, here.Verdict.ConfirmedBy)
	}
	record, err := w.runIn(h).Activate(t.Context(), Ask{Text: text}, Record{})
	must(t, err)
	wantPhase(t, record, PhaseActive)
	w.wantThree()
	chain, err := w.book.Read(t.Context(), ledger.ApprovalChain(record.Grant))
	must(t, err)
	body, _ := RecordedConfirmation(chain, nhi.DigestOf(text))
	want := ledger.ConfirmationBody{Request: nhi.DigestOf(text), Channel: "hall", Person: "ben@example.com",
		Account: ledger.Account{Host: hallHost, ID: "user-ben", Name: "user-ben"}, Run: "run-1", URL: "https://hall.example.com/run-1", At: w.clock()}
	if body.Person != want.Person || body.Account != want.Account || body.URL != want.URL || !body.At.Equal(want.At) || body.Channel != want.Channel {
		t.Errorf("the ledger says %+v, want %+v", body, want)
	}
	intent := record.Heads[chain.Name]
	if intent.Seq != chain.Head().Seq {
		t.Errorf("the intent rests on entry %d of the approval, and the confirmation is entry %d", intent.Seq, chain.Head().Seq)
	}
}

// What was used by a confirmation is spent: it asks nobody, and neither its
// record nor the same confirmation again gives anything.
func TestAConfirmationCountsOnce(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.confirmable(2)
	text := w.approved(w.three())
	h := &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
	record, err := w.runIn(h).Activate(t.Context(), Ask{Text: text}, Record{})
	must(t, err)
	standing, err := w.run(nil).Standing(t.Context(), text)
	must(t, err)
	if standing.Status != Spent || len(standing.Verdict.Confirmers) > 0 || !slices.Contains(standing.Verdict.ApprovedBy, "ben@example.com") {
		t.Errorf("%s, confirmers %q, approved by %q", standing.Status, standing.Verdict.Confirmers, standing.Verdict.ApprovedBy)
	}
	if view := w.look(text, record, true); view.Step != Rest || view.Status != Active {
		t.Errorf("a live grant is %s, to %s", view.Status, view.Step)
	}
	removal, err := w.run(nil).Revoke(t.Context(), record, ReasonDestroyed)
	must(t, err)
	for name, e := range map[string]*Engine{"the record": w.run(nil), "the same confirmation": w.runIn(h)} {
		if _, err := e.Activate(t.Context(), Ask{Text: text}, removal.Record); !errors.Is(err, nhi.ErrSpent) {
			t.Errorf("%s: %v, want it to be spent", name, err)
		}
	}
	w.wantHoldings()
}

// A record of a confirmation is testimony: without a live one it is no yes.
func TestARecordedConfirmationIsNoYes(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.confirmable(2)
	text := w.approved(w.three())
	request, err := nhi.ParseRequest(text)
	must(t, err)
	w.record(ledger.ApprovalChain(request.Approval), ledger.ConfirmationBody{Request: nhi.DigestOf(text), Channel: "hall", Person: "ben@example.com",
		Account: ledger.Account{Host: hallHost, ID: "user-ben", Name: "ben"}, Run: "run-1", URL: "https://hall.example.com/run-1", At: w.clock()})
	for _, e := range []*Engine{w.run(nil), w.runIn(&hall{})} {
		if _, err := e.Activate(t.Context(), Ask{Text: text}, Record{}); !errors.Is(err, nhi.ErrNotApproved) {
			t.Errorf("%v, want it not to be approved", err)
		}
	}
	w.wantHoldings()
}

func TestWhatNoConfirmationGives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hall  func(w *world, text string) *hall
		words string
	}{
		"nobody": {func(*world, string) *hall { return &hall{} }, "nobody confirmed this run"},
		"another request": {func(w *world, _ string) *hall {
			return &hall{account: "user-ben", request: nhi.DigestOf("x"), at: w.clock()}
		}, "nobody confirmed this run"},
		"who approved": {func(w *world, text string) *hall {
			return &hall{account: "user-ana", request: nhi.DigestOf(text), at: w.clock()}
		}, "1 approved (ana@example.com)"},
		"who asked": {func(w *world, text string) *hall {
			return &hall{account: "user-eve", request: nhi.DigestOf(text), at: w.clock()}
		}, "eve@example.com also created the run"},
		"a stranger": {func(w *world, text string) *hall {
			return &hall{account: "user-mallory", request: nhi.DigestOf(text), at: w.clock()}
		}, "nobody's in the policy"},
		"a withdrawn yes": {func(w *world, text string) *hall {
			w.sign("ben", nhi.VerdictWithdraw, text)
			return &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
		}, "took an approval back"},
		"a no of another's": {func(w *world, text string) *hall {
			w.sign("ben", nhi.VerdictDeny, text)
			return &hall{account: "user-ana", request: nhi.DigestOf(text), at: w.clock()}
		}, "ben@example.com said no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			w.confirmable(2)
			text := w.approved(w.three())
			_, err := w.runIn(c.hall(w, text)).Activate(t.Context(), Ask{Text: text}, Record{})
			if !errors.Is(err, nhi.ErrNotApproved) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want %q", err, c.words)
			}
			w.wantHoldings()
		})
	}
}

// What happens while the channel is asked is not overlooked: the chains are
// read again behind the intent.
func TestAWithdrawalWhileTheChannelIsAsked(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.confirmable(2)
	text := w.approved(w.three())
	h := &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
	h.asking = func() {
		h.asking = nil
		w.sign("ana", nhi.VerdictWithdraw, text)
	}
	if _, err := w.runIn(h).Activate(t.Context(), Ask{Text: text}, Record{}); !errors.Is(err, ErrOvertaken) {
		t.Errorf("%v, want it to be overtaken", err)
	}
	w.wantHoldings()
}

// Where the policy does not say that confirmations count, and where nothing is
// missing, no channel is asked.
func TestChannelsAreAskedForWhatIsMissingAlone(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.ask(w.three())
	h := &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
	standing, err := w.runIn(h).StandingHere(t.Context(), text)
	must(t, err)
	if standing.Status != policy.StatusPending || len(h.asked) > 0 {
		t.Errorf("%s, asked %d times", standing.Status, len(h.asked))
	}
	w.confirmable(2)
	w.sign("ana", nhi.VerdictApprove, text)
	w.sign("ben", nhi.VerdictApprove, text)
	standing, err = w.runIn(h).StandingHere(t.Context(), text)
	must(t, err)
	if !standing.Approved() || len(h.asked) > 0 {
		t.Errorf("%s, asked %d times", standing.Status, len(h.asked))
	}
}

// A confirmation saw no account that is to be taken over.
func TestAConfirmationTakesNothingOver(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	w.confirmable(2)
	w.systems["one"].objects["legacy"] = &object{id: "7", enabled: true, privileges: []string{"reader"}}
	text := w.ask(w.request(environment, adopting("one", "legacy", "disable", "reader")))
	must(t, w.run(nil).Observe(t.Context(), text))
	w.sign("ana", nhi.VerdictApprove, text)
	h := &hall{account: "user-ben", request: nhi.DigestOf(text), at: w.clock()}
	if _, err := w.runIn(h).Activate(t.Context(), Ask{Text: text}, Record{}); !errors.Is(err, nhi.ErrNotApproved) {
		t.Errorf("%v, want it not to be approved", err)
	}
	w.sign("ben", nhi.VerdictApprove, text) // who signs has seen it
	if standing, err := w.run(nil).Standing(t.Context(), text); err != nil || !standing.Approved() {
		t.Errorf("two signatures: %s %v", standing.Status, err)
	}
}
