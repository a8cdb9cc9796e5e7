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
	identity, chain, err := e.identity(ctx, id)
	if err != nil {
		return identity, false, err
	}
	if _, block := lastBlock(chain); block > 0 && identity.Status == nhi.IdentityActive {
		open, err := e.unblocked(ctx, id, chain)
		if err != nil {
			return identity, false, err
		}
		if !open {
			identity.Status = nhi.IdentityDisabled
		}
	}
	return identity, identity.Status != nhi.IdentityDeleted, nil
}

// unblocked says whether the block of an identity is lifted for any of its
// approvals, or behind it.
func (e *Engine) unblocked(ctx context.Context, id nhi.IdentityID, chain ledger.Chain) (bool, error) {
	grants, err := e.grantsOf(ctx, id)
	if err != nil {
		return false, err
	}
	for _, grant := range grants {
		op, err := e.begin(ctx, grant)
		if err != nil {
			return false, err
		}
		if e.blockedNow(ctx, op.record, chain) == "" {
			return true, nil
		}
	}
	return false, nil
}

// IdentitySince returns when an identity was first recorded, or first again
// after it was deleted; the zero time where the ledger does not know it.
func (e *Engine) IdentitySince(ctx context.Context, id nhi.IdentityID) (time.Time, error) {
	book, err := e.Book()
	if err != nil {
		return time.Time{}, err
	}
	chain, err := book.Read(ctx, ledger.IdentityChain(id))
	if err != nil {
		return time.Time{}, err
	}
	var since time.Time
	for _, entry := range chain.Entries {
		body, ok := entry.Body.(ledger.IdentityBody)
		switch {
		case !ok:
		case body.Identity.Status == nhi.IdentityDeleted:
			since = time.Time{}
		case since.IsZero():
			since = entry.Time
		}
	}
	return since, nil
}

// identity reads what the ledger itself says of an identity; whether it is
// blocked is another question. One that the ledger does not know counts as
// deleted.
func (e *Engine) identity(ctx context.Context, id nhi.IdentityID) (nhi.Identity, ledger.Chain, error) {
	book, err := e.Book()
	if err != nil {
		return nhi.Identity{}, ledger.Chain{}, err
	}
	chain, err := book.Read(ctx, ledger.IdentityChain(id))
	if err != nil {
		return nhi.Identity{}, chain, err
	}
	identity, known := foldIdentity(chain)
	if !known {
		return nhi.Identity{ID: id, Status: nhi.IdentityDeleted}, chain, nil
	}
	return identity, chain, nil
}

// identityOf is identity for a grant that is on record. One that an emergency
// is for, and that the ledger never heard of, is as the emergency says, which
// was signed.
func (e *Engine) identityOf(ctx context.Context, record Record) (nhi.Identity, ledger.Chain, error) {
	identity, chain, err := e.identity(ctx, record.Grant.Identity())
	emergency, is := record.emergency()
	if _, known := foldIdentity(chain); err != nil || known || !is {
		return identity, chain, err
	}
	return nhi.Identity{ID: emergency.Identity(), Owner: emergency.Owner, Purpose: emergency.Purpose, Kind: nhi.KindService,
		Status: nhi.IdentityActive}, chain, nil
}

func foldIdentity(chain ledger.Chain) (identity nhi.Identity, known bool) {
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.IdentityBody); ok {
			identity, known = body.Identity, true
		}
	}
	return identity, known
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
