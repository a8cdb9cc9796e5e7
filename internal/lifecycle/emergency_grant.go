package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// GrantedEmergency is how the grant of an emergency ended.
type GrantedEmergency struct {
	Record Record
	// Away says why the ledger could not be asked; then what was done waits in
	// the spool. Nil where it is recorded.
	Away error
}

// GrantEmergency puts an emergency in force on every target, or on none, as
// Activate does. It is verified against the pinned root first; then this
// machine claims it, and its intent is durable, before the first effect: in the
// ledger where that answers, and else in the spool, together with all that
// follows. Clock is this machine's time, which counts while the ledger's cannot
// be asked.
//
// Errors before any effect: those of CheckEmergency, nhi.ErrSpent for one that
// was used here or by the ledger, nhi.ErrEnded where identity or grant were
// ended or the grant holds access already; *UndoError after one.
func (e *Engine) GrantEmergency(ctx context.Context, signed SignedEmergency, clock func() time.Time) (GrantedEmergency, error) {
	now := func(context.Context) (time.Time, error) { return clock().UTC(), nil }
	op, away, err := e.beginEmergency(ctx, signed)
	if err != nil {
		return GrantedEmergency{}, err
	}
	if away == nil {
		now = e.Time
	}
	at, err := now(ctx)
	if err != nil {
		return GrantedEmergency{}, err
	}
	emergency, err := e.CheckEmergency(signed, at)
	if err != nil {
		return GrantedEmergency{}, err
	}
	intent, err := op.emergencyIntent(ctx, emergency, signed, at)
	if err != nil {
		return GrantedEmergency{}, err
	}
	memory := emergencyMemory{Emergency: signed.digest(), Record: op.record}
	if err := e.claimEmergency(memory); err != nil {
		return GrantedEmergency{}, err
	}
	op.remember = func(record Record) error {
		memory.Record = record
		return e.rememberEmergency(memory)
	}
	record, err := op.grantEmergency(ctx, intent, signed, now)
	memory.Record, memory.Used = record, record.Phase == PhaseActive
	return GrantedEmergency{Record: record, Away: away}, errors.Join(err, e.settleEmergency(memory))
}

// beginEmergency reads the grant's chain where the ledger answers. Away says
// why it does not: then the operation records in the spool. Another ledger, and
// a chain that is not whole, are errors: there somebody can tell what was
// used, and says otherwise.
func (e *Engine) beginEmergency(ctx context.Context, signed SignedEmergency) (op *operation, away, err error) {
	emergency, err := nhi.ParseEmergency(signed.Text)
	if err != nil {
		return nil, nil, err
	}
	book, err := e.Book()
	if err == nil {
		if book.ID() != emergency.Ledger {
			return nil, nil, fmt.Errorf("the emergency is for ledger %s, and this is ledger %s: %w", emergency.Ledger, book.ID(), nhi.ErrInvalid)
		}
		if err := e.Flush(ctx); err != nil && !errors.Is(err, nhi.ErrUnreachable) {
			return nil, nil, err
		}
		op, err = e.begin(ctx, emergency.Grant)
	}
	switch {
	case err == nil:
		err = op.unused(signed.digest())
		return op, nil, err
	case op != nil && !errors.Is(err, nhi.ErrUnreachable):
		return op, nil, err
	}
	op = &operation{engine: e, chain: ledger.Chain{Name: ledger.GrantChain(emergency.Grant)}, away: err}
	op.record = Fold(emergency.Grant, op.chain)
	op.record.Ledger = emergency.Ledger
	op.growing = e.spoolOf(emergency.Ledger).Grow(op.chain.Name)
	return op, err, nil
}

// unused holds where the ledger knows of no use of an emergency, and the grant
// holds nothing that it would collide with.
func (o *operation) unused(emergency nhi.Digest) error {
	switch {
	case o.record.Uses[emergency] > 0:
		return fmt.Errorf("the ledger holds a use of this emergency, and it serves once: %w", nhi.ErrSpent)
	case o.record.holds():
		return fmt.Errorf("%s holds access already (%s): end that first, or make an emergency of another name: %w",
			o.record.Grant, o.record.Phase, nhi.ErrEnded)
	}
	return nil
}

// emergencyIntent says what is going to be done. Where the ledger answers,
// identity and grant must not have been ended by it.
func (o *operation) emergencyIntent(ctx context.Context, emergency nhi.Emergency, signed SignedEmergency, now time.Time) (ledger.IntentBody, error) {
	intent := ledger.IntentBody{
		Verb: ledger.VerbActivate, Request: signed.digest(), Text: signed.Text, Reason: clip("emergency: " + emergency.Reason),
		StartedAt: now.UTC().Truncate(time.Second), ExpiresAt: emergency.NotAfter, Targets: map[string]ledger.Target{},
	}
	if o.growing == nil {
		heads, err := o.emergencyHeads(ctx, emergency, now)
		if err != nil {
			return intent, err
		}
		intent.Heads = heads
	}
	for _, key := range emergency.Access.Keys() {
		access := emergency.Access[key]
		kind, _ := o.engine.Systems.Kind(access.Kind)
		nonce, err := newNonce()
		if err != nil {
			return intent, err
		}
		intent.Targets[key] = ledger.Target{
			System: access.System, Kind: access.Kind, Endpoint: access.Endpoint, Access: access.Settings, Nonce: nonce,
			Principal: kind.Principal(emergency.Grant, key, access.Settings), NotBefore: intent.StartedAt, NotAfter: intent.ExpiresAt,
		}
	}
	return intent, nil
}

// emergencyHeads holds an emergency against what the ledger says of its
// identity, its grant and its root, and returns the heads that this rests on.
func (o *operation) emergencyHeads(ctx context.Context, emergency nhi.Emergency, now time.Time) (map[string]nhi.Head, error) {
	trust, err := o.engine.Trust()
	if err != nil {
		return nil, err
	}
	if _, err := trust.EmergencyRoot(nhi.DigestOf(emergency.Root), now); err != nil {
		return nil, err
	}
	held := o.record
	held.Text = mustEmergency(emergency)
	identity, identities, err := o.engine.identityOf(ctx, held)
	if err != nil {
		return nil, err
	}
	if why := ended(identity, now); why != "" {
		return nil, fmt.Errorf("%s: %w", why, nhi.ErrEnded)
	}
	if by := o.engine.blockedNow(ctx, held, identities); by != "" {
		return nil, fmt.Errorf("blocked by %s: %w", by, nhi.ErrEnded)
	}
	return map[string]nhi.Head{identities.Name: identities.Head()}, nil
}

func mustEmergency(emergency nhi.Emergency) string {
	text, _ := emergency.Text() // it was parsed from one
	return text
}

// grantEmergency writes the intent and what proves it, and carries it out.
func (o *operation) grantEmergency(ctx context.Context, intent ledger.IntentBody, signed SignedEmergency, now func(context.Context) (time.Time, error)) (Record, error) {
	emergency, err := nhi.ParseEmergency(signed.Text)
	if err != nil {
		return o.record, err
	}
	proof := ledger.EmergencyBody{Text: signed.Text, Signatures: signed.Signatures, Root: nhi.DigestOf(emergency.Root)}
	o.clean = true
	if err := o.append(ctx, intent, proof); err != nil {
		if o.record.Phase == PhaseNone || o.record.Phase == PhaseRevoked {
			return o.record, err // not even the intent is there
		}
		return o.stop(ctx, err)
	}
	return o.activate(ctx, intent, func(ctx context.Context) error {
		if o.growing == nil {
			heads := maps.Clone(intent.Heads)
			heads[o.chain.Name] = o.chain.Head()
			if err := o.engine.unchanged(ctx, heads); err != nil {
				return err
			}
		}
		at, err := now(ctx)
		if err != nil {
			return err
		}
		return EmergencyInTime(emergency, at)
	})
}

// spoolOn records bodies in the spool, in place of the ledger.
func (o *operation) spoolOn(bodies ...ledger.Body) error {
	if err := o.growing.Append(bodies...); err != nil {
		return fmt.Errorf("neither the ledger nor the spool takes a record: %w", errors.Join(o.away, err))
	}
	for _, body := range bodies {
		o.record.add(ledger.Entry{Ledger: o.record.Ledger, Chain: o.chain.Name, Body: body})
	}
	return nil
}
