package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// heard is a yes to one request that came by a channel in this very run.
type heard struct {
	kind    string
	request nhi.Digest
	channel.Yes
}

// Hosts are the services on which a run of this engine could be confirmed.
func (e *Engine) Hosts() []string {
	hosts := make([]string, 0, len(e.Channels))
	for _, open := range e.Channels {
		hosts = append(hosts, open.Host)
	}
	return hosts
}

// StandingHere is Standing, and where an approval is missing and the policy lets a
// confirmation count, with the yes of whoever confirmed the run that this process
// is the apply of. It is for applies alone. What no channel could say a yes for
// is told by Standing.Unheard, and is no error.
func (e *Engine) StandingHere(ctx context.Context, text string) (Standing, error) {
	standing, err := e.Standing(ctx, text)
	if err != nil {
		return standing, err
	}
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return standing, err
	}
	record, err := e.Record(ctx, request.Approval)
	if err != nil {
		return standing, err
	}
	e.listen(ctx, &standing, request, text, record, nil)
	return standing, nil
}

// listen asks the channels for the yes that is missing, one after the other,
// and judges again with each that there is.
func (e *Engine) listen(ctx context.Context, s *Standing, request nhi.Request, text string, record Record, trigger *string) {
	if s.Status != policy.StatusPending || s.Verdict.HeldBack() || !s.takesConfirmations() {
		return
	}
	for _, open := range e.Channels {
		yes, err := open.Ask(ctx, channel.Question{Request: nhi.DigestOf(text), Now: s.Now})
		if err != nil {
			s.Unheard = append(s.Unheard, why(err))
			continue
		}
		s.heard = &heard{open.Kind, nhi.DigestOf(text), yes}
		e.judge(s, request, text, record, trigger)
		s.reviewed(record)
		if s.Status != policy.StatusPending {
			return
		}
	}
}

// why is the reason of a channel's error, without the words that all end in.
func why(err error) string {
	text, end := err.Error(), ": "+channel.ErrNobody.Error()
	if errors.Is(err, channel.ErrNobody) && len(text) > len(end) && text[len(text)-len(end):] == end {
		return text[:len(text)-len(end)]
	}
	return text
}

// takesConfirmations says whether some rule that decides lets a confirmation count.
func (s *Standing) takesConfirmations() bool {
	return slices.ContainsFunc(s.Verdict.Needs, func(need policy.Need) bool { return need.RunConfirmation })
}

// confirmed is the yes to a request that was heard, as policy sees it; nil where
// none was, also where there is one to another request.
func (s *Standing) confirmed(text string) *policy.Confirmed {
	if s.heard == nil || s.heard.request != nhi.DigestOf(text) {
		return nil
	}
	return confirmedBy(s.heard.body())
}

// body is what the ledger keeps of a yes that was heard.
func (h *heard) body() ledger.ConfirmationBody {
	body := ledger.ConfirmationBody{Request: h.request, Channel: h.kind, Account: accountBody(h.Account), Run: h.Run, URL: h.URL, At: h.At, Unproven: h.Unproven}
	for _, other := range h.Others {
		body.Others = append(body.Others, ledger.Involved{Account: accountBody(other.Account), Role: other.Role, Sole: other.Sole})
	}
	return body
}

func accountBody(a channel.Account) ledger.Account {
	return ledger.Account{Host: a.Host, ID: a.ID, Name: a.Name}
}

func confirmedBy(body ledger.ConfirmationBody) *policy.Confirmed {
	confirmed := &policy.Confirmed{Account: policy.Account{Host: body.Account.Host, ID: body.Account.ID}, Unproven: body.Unproven, Run: body.Run, At: body.At}
	for _, other := range body.Others {
		confirmed.Others = append(confirmed.Others, policy.Other{
			Account: policy.Account{Host: other.Account.Host, ID: other.Account.ID}, Role: other.Role, Sole: other.Sole})
	}
	return confirmed
}

// RecordedConfirmation returns what an approval's chain tells of the last
// confirmation that activated a request. It is testimony: for showing and
// auditing what was done, and never for doing it.
func RecordedConfirmation(chain ledger.Chain, request nhi.Digest) (ledger.ConfirmationBody, *policy.Confirmed) {
	for _, entry := range slices.Backward(chain.Entries) {
		if body, ok := entry.Body.(ledger.ConfirmationBody); ok && body.Request == request {
			return body, confirmedBy(body)
		}
	}
	return ledger.ConfirmationBody{}, nil
}

// usedByConfirmation says of a request that lacks an approval, and was used,
// that its quorum was met by the confirmation of the run that used it: it is spent,
// and asks nobody any more.
func (s *Standing) usedByConfirmation(digest nhi.Digest, record Record) {
	body, confirmed := RecordedConfirmation(s.chains[s.approval], digest)
	if s.Status != policy.StatusPending || record.Uses[digest] == 0 || confirmed == nil {
		return
	}
	s.Status, s.Verdict.Confirmers = Spent, nil
	if !slices.Contains(s.Verdict.ApprovedBy, body.Person) {
		s.Verdict.ApprovedBy = append(slices.Clone(s.Verdict.ApprovedBy), body.Person)
		slices.Sort(s.Verdict.ApprovedBy)
	}
}

// recordConfirmation appends the yes that was heard, where the approval rests on
// it, before the intent that does.
func (e *Engine) recordConfirmation(ctx context.Context, s *Standing) error {
	if s.heard == nil || !s.Approved() || s.Verdict.ConfirmedBy == "" {
		return nil
	}
	body := s.heard.body()
	body.Person = s.Verdict.ConfirmedBy
	body.PolicyVersion, body.PolicyDigest = s.Policy.Version, s.Policy.Digest
	book, err := e.Book()
	if err != nil {
		return err
	}
	chain, err := book.Append(ctx, s.chains[s.approval], body)
	if errors.Is(err, ledger.ErrConflict) {
		return fmt.Errorf("%s has changed since it was evaluated: %w", s.approval, ErrOvertaken)
	}
	if err != nil {
		return err
	}
	s.chains[s.approval], s.Heads[s.approval] = chain, chain.Head()
	return nil
}
