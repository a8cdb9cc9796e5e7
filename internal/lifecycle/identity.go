package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Identity returns what the ledger says of an identity; known is false where
// it says nothing, or that it was deleted.
func (e *Engine) Identity(ctx context.Context, id nhi.IdentityID) (identity nhi.Identity, known bool, err error) {
	identity, _, err = e.identity(ctx, id)
	return identity, err == nil && identity.Status != nhi.IdentityDeleted, err
}

// identity reads what the ledger says of an identity, with an active block
// laid over it. One that the ledger does not know counts as deleted.
func (e *Engine) identity(ctx context.Context, id nhi.IdentityID) (nhi.Identity, ledger.Chain, error) {
	book, err := e.Book()
	if err != nil {
		return nhi.Identity{}, ledger.Chain{}, err
	}
	chain, err := book.Read(ctx, ledger.IdentityChain(id))
	if err != nil {
		return nhi.Identity{}, chain, err
	}
	identity, blocked, known := foldIdentity(chain)
	if !known {
		return nhi.Identity{ID: id, Status: nhi.IdentityDeleted}, chain, nil
	}
	if blocked != "" {
		identity.Status = nhi.IdentityDisabled
	}
	return identity, chain, nil
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
// An unknown time ends nothing.
func ended(identity nhi.Identity, now time.Time) string {
	switch {
	case identity.Status != nhi.IdentityActive:
		return fmt.Sprintf("the identity is %s", identity.Status)
	case overdue(now, identity.ExpiresAt):
		return "the identity ended " + shortTime(identity.ExpiresAt)
	default:
		return ""
	}
}
