package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// audit reads a whole ledger and collects what is wrong with it.
type audit struct {
	book    *ledger.Ledger
	engine  *lifecycle.Engine
	trust   lifecycle.Trust
	systems *lifecycle.Systems
	faults  []ledger.Fault
	notes   []ledger.Fault // what can not be told, or only matters to people

	policy    ledger.Chain
	ends      map[string]ledger.Chain // what was read of each chain
	links     []ledger.Fault          // what is wrong with the structure
	seen      []sighting
	documents []published // the good policies, in the order of the chain

	chains, entries, policies, requests, decisions, uses, emergencies int
}

// published is a policy of the policy chain.
type published struct {
	seq      uint64
	at       time.Time
	document *policy.Document
}

func (v *audit) fault(chain string, seq uint64, format string, args ...any) {
	v.faults = append(v.faults, ledger.Fault{Chain: chain, Seq: seq, Reason: fmt.Sprintf(format, args...)})
}

func (v *audit) note(chain string, seq uint64, format string, args ...any) {
	v.notes = append(v.notes, ledger.Fault{Chain: chain, Seq: seq, Reason: fmt.Sprintf(format, args...)})
}

// all checks everything. The error says that the ledger did not answer.
func (v *audit) all(ctx context.Context, d *desk) error {
	faults, err := v.book.Verify(ctx)
	if err != nil {
		return err
	}
	v.ends, v.links, v.faults = map[string]ledger.Chain{}, faults, append(v.faults, faults...)
	v.rootChain(d.engine)
	names, err := v.book.Chains(ctx, "")
	if err != nil {
		return err
	}
	// The policies first: all else is held against them.
	slices.SortStableFunc(names, func(x, y string) int { return rank(x) - rank(y) })
	for _, name := range names {
		chain, err := v.book.Read(ctx, name)
		if err != nil && errors.Is(err, nhi.ErrUnreachable) {
			return err
		}
		v.chains++
		v.ends[name] = chain
		v.entries += len(chain.Entries) // a broken rest is among the faults already
		if err := v.chain(ctx, chain); err != nil {
			return err
		}
	}
	v.held()
	return nil
}

// rank orders the chains by what rests on what.
func rank(chain string) int {
	if chain == ledger.PolicyChain {
		return 0
	}
	return 1
}

func (v *audit) chain(ctx context.Context, chain ledger.Chain) error {
	kind, subject, err := ledger.Subject(chain.Name)
	if err != nil {
		return err
	}
	switch kind {
	case ledger.PolicyChain:
		v.policyChain(chain)
	case ledger.KindIdentity:
		v.identityChain(chain, subject)
	case ledger.KindApproval:
		v.approvalChain(ctx, chain, subject)
	case ledger.KindGrant:
		return v.grantChain(ctx, chain, nhi.ApprovalID(subject))
	}
	return nil
}

func (v *audit) identityChain(chain ledger.Chain, subject string) {
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.IdentityBody:
			if err := body.Identity.Check(); err != nil {
				v.fault(chain.Name, entry.Seq, "%s", err)
			} else if string(body.Identity.ID) != subject {
				v.fault(chain.Name, entry.Seq, "it is about %s", body.Identity.ID)
			}
		case ledger.BlockBody, ledger.LiftBody:
		case ledger.DecisionBody:
			v.decisions++
			v.aboutBlock(chain, entry, body.SignedDecision, nhi.IdentityID(subject), "")
		default:
			v.misplaced(chain, entry)
		}
	}
}

func (v *audit) misplaced(chain ledger.Chain, entry ledger.Entry) {
	v.fault(chain.Name, entry.Seq, "an entry of type %s has no place in this chain", entry.Body.Type())
}

func (v *audit) approvalChain(ctx context.Context, chain ledger.Chain, subject string) {
	for _, entry := range chain.Entries {
		var err error
		switch body := entry.Body.(type) {
		case ledger.RequestBody:
			v.requests++
			if err = v.request(body, subject); err == nil && body.Token != "" {
				err = v.proof(ctx, chain, entry, body)
			}
		case ledger.DecisionBody:
			v.decisions++
			err = v.decision(chain, entry, body.SignedDecision, nhi.ApprovalID(subject))
		case ledger.WithdrawalBody, ledger.ObservationBody, ledger.ConfirmationBody:
		default:
			v.misplaced(chain, entry)
		}
		if err != nil {
			v.fault(chain.Name, entry.Seq, "%s", err)
		}
	}
}

func (v *audit) request(body ledger.RequestBody, subject string) error {
	request, err := nhi.ParseRequest(body.Text)
	switch {
	case err != nil:
		return err
	case string(request.Approval) != subject:
		return fmt.Errorf("the request is for %s", request.Approval)
	case request.Ledger != v.book.ID():
		return fmt.Errorf("the request is for ledger %s", request.Ledger)
	case body.Signature == "":
		return nil
	}
	if _, err := signature.Verify(body.Signature, signature.NamespaceRequest, body.Text); err != nil {
		return fmt.Errorf("the requester's signature: %w", err)
	}
	return nil
}

func (v *audit) decision(chain ledger.Chain, entry ledger.Entry, signed nhi.SignedDecision, id nhi.ApprovalID) error {
	decision, err := nhi.ParseDecision(signed.Text)
	if err != nil {
		return err
	}
	request, err := nhi.ParseRequest(decision.Request)
	if err != nil {
		return err
	}
	if request.Approval != id || request.Ledger != v.book.ID() {
		return fmt.Errorf("the decision is about %s in ledger %s", request.Approval, request.Ledger)
	}
	if !signed.Listed(id) {
		return errors.New("the list that was signed does not name this decision")
	}
	key, err := signature.Verify(signed.Signature, signature.NamespaceDecision, signed.List)
	if err != nil {
		return err
	}
	hash, known := chain.HashAt(decision.Head.Seq)
	elsewhere := !decision.BeforeRecord() && (!known || hash != decision.Head.Hash || decision.Head.Seq >= entry.Seq)
	restored := !decision.SignedAt.After(v.trust.Base.Time)             // what its signer saw may be lost
	if elsewhere && !restored && decision.Verdict != nhi.VerdictBlock { // a block holds whatever its signer saw
		return fmt.Errorf("its signer saw another record: entry %d of this chain was %s", decision.Head.Seq, decision.Head.Hash.Short())
	}
	return v.signer(chain, entry, decision, key)
}
