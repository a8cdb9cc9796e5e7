package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Spent is the status of a request whose approval was used as often as signed.
const Spent policy.Status = "spent"

// Standing is what policy and decisions say of one request now.
type Standing struct {
	Verdict   policy.Verdict
	Status    policy.Status
	CoveredBy nhi.Digest // the signed request that contains this one, when it is not this one
	Policy    *policy.Document
	Identity  nhi.Identity
	// Heads are the ends of the chains that this rests on, by chain.
	Heads map[string]nhi.Head
	Now   time.Time
	// chain is the approval's chain, and fresh the decisions from files that
	// it does not hold yet.
	chain ledger.Chain
	fresh []nhi.SignedDecision
}

// Approved says whether the request may be activated now.
func (s Standing) Approved() bool { return s.Status == policy.StatusApproved }

// Why says in words what the status rests on.
func (s Standing) Why() []string {
	switch {
	case s.Status == Spent:
		return []string{"its approval was used; another activation needs a new request"}
	case s.Approved() && s.Verdict.NoApproval:
		return []string{"the policy asks for no approval"}
	case s.Approved():
		return []string{s.approvedBy()}
	default:
		return s.Verdict.Reasons
	}
}

// approvedBy reads "approved by ana and ben (2 of 2), to be activated before …".
func (s Standing) approvedBy() string {
	have, want := 0, 0
	for _, need := range s.Verdict.Needs {
		have += min(len(need.Have), need.Want)
		want += need.Want
	}
	return fmt.Sprintf("approved by %s (%d of %d), to be activated before %s",
		joined(s.Verdict.ApprovedBy), have, want, shortTime(s.Verdict.ActivateBefore))
}

// joined writes "ana, ben and cyd".
func joined(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Standing evaluates the request of text against the newest policy and every
// decision in the ledger and in the decisions folder. It errors when one of
// them cannot be read: then nothing may be granted. A denial by policy is no
// error; it is in the verdict.
func (e *Engine) Standing(ctx context.Context, text string) (Standing, error) {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return Standing{}, err
	}
	document, policyHead, err := e.PolicyInForce(ctx)
	if err != nil {
		return Standing{}, err
	}
	book, err := e.Book()
	if err != nil {
		return Standing{}, err
	}
	now, err := book.Now(ctx)
	if err != nil {
		return Standing{}, fmt.Errorf("the ledger's time: %w", err)
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(request.Approval))
	if err != nil {
		return Standing{}, err
	}
	identity, identityHead, err := e.identity(ctx, request.Identity())
	if err != nil {
		return Standing{}, err
	}
	files, err := e.decisionFiles(request.Approval)
	if err != nil {
		return Standing{}, err
	}
	grant, err := book.Read(ctx, ledger.GrantChain(request.Approval))
	if err != nil {
		return Standing{}, err
	}
	standing := Standing{Policy: document, Identity: identity, Now: now, chain: chain}
	standing.fresh = unrecorded(chain, files)
	standing.Heads = map[string]nhi.Head{
		ledger.PolicyChain:                       policyHead,
		ledger.ApprovalChain(request.Approval):   chain.Head(),
		ledger.IdentityChain(request.Identity()): identityHead,
	}
	e.judge(&standing, request, text, Fold(request.Approval, grant))
	return standing, nil
}

// judge fills in the verdict: of the request's own decisions, else of another
// request that contains it, and whether an activation is left.
func (e *Engine) judge(s *Standing, request nhi.Request, text string, record Record) {
	s.Verdict = s.evaluate(request, text)
	s.Status = s.Verdict.Status
	digest := nhi.DigestOf(text)
	if s.Status == policy.StatusApproved && record.Uses[digest] > 0 && !s.reusable(record, digest) {
		s.Status = Spent
	}
	if s.Status == policy.StatusApproved || len(s.Verdict.Denials) > 0 {
		return
	}
	e.cover(s, request, record)
}

// reusable says whether a request that was used may be used again without new
// decisions: where policy asks for none, a grant that was destroyed may return.
func (s *Standing) reusable(record Record, digest nhi.Digest) bool {
	return s.Verdict.NoApproval && record.Phase == PhaseRevoked && record.Held == digest && record.Destroyed
}

// cover looks for the request in force, where it contains the asked one: less
// access or an earlier end needs no new signature.
func (e *Engine) cover(s *Standing, request nhi.Request, record Record) {
	if record.Phase != PhaseActive || record.Held == nhi.DigestOf(mustText(request)) {
		return
	}
	held, err := nhi.ParseRequest(record.Text)
	if err != nil || !held.Contains(request, e.Systems.Privilege) {
		return
	}
	verdict := s.evaluate(held, record.Text)
	if len(verdict.Denials) > 0 {
		return
	}
	s.CoveredBy, s.Status = record.Held, policy.StatusApproved
	s.Verdict.ApprovedBy = verdict.ApprovedBy
	s.Verdict.Reasons = []string{"covered by the request in force, " + record.Held.Short()}
}

func mustText(request nhi.Request) string {
	text, _ := request.Text() // it was parsed from one
	return text
}

func (s *Standing) evaluate(request nhi.Request, text string) policy.Verdict {
	return s.Policy.Evaluate(policy.Input{
		Request:   request,
		Text:      text,
		Asked:     askedIn(s.chain, text),
		Decisions: append(decisionsIn(s.chain), s.fresh...),
		HashAt:    s.chain.HashAt,
		Now:       s.Now,
	})
}

// askedIn returns every record of this very request.
func askedIn(chain ledger.Chain, text string) []policy.Asked {
	var asked []policy.Asked
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.RequestBody); ok && body.Text == text {
			asked = append(asked, policy.Asked{Justification: body.Justification, Signature: body.Signature})
		}
	}
	return asked
}

func decisionsIn(chain ledger.Chain) []nhi.SignedDecision {
	var decisions []nhi.SignedDecision
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.DecisionBody); ok {
			decisions = append(decisions, body.SignedDecision)
		}
	}
	return decisions
}

// unrecorded returns the decisions of files that the chain does not hold yet.
func unrecorded(chain ledger.Chain, files []nhi.SignedDecision) []nhi.SignedDecision {
	known := decisionsIn(chain)
	return slices.DeleteFunc(slices.Clone(files), func(d nhi.SignedDecision) bool { return slices.Contains(known, d) })
}

// identity reads what the ledger says of an identity, with an active block
// laid over it. An identity that the ledger does not know is ErrEnded.
func (e *Engine) identity(ctx context.Context, id nhi.IdentityID) (nhi.Identity, nhi.Head, error) {
	book, err := e.Book()
	if err != nil {
		return nhi.Identity{}, nhi.Head{}, err
	}
	chain, err := book.Read(ctx, ledger.IdentityChain(id))
	if err != nil {
		return nhi.Identity{}, nhi.Head{}, err
	}
	identity, blocked, known := foldIdentity(chain)
	if !known {
		return nhi.Identity{ID: id, Status: nhi.IdentityDeleted}, chain.Head(), nil
	}
	if blocked != "" {
		identity.Status = nhi.IdentityDisabled
	}
	return identity, chain.Head(), nil
}

func foldIdentity(chain ledger.Chain) (identity nhi.Identity, blocked string, known bool) {
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.IdentityBody:
			identity, known = body.Identity, true
		case ledger.BlockBody:
			blocked = body.By + ": " + body.Reason
		case ledger.LiftBody:
			blocked = ""
		}
	}
	return identity, blocked, known
}

// ended says in words why an identity may hold no access; empty where it may.
func ended(identity nhi.Identity, now time.Time) string {
	switch {
	case identity.Status != nhi.IdentityActive:
		return fmt.Sprintf("the identity is %s", identity.Status)
	case !identity.ExpiresAt.IsZero() && !now.Before(identity.ExpiresAt):
		return "the identity ended " + shortTime(identity.ExpiresAt)
	default:
		return ""
	}
}

// denied turns a standing that is not approved into the error that says why.
func (s Standing) denied(id nhi.ApprovalID) error {
	if s.Status == Spent {
		return fmt.Errorf("%s: %w", id, nhi.ErrSpent)
	}
	reasons := slices.Clone(s.Verdict.Reasons)
	for _, denial := range s.Verdict.Denials {
		reasons = append(reasons, denial.Reason)
	}
	cause := nhi.ErrNotApproved
	if len(s.Verdict.Denials) > 0 {
		cause = nhi.ErrDenied
	}
	return fmt.Errorf("%s (%s): %w", id, strings.Join(reasons, "; "), errors.Join(cause))
}
