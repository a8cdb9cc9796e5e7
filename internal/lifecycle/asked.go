package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrNotOnRecord says that the ledger knows nothing under an id.
var ErrNotOnRecord = errors.New("not on record")

// Asked is what an approval asks for by the ledger: the newest request that
// nobody took back, else the newest one.
type Asked struct {
	Request       nhi.Request
	Text          string
	Justification string
	At            time.Time // since when this very text stands
	TakenBack     bool      // nobody asks for it any more
}

// Asked reads what an approval asks for, without evaluating it. The error is
// ErrNotOnRecord where nothing was ever asked for under this id.
func (e *Engine) Asked(ctx context.Context, id nhi.ApprovalID) (Asked, error) {
	book, err := e.Book()
	if err != nil {
		return Asked{}, err
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(id))
	if err != nil {
		return Asked{}, err
	}
	asked, found := newestAsked(chain)
	if !found {
		return Asked{}, fmt.Errorf("the ledger holds no request of %s: %w", id, ErrNotOnRecord)
	}
	if asked.Request, err = nhi.ParseRequest(asked.Text); err != nil {
		return Asked{}, err
	}
	if asked.Request.Approval != id {
		return Asked{}, fmt.Errorf("the record of %s holds a request for %s: %w", id, asked.Request.Approval, ledger.ErrBroken)
	}
	return asked, nil
}

func newestAsked(chain ledger.Chain) (newest Asked, found bool) {
	since := map[string]time.Time{} // of the texts that stand
	var all []Asked
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.RequestBody:
			if _, stands := since[body.Text]; !stands {
				since[body.Text] = entry.Time
			}
			all = append(all, Asked{Text: body.Text, Justification: body.Justification, At: entry.Time, TakenBack: true})
		case ledger.WithdrawalBody:
			for text := range since {
				if nhi.DigestOf(text) == body.Request {
					delete(since, text)
				}
			}
		}
	}
	for _, asked := range slices.Backward(all) {
		if at, stands := since[asked.Text]; stands {
			asked.At, asked.TakenBack = at, false
			return asked, true
		}
	}
	if len(all) == 0 {
		return newest, false
	}
	return all[len(all)-1], true
}

// Identities returns the ids of all identities on record, sorted; also of
// those that were deleted.
func (e *Engine) Identities(ctx context.Context) ([]nhi.IdentityID, error) {
	subjects, err := e.subjects(ctx, ledger.KindIdentity)
	ids := make([]nhi.IdentityID, len(subjects))
	for i, subject := range subjects {
		ids[i] = nhi.IdentityID(subject)
	}
	return ids, err
}

// Approvals returns the ids of all approvals on record, sorted; also of those
// that nobody asks for any more. Grants have the same ids.
func (e *Engine) Approvals(ctx context.Context) ([]nhi.ApprovalID, error) {
	subjects, err := e.subjects(ctx, ledger.KindApproval)
	ids := make([]nhi.ApprovalID, len(subjects))
	for i, subject := range subjects {
		ids[i] = nhi.ApprovalID(subject)
	}
	return ids, err
}

// subjects lists what has a chain of a kind, from the keys alone.
func (e *Engine) subjects(ctx context.Context, kind string) ([]string, error) {
	book, err := e.Book()
	if err != nil {
		return nil, err
	}
	chains, err := book.Chains(ctx, kind+"/")
	if err != nil {
		return nil, err
	}
	subjects := make([]string, 0, len(chains))
	for _, name := range chains {
		_, subject, err := ledger.Subject(name)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject)
	}
	slices.Sort(subjects)
	return subjects, nil
}
