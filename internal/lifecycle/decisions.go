package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// DecisionSuffix ends the name of every decision file.
const DecisionSuffix = ".decision"

// maxDecisionFiles bounds the decisions folder.
const maxDecisionFiles = 10_000

// ReadDecisionFile reads one decision file and says which approval it is about.
// Its signature is not verified yet.
func ReadDecisionFile(path string) (nhi.SignedDecision, nhi.ApprovalID, error) {
	data, err := readBounded(path, nhi.MaxTextBytes)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("decision file: %w", err)
	}
	signed, err := nhi.ParseDecisionFile(data)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("%s: %w", path, err)
	}
	decision, err := nhi.ParseDecision(signed.Text)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("%s: %w", path, err)
	}
	request, err := nhi.ParseRequest(decision.Request)
	if err != nil {
		return nhi.SignedDecision{}, "", fmt.Errorf("%s: %w", path, err)
	}
	return signed, request.Approval, nil
}

// unrecorded returns the decisions of files that the chain does not hold yet.
func unrecorded(chain ledger.Chain, files []nhi.SignedDecision) []nhi.SignedDecision {
	known := decisionsIn(chain)
	return slices.DeleteFunc(slices.Clone(files), func(d nhi.SignedDecision) bool { return slices.Contains(known, d) })
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

// AskedIn returns every record of this very request since it was last taken
// back: who asks again answers for all of it.
func AskedIn(chain ledger.Chain, text string) []policy.Asked {
	var asked []policy.Asked
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.RequestBody:
			if body.Text == text {
				asked = append(asked, AskedOf(entry.Time, body))
			}
		case ledger.WithdrawalBody:
			if body.Request == nhi.DigestOf(text) {
				asked = nil
			}
		}
	}
	return asked
}

// AskedOf is what policy sees of a request on record.
func AskedOf(at time.Time, body ledger.RequestBody) policy.Asked {
	return policy.Asked{
		Justification: body.Justification, At: at, Signature: body.Signature,
		Proof: workload.Proof{Token: body.Token, Signature: body.Proof}, Said: policy.RunnerProof{Issuer: body.Issuer, Claims: body.Claims},
	}
}

// recordDecisions appends the decisions that came as files: the approvals,
// before the intent that rests on them, and every no, so that it outlives its
// file. Files that no person of the policy signed are left where they are.
func (e *Engine) recordDecisions(ctx context.Context, s *Standing, id nhi.ApprovalID) error {
	var bodies []ledger.Body
	for _, decision := range s.fresh {
		if s.signedByPerson(decision, id) {
			bodies = append(bodies, ledger.DecisionBody{SignedDecision: decision})
		}
	}
	if len(bodies) == 0 {
		return nil
	}
	book, err := e.Book()
	if err != nil {
		return err
	}
	chain, err := book.Append(ctx, s.chains[s.approval], bodies...)
	if errors.Is(err, ledger.ErrConflict) {
		return fmt.Errorf("%s has changed since it was evaluated: %w", s.approval, ErrOvertaken)
	}
	if err != nil {
		return err
	}
	s.chains[s.approval], s.Heads[s.approval], s.fresh = chain, chain.Head(), nil
	return nil
}

// signedByPerson says whether a decision names this approval and is signed by
// a person of the policy.
func (s *Standing) signedByPerson(decision nhi.SignedDecision, id nhi.ApprovalID) bool {
	if !decision.Listed(id) {
		return false
	}
	key, err := signature.Verify(decision.Signature, signature.NamespaceDecision, decision.List)
	if err != nil {
		return false
	}
	_, known := s.Policy.Person(key)
	return known
}
