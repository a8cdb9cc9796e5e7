package ledger

import (
	"context"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Sighting is one entry as the store holds it, known by the hash of its bytes.
type Sighting struct {
	Chain string
	Seq   uint64
	Hash  nhi.Digest
	// Unknown says that this release does not know the type of the entry.
	Unknown bool
}

// Survey reads every entry of the ledger, the bytes of each, and returns what
// is there in the order of the keys, together with what Verify finds. An entry
// that cannot be decoded is there all the same. The error is
// nhi.ErrUnreachable when the store did not answer, and then nothing of it can
// be relied on.
func (l *Ledger) Survey(ctx context.Context) ([]Sighting, []Fault, error) {
	keys, err := l.store.List(ctx, "")
	if err != nil {
		return nil, nil, unreachable("list", err)
	}
	now, err := l.Now(ctx)
	if err != nil {
		return nil, nil, err
	}
	v := verifier{ledger: l}
	if err := v.all(ctx, keys, now); err != nil {
		return nil, nil, err
	}
	return v.seen, v.faults, nil
}
