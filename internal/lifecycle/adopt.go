package lifecycle

import (
	"context"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Adopt makes a resource instance the holder of a grant that is in force
// already, because its state was lost, or another one held it. Known is what
// the caller has seen: where another request or another activation is in force,
// the error is ErrOvertaken. It gives nothing that is not in force: nhi.ErrEnded
// where the grant is not active any more, or was ended by hand.
func (e *Engine) Adopt(ctx context.Context, known Record, holder string) (Record, error) {
	op, err := e.begin(ctx, known.Grant)
	if err == nil {
		err = op.continuesHere(known)
	}
	if err != nil {
		return known, err
	}
	op.relies(known.Heads)
	now, err := e.Time(ctx)
	if err != nil {
		return op.record, err
	}
	identity, identities, err := e.identity(ctx, known.Grant.Identity())
	if err != nil {
		return op.record, err
	}
	if words := op.record.emergencyWords(); words != "" {
		return op.record, fmt.Errorf("%s, and no configuration takes that over: %w", words, ErrOvertaken)
	}
	if op.record.Held != known.Held || op.record.Activation != known.Activation {
		return op.record, fmt.Errorf("%s is in force, and %s was: %w", op.record.Held.Short(), known.Held.Short(), ErrOvertaken)
	}
	if err := inForce(op.record, Lease{known.Grant, known.Activation}, identity, now); err != nil {
		return op.record, err
	}
	if by := e.blockedNow(ctx, op.record, identities); by != "" {
		return op.record, fmt.Errorf("blocked by %s: %w", by, nhi.ErrEnded)
	}
	err = op.hold(ctx, holder)
	return op.record, err
}

// hold records who holds the grant from now on, where that is not on record.
func (o *operation) hold(ctx context.Context, holder string) error {
	if holder == "" || holder == o.record.Holder {
		return nil
	}
	o.verb = verbAdopt
	return o.append(ctx, ledger.HolderBody{Holder: holder, Activation: o.record.Activation})
}
