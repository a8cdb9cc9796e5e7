package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// RecordRequest appends a request to its approval's chain, where the last
// record of this very text is not alike already. Signature is the requester's
// over the text, or empty.
func (e *Engine) RecordRequest(ctx context.Context, text, justification, signature string) error {
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
	chain, err := book.Read(ctx, ledger.ApprovalChain(request.Approval))
	if err != nil {
		return err
	}
	standing := asks(chain, nhi.DigestOf(text))
	body := ledger.RequestBody{Text: text, Justification: justification, Signature: signature}
	for _, entry := range slices.Backward(chain.Entries) {
		if last, ok := entry.Body.(ledger.RequestBody); ok && last.Text == text {
			if standing && last.Justification == justification && (last.Signature == "") == (signature == "") {
				return nil
			}
			break
		}
	}
	_, err = book.Append(ctx, chain, body)
	return err
}

// RecordIdentity appends what an identity is from now on, where the ledger does
// not say the same already.
func (e *Engine) RecordIdentity(ctx context.Context, identity nhi.Identity) error {
	if err := identity.Check(); err != nil {
		return err
	}
	book, err := e.Book()
	if err != nil {
		return err
	}
	chain, err := book.Read(ctx, ledger.IdentityChain(identity.ID))
	if err != nil {
		return err
	}
	known, _, exists := foldIdentity(chain)
	if exists && known.Owner == identity.Owner && known.Purpose == identity.Purpose && known.Kind == identity.Kind &&
		known.Status == identity.Status && known.ExpiresAt.Equal(identity.ExpiresAt) {
		return nil
	}
	_, err = book.Append(ctx, chain, ledger.IdentityBody{Identity: identity})
	return err
}

// Identity returns what the ledger says of an identity; known is false where
// it says nothing, or that it was deleted.
func (e *Engine) Identity(ctx context.Context, id nhi.IdentityID) (identity nhi.Identity, known bool, err error) {
	identity, _, err = e.identity(ctx, id)
	return identity, err == nil && identity.Status != nhi.IdentityDeleted, err
}

// SpoolIdentity keeps what an identity is from now on until the ledger is
// back. It is for endings alone.
func (e *Engine) SpoolIdentity(ledgerID string, identity nhi.Identity) error {
	return ledger.NewSpool(e.SpoolDir, ledgerID).Put(ledger.IdentityChain(identity.ID), ledger.IdentityBody{Identity: identity})
}

// LiveGrants returns the grants of an identity that may hold something on a
// target, sorted.
func (e *Engine) LiveGrants(ctx context.Context, id nhi.IdentityID) ([]nhi.ApprovalID, error) {
	book, err := e.Book()
	if err != nil {
		return nil, err
	}
	chains, err := book.Chains(ctx, ledger.GrantChain(nhi.ApprovalID(id+":")))
	if err != nil {
		return nil, err
	}
	var live []nhi.ApprovalID
	for _, name := range chains {
		_, subject, err := ledger.Subject(name)
		if err != nil {
			return nil, err
		}
		chain, err := book.Read(ctx, name)
		if err != nil {
			return nil, err
		}
		if record := Fold(nhi.ApprovalID(subject), chain); record.holds() {
			live = append(live, record.Grant)
		}
	}
	slices.Sort(live)
	return live, nil
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
	book, err := e.Book()
	if err != nil {
		return err
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(request.Approval))
	if err != nil {
		return err
	}
	if !asks(chain, nhi.DigestOf(text)) {
		return nil
	}
	_, err = book.Append(ctx, chain, ledger.WithdrawalBody{Request: nhi.DigestOf(text)})
	return err
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
