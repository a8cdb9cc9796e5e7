package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// reasonRebuilt is the reason of the intent that names what a lost ledger left.
const reasonRebuilt = "its ledger was lost: rebuilt from states and marks, to be revoked"

// Rebuild records in this ledger what is left of a grant of a lost one, as a
// removal that was begun: so that it is listed, and sweep, revoke and destroy
// find it. Nothing can be given on what it writes: a removal that is open goes
// before any activation, and no lease or credential comes of it. What is on
// record already is not written twice.
//
// Errors: nhi.ErrInvalid where left is of this very ledger, or where this ledger
// itself holds the grant (it has a life of its own here, which must end first);
// ErrNoTrustedLedger and what reading the chain gives.
func (e *Engine) Rebuild(ctx context.Context, left Record) (Record, error) {
	op, err := e.begin(ctx, left.Grant)
	switch {
	case err != nil:
		return op.record, err
	case left.Ledger == op.record.Ledger:
		return op.record, fmt.Errorf("%s is of this ledger, which is not lost: %w", left.Grant, nhi.ErrInvalid)
	}
	for _, target := range op.record.Targets {
		if target.Ledger == "" {
			return op.record, fmt.Errorf("this ledger holds access of %s itself: end that first (nhi revoke): %w", left.Grant, nhi.ErrInvalid)
		}
	}
	held := len(op.record.Targets)
	op.inherit(left)
	if len(op.record.Targets) == held {
		return op.record, nil
	}
	intent := op.removalIntent(reasonRebuilt)
	open := map[string]ledger.Verified{}
	for _, key := range slices.Sorted(maps.Keys(intent.Targets)) {
		open[key] = ledger.Verified{State: string(connector.Unknown), Open: "nobody has removed it yet"}
	}
	// The second body says that no run is at it: a sweep need not wait.
	seq := op.chain.Head().Seq + 1
	err = op.append(ctx, intent, ledger.VerificationBody{Epoch: seq, Targets: open})
	return op.record, err
}
