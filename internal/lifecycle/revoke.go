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

// Removal is how a revoke ended.
type Removal struct {
	Record Record
	// Away says why the ledger could not be written; the record is spooled.
	Away error
}

// Revoke removes a grant from every target and reads back. It needs neither
// approval nor policy, and not even the ledger: known is what the caller
// remembers of the grant, and what the ledger cannot say is taken from there.
// Targets that cannot be confirmed are a *RevokeError; the others are revoked
// all the same.
func (e *Engine) Revoke(ctx context.Context, known Record, reason string) (Removal, error) {
	op, away := e.begin(ctx, known.Grant)
	op.away = away
	if away != nil {
		op.record = remembered(op.record, known)
	}
	if !op.record.holds() {
		return Removal{Record: op.record, Away: op.away}, nil
	}
	defer op.forget(ctx)
	intent := op.removalIntent(reason)
	if err := op.note(ctx, intent); err != nil {
		return Removal{Record: op.record, Away: op.away}, err
	}
	verified := map[string]ledger.Verified{}
	failed := &RevokeError{Grant: known.Grant, Open: map[string]string{}}
	outcomes := op.each(ctx, slices.Sorted(maps.Keys(op.record.Targets)), revoke)
	for key, outcome := range outcomes {
		verified[key] = op.removal(key, outcome)
		if verified[key].Open != "" {
			failed.Open[key] = verified[key].Open
		}
	}
	done := context.WithoutCancel(ctx) // what happened is recorded, come what may
	err := op.note(done, ledger.VerificationBody{Epoch: op.record.Epoch, Targets: verified})
	if spoolErr := op.spool(); spoolErr != nil {
		err = errors.Join(err, spoolErr)
	}
	if len(failed.Open) > 0 {
		err = errors.Join(failed, err)
	}
	return Removal{Record: op.record, Away: op.away}, err
}

// holds says whether anything may be left on a target.
func (r *Record) holds() bool {
	return len(r.Targets) > 0 || r.Phase == PhaseActive || r.Phase == PhaseRevoking || r.Phase == PhaseUnfinished
}

// removalIntent is the intent of a revoke: the record's targets, and the end
// of the chain that it was decided on.
func (o *operation) removalIntent(reason string) ledger.IntentBody {
	return ledger.IntentBody{
		Verb: ledger.VerbRevoke, Activation: o.record.Activation, Reason: clip(reason),
		Request: o.record.Held, Text: o.record.Text, StartedAt: o.record.StartedAt, ExpiresAt: o.record.ExpiresAt,
		Targets: maps.Clone(o.record.Targets),
		Heads:   map[string]nhi.Head{ledger.GrantChain(o.record.Grant): o.record.Head},
	}
}

// note records one body of a removal: in the ledger, or, while that is away, in
// memory for the spool. Being overtaken is an error: the other run acts.
func (o *operation) note(ctx context.Context, body ledger.Body) error {
	if o.away == nil {
		err := o.append(ctx, body)
		if err == nil || errors.Is(err, ErrOvertaken) {
			return err
		}
		o.away = err
	}
	o.pending = append(o.pending, body)
	switch body := body.(type) {
	case ledger.IntentBody:
		o.record.begin(body)
	case ledger.VerificationBody:
		o.record.verify(body)
	}
	return nil
}

// spool keeps what the ledger could not take, until it can.
func (o *operation) spool() error {
	if len(o.pending) == 0 {
		return nil
	}
	spool := ledger.NewSpool(o.engine.SpoolDir, o.record.Ledger)
	if err := spool.Put(ledger.GrantChain(o.record.Grant), o.pending...); err != nil {
		return fmt.Errorf("the removal could be written neither to the ledger nor to the spool: %w", err)
	}
	return nil
}

// remembered merges what is intact of the ledger with what the caller
// remembers: every target that either knows.
func remembered(intact, known Record) Record {
	merged := known
	if len(intact.Targets) > 0 || intact.Phase != PhaseNone {
		merged = intact
	}
	if merged.Ledger == "" {
		merged.Ledger = known.Ledger
	}
	merged.Grant = known.Grant
	merged.Targets = maps.Clone(known.Targets)
	if merged.Targets == nil {
		merged.Targets = map[string]ledger.Target{}
	}
	for key, target := range intact.Targets {
		if old, twice := merged.Targets[key]; twice && old.Nonce != target.Nonce {
			merged.Targets[key+retiredMark+"state"] = old
		}
		merged.Targets[key] = target
	}
	if merged.Last == nil {
		merged.Last = map[string]ledger.Verified{}
	}
	merged.Enabled = true // a record that is not whole cannot say that it never was
	return merged
}

// drop removes the accounts that an activation replaced or left out. What
// cannot be confirmed stays in the record and is an error beside a live grant.
func (o *operation) drop(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	failed := &RevokeError{Grant: o.record.Grant, Open: map[string]string{}}
	verified := map[string]ledger.Verified{}
	for key, outcome := range o.each(ctx, keys, revoke) {
		verified[key] = o.removal(key, outcome)
		if verified[key].Open != "" {
			failed.Open[key] = verified[key].Open
		}
	}
	err := o.append(ctx, ledger.VerificationBody{Epoch: o.record.Epoch, Targets: verified})
	if len(failed.Open) > 0 {
		return errors.Join(failed, err)
	}
	return err
}
