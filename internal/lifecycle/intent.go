package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// intent says what this activation is going to do, with every name and nonce.
// One that was not finished is finished under its number, and less of what is
// in force stays the same activation.
func (o *operation) intent(request nhi.Request, ask Ask, s Standing, vanished map[string]bool) (ledger.IntentBody, error) {
	intent := ledger.IntentBody{
		Verb: ledger.VerbActivate, Activation: o.record.Activation + 1, Reason: "approved",
		Request: nhi.DigestOf(ask.Text), Text: ask.Text, Heads: s.Heads, Trigger: ask.Trigger, Holder: ask.Holder, Targets: map[string]ledger.Target{},
		StartedAt: s.Now.UTC().Truncate(time.Second),
	}
	intent.ExpiresAt = nhi.Earliest(intent.StartedAt.Add(request.TTL), s.Verdict.NotAfter, s.Identity.ExpiresAt, request.ReusableUntil)
	if o.record.Phase == PhaseUnfinished {
		intent.Activation = o.record.Activation
	}
	if s.CoveredBy != "" {
		intent.Activation = o.record.inForce().Activation
		intent.StartedAt = o.record.StartedAt
		intent.ExpiresAt = nhi.Earliest(o.record.ExpiresAt, intent.StartedAt.Add(request.TTL), s.Identity.ExpiresAt)
	}
	if !intent.ExpiresAt.After(s.Now) {
		return intent, fmt.Errorf("the term would end %s, before it begins: %w", shortTime(intent.ExpiresAt), nhi.ErrEnded)
	}
	for _, key := range request.Access.Keys() {
		target, err := o.place(intent, key, request.Access[key], s, vanished)
		if err != nil {
			return intent, err
		}
		intent.Targets[key] = target
	}
	return intent, nil
}

// inForce is what is in force, or was before a change that is not finished.
func (r *Record) inForce() *Record {
	if r.Changing() {
		return r.before
	}
	return r
}

// place returns one target of an intent: the account that is there already
// where it can serve, else a new one under a new nonce. One that is replaced
// stays in the record as retired, to be removed at the end.
func (o *operation) place(intent ledger.IntentBody, key string, access nhi.Access, s Standing, vanished map[string]bool) (ledger.Target, error) {
	kind, _ := o.engine.Systems.Kind(access.Kind)
	target := ledger.Target{
		System: access.System, Kind: access.Kind, Endpoint: access.Endpoint, Access: access.Settings,
		Principal: kind.Principal(o.record.Grant, key, access.Settings), NotBefore: intent.StartedAt, NotAfter: intent.ExpiresAt,
	}
	adopts := kind.Adoption(access.Settings).Name != ""
	old, same, gone := o.predecessor(key, target, vanished)
	switch {
	case same && kind.Fixed && !gone && old.Access.Equal(target.Access) && old.NotAfter.Equal(target.NotAfter):
		target.Nonce, target.ID, target.Evidence, target.NotBefore = old.Nonce, old.ID, old.Evidence, old.NotBefore
		return target, nil
	case same && !kind.Fixed && gone: // its name and nonce serve again, under another id
		target.Nonce, target.ID = old.Nonce, s.Observed[key].ID
		return target, nil
	case same && !kind.Fixed:
		target.Nonce, target.ID = old.Nonce, old.ID
		adopting := adopts && !o.record.Used[old.Nonce]
		if s.CoveredBy != "" || !o.record.Enabled[old.Nonce] || adopting {
			target.Evidence = old.Evidence // what was noted belongs to this very approval, or says how it was found
		}
		return target, nil
	case adopts:
		target.ID = s.Observed[key].ID // of the account that approvers saw, and no other
	}
	var err error
	target.Nonce, err = newNonce()
	return target, err
}

// predecessor finds the account that stands in the place of a target already:
// the one that is wished under its key, or, where no such one is there, one that
// was replaced, left out or put back and is not confirmed as removed. Under
// another nonce the new one would meet it as something foreign. A system may be
// renamed; its kind and endpoint say where it is.
func (o *operation) predecessor(key string, target ledger.Target, vanished map[string]bool) (old ledger.Target, same, gone bool) {
	stands := func(at string) bool {
		one, exists := o.record.Targets[at]
		return exists && one.Kind == target.Kind && one.Endpoint == target.Endpoint && one.Principal == target.Principal
	}
	kind, _ := o.engine.Systems.Kind(target.Kind)
	if stands(key) || kind.Fixed { // accounts that cannot be changed do not meet
		return o.record.Targets[key], stands(key), vanished[key]
	}
	for _, at := range o.record.retired() {
		if name, _, _ := strings.Cut(at, retiredMark); name != key || !stands(at) {
			continue
		}
		if old, same, gone = o.record.Targets[at], true, vanished[at]; !gone {
			break
		}
	}
	return old, same, gone
}

// vanished looks for the accounts of an unfinished activation, and for those
// that wait for their removal, that were on record and that their targets say
// are gone: an undo that could not be recorded, or a hand, took them away.
func (o *operation) vanished(ctx context.Context) map[string]bool {
	keys := o.record.retired()
	if o.record.Phase == PhaseUnfinished {
		keys = append(keys, o.record.keys()...)
	}
	gone := map[string]bool{}
	for key, outcome := range o.each(ctx, keys, observe) {
		gone[key] = outcome.Err == nil && outcome.State == connector.Absent && o.record.Targets[key].ID != ""
	}
	return gone
}

// newNonce returns 128 random bits in hexadecimal.
func newNonce() (string, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("nonce: %w", err)
	}
	return hex.EncodeToString(random), nil
}

// undoIntent takes back an activation that cannot be finished.
func (o *operation) undoIntent(reason string) ledger.IntentBody {
	intent := o.removalIntent(reason)
	intent.Verb = ledger.VerbUndo
	intent.Request, intent.Text = o.record.intent.Request, o.record.intent.Text
	intent.StartedAt, intent.ExpiresAt = o.record.intent.StartedAt, o.record.intent.ExpiresAt
	return intent
}

// removalIntent is the intent of a revoke: the record's targets, and the end
// of the chain that it was decided on.
func (o *operation) removalIntent(reason string) ledger.IntentBody {
	head := o.chain.Head()
	if o.away != nil && head.Seq == 0 {
		head = o.record.Head // as the caller remembers it
	}
	heads := map[string]nhi.Head{o.chain.Name: head}
	if o.away != nil && head.Seq == 0 {
		heads = nil // whoever knows of no entry is not older than any
	}
	return ledger.IntentBody{
		Verb: ledger.VerbRevoke, Activation: o.record.Activation, Reason: clip(reason),
		Request: o.record.Held, Text: o.record.Text, StartedAt: o.record.StartedAt, ExpiresAt: o.record.ExpiresAt,
		Targets: maps.Clone(o.record.Targets), Heads: heads,
	}
}

// returnIntent puts what was in force back, and retires what a failed change
// has added.
func (o *operation) returnIntent(reason string) ledger.IntentBody {
	before := o.record.before
	intent := ledger.IntentBody{
		Verb: ledger.VerbRepair, Activation: before.Activation, Reason: clip(reason),
		Request: before.Held, Text: before.Text, StartedAt: before.StartedAt, ExpiresAt: before.ExpiresAt,
		Targets: maps.Clone(before.Targets),
	}
	kept := nonces(before.Targets)
	for key, target := range o.record.Targets {
		if !kept[target.Nonce] {
			intent.Targets[retiredKey(intent.Targets, key, o.record.Head.Seq+1)] = target
		}
	}
	return intent
}
