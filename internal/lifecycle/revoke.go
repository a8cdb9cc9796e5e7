package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// RevokeError says which targets of a grant are not confirmed as removed.
type RevokeError struct {
	Grant nhi.ApprovalID
	Open  map[string]string // why, by target key
}

// Error implements error.
func (e *RevokeError) Error() string {
	text := string(e.Grant) + " is still open on:"
	for _, key := range slices.Sorted(maps.Keys(e.Open)) {
		text += fmt.Sprintf(" %s (%s);", key, e.Open[key])
	}
	return text
}

// Unwrap makes errors.Is(err, nhi.ErrUnconfirmed) hold.
func (e *RevokeError) Unwrap() error { return nhi.ErrUnconfirmed }

// revokeError returns the *RevokeError of what is open, or nil.
func revokeError(grant nhi.ApprovalID, open map[string]error) error {
	if len(open) == 0 {
		return nil
	}
	failed := &RevokeError{Grant: grant, Open: map[string]string{}}
	for key, err := range open {
		failed.Open[key] = clip(err.Error())
	}
	return failed
}

// Removal is how a revoke ended.
type Removal struct {
	Record Record
	// Away says why the ledger could not be written; the record is spooled.
	Away error
	// Targets are those that were to go, and Seen is what was read back of each:
	// what is not open is gone. Both are empty where nothing was held.
	Targets map[string]ledger.Target
	Seen    map[string]ledger.Verified
}

// Revoke removes a grant from every target and reads back. It needs neither
// approval nor policy, and not even the ledger: known is what the caller
// remembers of the grant, and what the ledger cannot say is taken from there.
// Targets that cannot be confirmed are a *RevokeError; the others are revoked
// all the same. Where neither the ledger nor the caller can say what there is,
// the error is nhi.ErrUnconfirmed too: nobody has seen that it is gone.
func (e *Engine) Revoke(ctx context.Context, known Record, reason string) (Removal, error) {
	return e.revoke(ctx, known, reason, nil)
}

// revoke is Revoke. Behind says why records of the grant still wait in the
// spool: then those of its removal wait behind them.
func (e *Engine) revoke(ctx context.Context, known Record, reason string, behind error) (Removal, error) {
	var op *operation
	for try := 1; ; try++ {
		op = e.beginRemoval(ctx, known)
		op.away = errors.Join(op.away, behind)
		if !op.record.holds() || op.away != nil && len(op.record.Targets) == 0 {
			return op.nothingHeld(ctx, known, reason)
		}
		err := op.note(ctx, op.removalIntent(reason))
		if err == nil {
			break
		}
		if try == claims {
			return Removal{Record: op.record, Away: op.away}, err
		}
	}
	return op.remove(ctx)
}

// remove carries out a removal whose intent is noted.
func (o *operation) remove(ctx context.Context) (Removal, error) {
	removal := Removal{Targets: maps.Clone(o.record.Targets)}
	verified, open := o.takeAway(ctx, slices.Sorted(maps.Keys(o.record.Targets)))
	done := context.WithoutCancel(ctx) // what happened is recorded, come what may
	err := o.note(done, ledger.VerificationBody{Epoch: o.record.acting, Targets: verified})
	err = errors.Join(revokeError(o.record.Grant, open), err, o.spool(done))
	removal.Record, removal.Away, removal.Seen = o.record, o.away, verified
	return removal, err
}

// beginRemoval reads the grant's chain, and adds what the caller remembers
// where the chain cannot be read, is broken, is another ledger's, or was cut.
func (e *Engine) beginRemoval(ctx context.Context, known Record) *operation {
	op, err := e.begin(ctx, known.Grant)
	op.since(known)
	op.relies(known.Heads)
	switch {
	case errors.Is(err, ledger.ErrAhead) && !errors.Is(err, ErrNoTrustedLedger):
		err = nil // a wrong clock stops no removal: the chain itself is whole
	case err == nil && op.record.origins[known.Ledger]:
		op.relies(nil) // those were ends of the lost ledger's chains
		op.inherit(known)
		return op
	case err == nil && known.Ledger != "" && op.record.Ledger != known.Ledger:
		err = op.follows(known)
		op.elsewhere = op.record.holds()
		op.chain, op.record = ledger.Chain{Name: op.chain.Name}, Record{}
	}
	op.away = err
	if err != nil || op.follows(known) != nil || op.unheard(known) {
		op.doubt = true
		op.record = remembered(op.record, known)
	}
	return op
}

// unheard says whether the caller remembers accounts that no intent of the
// chain ever named: they were made while the ledger was away.
func (o *operation) unheard(known Record) bool {
	left := nonces(known.Targets)
	for _, entry := range o.chain.Entries {
		if intent, ok := entry.Body.(ledger.IntentBody); ok {
			for nonce := range nonces(intent.Targets) {
				delete(left, nonce)
			}
		}
	}
	return len(left) > 0
}

// nothingHeld ends a removal of a grant that holds nothing, as far as ledger
// and caller know. That it was destroyed is noted: where policy asks for no
// approval, it may come back.
func (o *operation) nothingHeld(ctx context.Context, known Record, reason string) (Removal, error) {
	var fault *ledger.ChainError
	unseen := errors.As(o.away, &fault) && known.Head.Seq <= o.chain.Head().Seq // nobody saw what is broken
	if o.away != nil && (known.blank() || unseen || o.elsewhere || known.holds()) {
		o.record.Phase = PhaseRevoking
		return Removal{Record: o.record, Away: o.away},
			fmt.Errorf("neither the ledger nor the state can say what %s holds: %w", known.Grant, errors.Join(nhi.ErrUnconfirmed, o.away))
	}
	if o.away == nil && reason == ReasonDestroyed && o.record.Phase == PhaseRevoked && !o.record.Destroyed {
		err := o.append(ctx, o.removalIntent(reason))
		if err == nil {
			err = o.append(ctx, ledger.VerificationBody{Epoch: o.record.acting})
		}
		return Removal{Record: o.record, Away: err}, nil
	}
	return Removal{Record: o.record, Away: o.away}, nil
}
