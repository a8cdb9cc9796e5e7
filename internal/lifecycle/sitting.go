package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Sitting evaluates many requests one after the other. The policy and the
// decisions folder are read and verified once, when it begins; the ledger's
// chains are read anew for each request. It is for people who decide: an
// activation always reads everything itself. Not for concurrent use.
type Sitting struct {
	engine   *Engine
	signed   *signedPolicy
	policies ledger.Chain // empty where the policy came from elsewhere
	trust    Trust
	files    map[nhi.ApprovalID][]nhi.SignedDecision
}

// Sit begins a sitting under the policy in force, with the errors of Standing.
func (e *Engine) Sit(ctx context.Context) (*Sitting, error) {
	signed, policies, err := e.policyInForce(ctx)
	if err != nil {
		return nil, err
	}
	return e.sit(signed, policies)
}

// SitUnder begins a sitting under a policy that came with what is to be
// evaluated. It is verified as every other one; whether it is the newest,
// nobody can tell here.
func (e *Engine) SitUnder(source, signatures string) (*Sitting, error) {
	signed, err := e.trustPolicy(source, signatures)
	if err != nil {
		return nil, err
	}
	return e.sit(signed, ledger.Chain{Name: ledger.PolicyChain})
}

func (e *Engine) sit(signed *signedPolicy, policies ledger.Chain) (*Sitting, error) {
	files, err := e.decisionFolder()
	if err != nil {
		return nil, err
	}
	trust, err := e.Trust()
	if err != nil {
		return nil, err
	}
	return &Sitting{engine: e, signed: signed, policies: policies, trust: trust, files: files}, nil
}

// Policy returns the policy of this sitting.
func (s *Sitting) Policy() *policy.Document { return s.signed.document }

// Source returns the exact bytes of the policy of this sitting, and the
// signatures over them.
func (s *Sitting) Source() (source, signatures string) { return s.signed.source, s.signed.signatures }

// Files returns the decisions on one approval that came as files.
func (s *Sitting) Files(id nhi.ApprovalID) []nhi.SignedDecision { return s.files[id] }

// Standing is Engine.Standing under the policy of this sitting.
func (s *Sitting) Standing(ctx context.Context, text string) (Standing, error) {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return Standing{}, err
	}
	book, err := s.engine.Book()
	if err != nil {
		return Standing{}, err
	}
	grant, err := book.Read(ctx, ledger.GrantChain(request.Approval))
	if err != nil {
		return Standing{}, err
	}
	return s.standing(ctx, request, text, Fold(request.Approval, grant), nil)
}

// standing is Standing over a record of the grant that was read already: what
// is counted as used, and what covers the request, must be of the very chain
// that an intent is then written behind. Trigger is the value that an
// activation would be for; nil asks of the request as such.
func (s *Sitting) standing(ctx context.Context, request nhi.Request, text string, record Record, trigger *string) (Standing, error) {
	book, err := s.engine.Book()
	if err != nil {
		return Standing{}, err
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(request.Approval))
	if err != nil {
		return Standing{}, err
	}
	return s.over(ctx, request, text, chain, record, trigger)
}

// Over is Standing over an approval's chain and a grant's record that were read
// already, so that what is shown beside it is what was evaluated.
func (s *Sitting) Over(ctx context.Context, text string, chain ledger.Chain, record Record) (Standing, error) {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return Standing{}, err
	}
	return s.over(ctx, request, text, chain, record, nil)
}

func (s *Sitting) over(ctx context.Context, request nhi.Request, text string, chain ledger.Chain, record Record, trigger *string) (Standing, error) {
	now, err := s.engine.Time(ctx)
	if err != nil {
		return Standing{}, fmt.Errorf("the ledger's time: %w", err)
	}
	identity, identities, err := s.engine.identity(ctx, request.Identity())
	if err != nil {
		return Standing{}, err
	}
	standing := Standing{Policy: s.signed.document, Identity: identity, Now: now, approval: chain.Name, trust: s.trust, hosts: s.engine.Hosts(),
		chains: map[string]ledger.Chain{}, Heads: map[string]nhi.Head{}}
	for _, relied := range []ledger.Chain{s.trust.chain, s.policies, chain, identities} {
		standing.chains[relied.Name], standing.Heads[relied.Name] = relied, relied.Head()
	}
	s.engine.proveSelf(ctx, &standing, chain)
	standing.fresh = unrecorded(chain, s.files[request.Approval])
	s.engine.judge(&standing, request, text, record, trigger)
	standing.reviewed(record)
	standing.lift(record.blocks(identities), request, text)
	return standing, nil
}

// decisionFolder reads the decisions folder, by approval. A missing folder
// holds none. A file that cannot be read or understood is an error: it may be
// a withdrawal.
func (e *Engine) decisionFolder() (map[nhi.ApprovalID][]nhi.SignedDecision, error) {
	if e.DecisionsDir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(e.DecisionsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("decisions_dir: %w", err)
	}
	if len(entries) > maxDecisionFiles {
		return nil, fmt.Errorf("decisions_dir holds %d files, and %d is the most allowed: %w", len(entries), maxDecisionFiles, nhi.ErrInvalid)
	}
	found := map[nhi.ApprovalID][]nhi.SignedDecision{}
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), DecisionSuffix) {
			continue
		}
		signed, about, err := ReadDecisionFile(filepath.Join(e.DecisionsDir, entry.Name()))
		if err != nil {
			return nil, err
		}
		found[about] = append(found[about], signed)
	}
	return found, nil
}
