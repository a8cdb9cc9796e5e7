package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// RecordRequest appends a request to its approval's chain, where the last
// record of this very text is not alike already. Signed is how the requester
// is proven, or nothing.
func (e *Engine) RecordRequest(ctx context.Context, text, justification string, signed Signed) error {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return err
	}
	book, err := e.Book()
	if err != nil {
		return err
	}
	if request.Ledger != book.ID() {
		return fmt.Errorf("the request is for ledger %s, and this is ledger %s: %w", request.Ledger, book.ID(), nhi.ErrInvalid)
	}
	body := ledger.RequestBody{Text: text, Justification: justification, Signature: signed.SSH,
		Token: signed.Proof.Token, Proof: signed.Proof.Signature, Issuer: signed.Vault.Issuer, Claims: signed.Vault.Claims}
	return e.extend(ctx, ledger.ApprovalChain(request.Approval), func(chain ledger.Chain) ledger.Body {
		if alike(chain, body) {
			return nil
		}
		return body
	})
}

// extend appends what next says, if anything, to a chain. Where somebody else
// was faster, it reads the chain and asks again.
func (e *Engine) extend(ctx context.Context, name string, next func(ledger.Chain) ledger.Body) error {
	book, err := e.Book()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		chain, err := book.Read(ctx, name)
		if err != nil {
			return err
		}
		body := next(chain)
		if body == nil {
			return nil
		}
		_, err = book.Append(ctx, chain, body)
		if !errors.Is(err, ledger.ErrConflict) || try == claims {
			return err
		}
	}
}

// alike says whether a request stands on record as it is.
func alike(chain ledger.Chain, request ledger.RequestBody) bool {
	for _, entry := range slices.Backward(chain.Entries) {
		if last, ok := entry.Body.(ledger.RequestBody); ok && last.Text == request.Text {
			return asks(chain, nhi.DigestOf(request.Text)) && last.Justification == request.Justification &&
				(last.Signature == "") == (request.Signature == "") && (last.Token == "") == (request.Token == "") &&
				last.Issuer == request.Issuer && last.Claims[policy.ClaimEntity] == request.Claims[policy.ClaimEntity]
		}
	}
	return false
}

// RecordIdentity appends what an identity is from now on, where the ledger does
// not say the same already.
func (e *Engine) RecordIdentity(ctx context.Context, identity nhi.Identity) error {
	if err := identity.Check(); err != nil {
		return err
	}
	return e.extend(ctx, ledger.IdentityChain(identity.ID), func(chain ledger.Chain) ledger.Body {
		known, exists := foldIdentity(chain)
		if exists && known.Owner == identity.Owner && known.Purpose == identity.Purpose && known.Kind == identity.Kind &&
			known.Status == identity.Status && known.ExpiresAt.Equal(identity.ExpiresAt) {
			return nil
		}
		return ledger.IdentityBody{Identity: identity}
	})
}

// Record returns what the ledger says of a grant now, to be remembered.
func (e *Engine) Record(ctx context.Context, id nhi.ApprovalID) (Record, error) {
	op, err := e.begin(ctx, id)
	return op.record, err
}

// SpoolIdentity keeps what an identity is from now on until the ledger is
// back. It is for endings alone.
func (e *Engine) SpoolIdentity(ledgerID string, identity nhi.Identity) error {
	return ledger.NewSpool(e.SpoolDir, ledgerID).Put(ledger.IdentityChain(identity.ID), ledger.IdentityBody{Identity: identity})
}

// LiveGrants returns the grants of an identity that may hold something on a
// target, sorted.
func (e *Engine) LiveGrants(ctx context.Context, id nhi.IdentityID) ([]nhi.ApprovalID, error) {
	grants, err := e.grantsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	var live []nhi.ApprovalID
	for _, grant := range grants {
		op, err := e.begin(ctx, grant)
		if err != nil {
			return nil, err
		}
		if op.record.holds() && op.expected().holds() {
			live = append(live, grant)
		}
	}
	return live, nil
}

// expected is the record as it will be once the ledger can take what waits in
// the spool: a removal that was carried out while nothing could be written.
func (o *operation) expected() *Record {
	bodies, err := ledger.NewSpool(o.engine.SpoolDir, o.record.Ledger).Bodies(o.chain.Name)
	if err != nil || len(bodies) == 0 {
		return &o.record
	}
	chain := ledger.Chain{Name: o.chain.Name, Entries: slices.Clone(o.chain.Entries)}
	prev := chain.Head().Hash
	for _, body := range bodies {
		entry := ledger.Entry{Ledger: o.record.Ledger, Chain: chain.Name, Seq: chain.Head().Seq + 1, Prev: prev, Body: body}
		chain.Entries, prev = append(chain.Entries, entry), entry.Hash()
	}
	record := Fold(o.record.Grant, chain)
	return &record
}

// grantsOf returns the grants of an identity that have a chain, sorted.
func (e *Engine) grantsOf(ctx context.Context, id nhi.IdentityID) ([]nhi.ApprovalID, error) {
	return e.grantsBelow(ctx, ledger.GrantChain(nhi.ApprovalID(id+":")))
}

// grantsBelow returns the grants whose chains start with prefix, sorted.
func (e *Engine) grantsBelow(ctx context.Context, prefix string) ([]nhi.ApprovalID, error) {
	book, err := e.Book()
	if err != nil {
		return nil, err
	}
	chains, err := book.Chains(ctx, prefix)
	if err != nil {
		return nil, err
	}
	grants := make([]nhi.ApprovalID, 0, len(chains))
	for _, name := range chains {
		_, subject, err := ledger.Subject(name)
		if err != nil {
			return nil, err
		}
		grants = append(grants, nhi.ApprovalID(subject))
	}
	slices.Sort(grants)
	return grants, nil
}

// ErrLiveGrants says that an identity still has grants that may hold access.
var ErrLiveGrants = errors.New("grants are live")

// TakeBack records that a request is no longer asked for. What was recorded
// of it stays, and asking again later revives it.
func (e *Engine) TakeBack(ctx context.Context, text string) error {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return err
	}
	digest := nhi.DigestOf(text)
	return e.extend(ctx, ledger.ApprovalChain(request.Approval), func(chain ledger.Chain) ledger.Body {
		if !asks(chain, digest) {
			return nil
		}
		return ledger.WithdrawalBody{Request: digest}
	})
}

// Terms returns the highest term on record of a request: of all that ever
// asked for the same in its approval's chain, taken back or not; 0 where none
// did.
func (e *Engine) Terms(ctx context.Context, text string) (int, error) {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return 0, err
	}
	book, err := e.Book()
	if err != nil {
		return 0, err
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(request.Approval))
	if err != nil {
		return 0, err
	}
	highest := 0
	for _, entry := range chain.Entries {
		body, ok := entry.Body.(ledger.RequestBody)
		if !ok {
			continue
		}
		other, err := nhi.ParseRequest(body.Text)
		if err != nil || other.Term <= highest {
			continue
		}
		term := other.Term
		if other.Term = request.Term; mustText(other) == text {
			highest = term
		}
	}
	return highest, nil
}

// asks says whether a request stands on record: the last word on it is a
// request, and no withdrawal.
func asks(chain ledger.Chain, request nhi.Digest) bool {
	standing := false
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.RequestBody:
			standing = standing || nhi.DigestOf(body.Text) == request
		case ledger.WithdrawalBody:
			standing = standing && body.Request != request
		}
	}
	return standing
}
