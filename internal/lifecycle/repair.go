package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// errUnfinished is why a change that nobody may finish is put back.
var errUnfinished = errors.New("a change was begun and not finished")

// Repair brings the targets of a live grant back to what is in force: what was
// added by hand goes, what was replaced goes, and what was removed by hand
// returns while the identity lives, the term runs and the policy does not
// forbid it. A change that was begun and not finished is put back. Known is
// what the caller remembers: where another request has come into force since,
// the error is ErrOvertaken. A failed repair never tears the grant down.
func (e *Engine) Repair(ctx context.Context, known Record) (Record, error) {
	op, err := e.begin(ctx, known.Grant)
	if err == nil {
		err = op.continuesHere(known)
	}
	if err != nil {
		return known, err
	}
	op.relies(known.Heads)
	if _, err := e.Root(); err != nil { // what is put back rests on it too
		return op.record, err
	}
	switch {
	case op.record.Phase != PhaseActive && !op.record.Changing():
		return op.record, fmt.Errorf("%s is not active: %w", known.Grant, nhi.ErrEnded)
	case known.Held != "" && known.Held != op.record.Held:
		return op.record, fmt.Errorf("%s is in force, and %s was: %w", op.record.Held.Short(), known.Held.Short(), ErrOvertaken)
	case op.record.Changing():
		return op.repairChange(ctx)
	}
	standing, err := e.mayRepair(ctx, op, known)
	if err != nil {
		return op.record, err
	}
	op.relies(standing.Heads)
	return op.repair(ctx, standing)
}

// repairChange puts back what was in force before a change that is not
// finished. It gives nothing that is not in force, so it asks no policy; what
// has ended does not return.
func (o *operation) repairChange(ctx context.Context) (Record, error) {
	now, err := o.engine.Time(ctx)
	if err != nil {
		return o.record, err
	}
	identity, identities, err := o.engine.identityOf(ctx, o.record)
	if err != nil {
		return o.record, err
	}
	why, blocked := ended(identity, now), o.engine.blockedNow(ctx, o.record, identities)
	switch {
	case why == "" && blocked != "":
		why = "blocked by " + blocked
	case why == "" && overdue(now, o.record.ExpiresAt):
		why = "the term ended " + shortTime(o.record.ExpiresAt)
	}
	if why != "" {
		return o.record, fmt.Errorf("%s: %w", why, nhi.ErrEnded)
	}
	failed, err := o.putBack(ctx, errUnfinished)
	if err == nil && len(failed.Open) > 0 {
		err = failed
	}
	return o.record, err
}

// mayRepair holds where the access that is in force could be given today.
func (e *Engine) mayRepair(ctx context.Context, op *operation, known Record) (Standing, error) {
	request, err := nhi.ParseRequest(op.record.Text)
	if err != nil {
		return Standing{}, err
	}
	standing, err := e.standing(ctx, request, op.record.Text, op.record, nil)
	if err != nil {
		return Standing{}, err
	}
	if err := standing.follows(known.Heads, known.Base); err != nil {
		return standing, err
	}
	if err := op.may(request, standing, false); err != nil {
		return standing, err
	}
	if denials := standing.Verdict.Denials; len(denials) > 0 {
		return standing, fmt.Errorf("the policy forbids it now: %s: %w", denials[0].Reason, nhi.ErrDenied)
	}
	return standing, nil
}

// repair carries out a repair that is allowed.
func (o *operation) repair(ctx context.Context, standing Standing) (Record, error) {
	keys := o.record.keys()
	intent, bare, err := o.repairIntent(o.each(ctx, keys, observe), standing)
	if err != nil {
		return o.record, err
	}
	if err := o.append(ctx, intent); err != nil {
		return o.record, err
	}
	heads := maps.Clone(intent.Heads)
	heads[o.chain.Name] = o.chain.Head()
	if err := o.point(ctx, "heads", before); err != nil {
		return o.record, err
	}
	if err := errors.Join(o.engine.unchanged(ctx, heads), o.point(ctx, "heads", after)); err != nil {
		return o.record, err
	}
	prepared := o.each(ctx, bare, prepare)
	if err := failures(prepared); err != nil {
		return o.record, err
	}
	if err := o.append(ctx, ledger.EffectBody{Epoch: o.record.acting, Step: "prepare", Targets: o.noted(prepared)}); err != nil {
		return o.record, err
	}
	enabled := o.each(ctx, keys, enable)
	if err := o.append(ctx, ledger.EffectBody{Epoch: o.record.acting, Step: "enable", Targets: o.noted(enabled)}); err != nil {
		return o.record, err
	}
	if err := failures(enabled); err != nil {
		return o.record, err
	}
	verified, wrong := o.confirm(ctx, keys)
	if err := o.append(ctx, ledger.VerificationBody{Epoch: o.record.acting, Targets: verified}); err != nil {
		return o.record, err
	}
	if err := failures(wrong); err != nil {
		return o.record, err
	}
	err = o.drop(ctx)
	return o.record, err
}

// repairIntent says what is going to be repaired: the accounts as they are,
// and a new one, under a new nonce, for each that is gone. Bare are those that
// are made, or made inert, first: the new ones, and those of a repair that was
// not finished. One that is gone without proof stays on record as retired.
func (o *operation) repairIntent(seen map[string]connector.Outcome, standing Standing) (intent ledger.IntentBody, bare []string, err error) {
	intent = ledger.IntentBody{
		Verb: ledger.VerbRepair, Activation: o.record.Activation, Reason: "drifted",
		Request: o.record.Held, Text: o.record.Text, StartedAt: o.record.StartedAt, ExpiresAt: o.record.ExpiresAt,
		Targets: map[string]ledger.Target{}, Heads: standing.Heads,
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		target, outcome := o.record.Targets[key], seen[key]
		if outcome.Err != nil {
			return intent, nil, fmt.Errorf("target %q: %w", key, outcome.Err)
		}
		if outcome.State == connector.Inert || target.ID == "" && outcome.State != connector.Unknown {
			bare = append(bare, key)
		}
		if outcome.State == connector.Absent && o.adopts(key) {
			return intent, nil, fmt.Errorf("target %q: the account %s that was taken over is gone, and only who made it can make it again: end this grant, or leave the target out: %w",
				key, target.Principal, nhi.ErrEnded)
		}
		if outcome.State == connector.Absent {
			if !outcome.Verified {
				intent.Targets[retiredKey(o.record.Targets, key, o.record.Head.Seq+1)] = target
			}
			if target.Nonce, err = newNonce(); err != nil {
				return intent, nil, err
			}
			target.Evidence, target.ID = "", ""
			if !slices.Contains(bare, key) {
				bare = append(bare, key)
			}
		}
		intent.Targets[key] = target
	}
	return intent, bare, nil
}
