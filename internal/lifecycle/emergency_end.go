package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// RevokeEmergency ends what an emergency holds, from what this machine
// remembers and what the ledger says, as Revoke does. It needs no signature
// and no ledger. An attempt that was never finished is taken back, and the
// emergency may be granted again. nhi.ErrInvalid where neither this machine nor
// the ledger knows of the emergency.
func (e *Engine) RevokeEmergency(ctx context.Context, text, reason string) (Removal, error) {
	emergency, err := nhi.ParseEmergency(text)
	if err != nil {
		return Removal{}, err
	}
	digest := nhi.DigestOf(text)
	memory, recallErr := e.recallEmergency(emergency.Ledger, digest)
	if recallErr != nil {
		memory = emergencyMemory{Emergency: digest, Record: Record{Grant: emergency.Grant, Ledger: emergency.Ledger}}
	}
	behind := e.Flush(ctx) // what was done must stand in the ledger before its end
	if op, err := e.begin(ctx, emergency.Grant); err == nil && !op.unheard(memory.Record) {
		behind = nil // what is left in the spool is about something else
	}
	if err := e.hasBegun(ctx, emergency, digest, recallErr); err != nil {
		return Removal{}, err
	}
	removal, err := e.revoke(ctx, memory.Record, reason, behind)
	if recallErr == nil {
		memory.Record = removal.Record
		err = errors.Join(err, e.settleEmergency(memory))
	}
	return removal, err
}

// hasBegun holds where this machine, or the ledger, knows of an emergency, and
// what the grant holds is this one's.
func (e *Engine) hasBegun(ctx context.Context, emergency nhi.Emergency, digest nhi.Digest, recallErr error) error {
	op, err := e.begin(ctx, emergency.Grant)
	if err == nil && op.record.holds() && op.record.intent.Verb == ledger.VerbActivate && op.record.intent.Request != digest {
		return fmt.Errorf("%s holds other access than this emergency's: %w", emergency.Grant, nhi.ErrInvalid)
	}
	if recallErr == nil || !notBegun(recallErr) || err == nil && op.named(digest) {
		return nil
	}
	return fmt.Errorf("neither this machine nor the ledger knows of this emergency: %w", errors.Join(nhi.ErrInvalid, err))
}

// named says whether an intent of the chain is an emergency's.
func (o *operation) named(emergency nhi.Digest) bool {
	for _, entry := range o.chain.Entries {
		if intent, ok := entry.Body.(ledger.IntentBody); ok && intent.Request == emergency {
			return true
		}
	}
	return false
}

// IssueEmergency makes a credential for one target of an emergency that is in
// force on this machine, until its end. Where the ledger answers, it must hold
// it as active too. nhi.ErrEnded where it is not in force, nhi.ErrInvalid for a
// target that issues nothing.
func (e *Engine) IssueEmergency(ctx context.Context, text, target string, clock func() time.Time) (Issued, error) {
	emergency, err := nhi.ParseEmergency(text)
	if err != nil {
		return Issued{}, err
	}
	memory, err := e.recallEmergency(emergency.Ledger, nhi.DigestOf(text))
	if err != nil {
		return Issued{}, fmt.Errorf("this machine has not granted the emergency: %w", err)
	}
	record, now := memory.Record, clock().UTC()
	_ = e.Flush(ctx) // what cannot be recorded yet is no reason to wait
	if op, err := e.begin(ctx, emergency.Grant); err == nil && op.named(nhi.DigestOf(text)) {
		if record, now, err = e.leased(ctx, Lease{emergency.Grant, op.record.Activation}); err != nil {
			return Issued{}, err
		}
	}
	if record.Phase != PhaseActive || record.Held != nhi.DigestOf(text) {
		return Issued{}, fmt.Errorf("the emergency is not in force: %w", nhi.ErrEnded)
	}
	if err := EmergencyInTime(emergency, now); err != nil {
		return Issued{}, err
	}
	return e.issue(ctx, record, target, emergency.NotAfter, nil)
}
