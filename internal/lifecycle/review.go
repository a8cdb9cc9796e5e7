package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// reviewed fills in which reviews the activation in force, or last in force,
// must have, and whose there are. While one is overdue, nothing more is
// activated under this approval.
func (s *Standing) reviewed(record Record) {
	s.review = func(more []nhi.SignedDecision) policy.ReviewState {
		held, err := nhi.ParseRequest(record.Text)
		if err != nil || record.usedAt == 0 {
			return policy.ReviewState{}
		}
		_, confirmed := RecordedConfirmation(s.chains[s.approval], record.Held)
		return s.Policy.Review(s.Input(held, record.Text), policy.Activation{At: record.StartedAt, Confirmed: confirmed, Block: policy.Block{
			Seq: record.usedAt, HashAt: record.chain.HashAt, Decisions: append(decisionsIn(record.chain), more...),
		}})
	}
	s.Review = s.review(nil)
	if s.Status == policy.StatusApproved && s.Review.Overdue(s.Now) {
		s.Status, s.CoveredBy, s.Again = policy.StatusPending, "", false
		s.Verdict.Reasons = append(s.Verdict.Reasons, overdueReview(s.Review))
	}
}

// ReviewWith is what policy would say of the reviews if these were on record
// too.
func (s *Standing) ReviewWith(more ...nhi.SignedDecision) policy.ReviewState {
	if s.review == nil {
		return s.Review
	}
	return s.review(more)
}

// overdueReview says in words which review is missing after its time.
func overdueReview(state policy.ReviewState) string {
	return "the last activation lacks " + state.ReviewsText()
}

// reviewEnds says in words why a missing review ends what is in force; empty
// where none does. A policy that is not known, and a record that cannot be
// evaluated, end nothing: other facts do.
func (e *Engine) reviewEnds(ctx context.Context, document *policy.Document, record Record, now time.Time) string {
	held, err := nhi.ParseRequest(record.Text)
	if err != nil || document == nil || record.Phase != PhaseActive || !document.AsksReview(held) {
		return ""
	}
	standing, err := e.standing(ctx, held, record.Text, record, nil)
	if err != nil || !standing.Review.Overdue(now) {
		return ""
	}
	return overdueReview(standing.Review)
}

// RecordReview appends a signed review to the grant's chain. ErrShortened where
// that is no longer the one that it was signed on.
func (e *Engine) RecordReview(ctx context.Context, grant nhi.ApprovalID, signed nhi.SignedDecision) (uint64, error) {
	decision, err := nhi.ParseDecision(signed.Text)
	if err != nil {
		return 0, err
	}
	if decision.Verdict != nhi.VerdictReview {
		return 0, fmt.Errorf("a decision to %s is no review: %w", decision.Verdict, nhi.ErrInvalid)
	}
	return e.appendBehind(ctx, ledger.GrantChain(grant), decision.Head, ledger.DecisionBody{SignedDecision: signed})
}
