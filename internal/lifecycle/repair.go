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

// Repair brings the targets of a live grant back to what is in force: what was
// added by hand goes, and what was removed by hand returns while the identity
// lives, the term runs and the policy does not forbid it. A failed repair
// never tears the grant down.
func (e *Engine) Repair(ctx context.Context, id nhi.ApprovalID) (Record, error) {
	op, err := e.begin(ctx, id)
	if err != nil {
		return op.record, err
	}
	if op.record.Phase != PhaseActive {
		return op.record, fmt.Errorf("%s is not active: %w", id, nhi.ErrEnded)
	}
	if err := e.mayRepair(ctx, op); err != nil {
		return op.record, err
	}
	defer op.forget(ctx)
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(op.record.Targets)), Retired)
	intent, missing, err := op.repairIntent(op.each(ctx, keys, observe))
	if err != nil {
		return op.record, err
	}
	if err := op.append(ctx, intent); err != nil {
		return op.record, err
	}
	prepared := op.each(ctx, missing, prepare)
	if err := failures(prepared); err != nil {
		return op.record, err
	}
	enabledFrom := op.noted(prepared)
	if err := op.append(ctx, ledger.EffectBody{Epoch: op.record.Epoch, Step: "prepare", Targets: enabledFrom}); err != nil {
		return op.record, err
	}
	enabled := op.each(ctx, keys, enable)
	if err := op.append(ctx, ledger.EffectBody{Epoch: op.record.Epoch, Step: "enable", Targets: op.noted(enabled)}); err != nil {
		return op.record, err
	}
	if err := failures(enabled); err != nil {
		return op.record, err
	}
	verified, err := op.confirm(ctx, keys)
	if err != nil {
		return op.record, err
	}
	return op.record, op.append(ctx, ledger.VerificationBody{Epoch: op.record.Epoch, Targets: verified})
}

// mayRepair holds where the access that is in force could be given today.
func (e *Engine) mayRepair(ctx context.Context, op *operation) error {
	request, err := nhi.ParseRequest(op.record.Text)
	if err != nil {
		return err
	}
	standing, err := e.Standing(ctx, op.record.Text)
	if err != nil {
		return err
	}
	if err := op.may(request, standing); err != nil {
		return err
	}
	if ruling := standing.Policy.Rule(request); len(ruling.Denials) > 0 {
		return fmt.Errorf("the policy forbids it now: %s: %w", ruling.Denials[0].Reason, nhi.ErrDenied)
	}
	return op.fenced(ctx)
}

// repairIntent says what is going to be repaired: the accounts as they are,
// and a new one, under a new nonce, for each that is gone.
func (o *operation) repairIntent(seen map[string]connector.Outcome) (ledger.IntentBody, []string, error) {
	intent := ledger.IntentBody{
		Verb: ledger.VerbRepair, Activation: o.record.Activation, Reason: "drifted",
		Request: o.record.Held, Text: o.record.Text, StartedAt: o.record.StartedAt, ExpiresAt: o.record.ExpiresAt,
		Targets: map[string]ledger.Target{},
	}
	var missing []string
	for key, outcome := range seen {
		if outcome.Err != nil {
			return intent, nil, fmt.Errorf("target %q: %w", key, outcome.Err)
		}
		target := o.record.Targets[key]
		if outcome.State == connector.Absent {
			nonce, err := newNonce()
			if err != nil {
				return intent, nil, err
			}
			target.Nonce, target.ID, target.Evidence = nonce, "", ""
			missing = append(missing, key)
		}
		intent.Targets[key] = target
	}
	slices.Sort(missing)
	return intent, missing, nil
}
