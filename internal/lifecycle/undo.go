package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// undoDeadline bounds an undo, which goes on after its run was cancelled.
const undoDeadline = 2 * time.Minute

// UndoError says that a step failed, what was undone, and what could not be.
type UndoError struct {
	Cause  error
	Undone []string         // targets that hold nothing of the step any more
	Open   map[string]error // targets whose undo is not confirmed, and why
}

// Error implements error.
func (e *UndoError) Error() string {
	text := fmt.Sprintf("%v; undone: %s", e.Cause, orNone(e.Undone))
	for _, key := range slices.Sorted(maps.Keys(e.Open)) {
		text += fmt.Sprintf("; target %q is still open: %v", key, e.Open[key])
	}
	return text
}

// Unwrap implements errors.Unwrap over the cause and what is open.
func (e *UndoError) Unwrap() []error {
	return append([]error{e.Cause}, slices.Collect(maps.Values(e.Open))...)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return joined(names)
}

// undo takes back what an activation added, verified. Over a live grant it
// puts back what was in force, and never tears that down.
func (o *operation) undo(ctx context.Context, cause error) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoDeadline)
	defer cancel()
	if o.record.before != nil {
		return o.record, o.restore(ctx, cause)
	}
	failed := &UndoError{Cause: cause, Open: map[string]error{}}
	if err := o.append(ctx, o.again(ledger.VerbUndo, cause.Error())); err != nil {
		return o.record, errors.Join(cause, fmt.Errorf("the undo could not be recorded: %w", err))
	}
	keys := slices.Sorted(maps.Keys(o.record.Targets))
	outcomes := o.each(ctx, keys, revoke)
	verified := map[string]ledger.Verified{}
	for _, key := range keys {
		verified[key] = o.removal(key, outcomes[key])
		if verified[key].Open != "" {
			failed.Open[key] = outcomes[key].Err
			continue
		}
		failed.Undone = append(failed.Undone, key)
	}
	if err := o.append(ctx, ledger.VerificationBody{Epoch: o.record.Epoch, Targets: verified}); err != nil {
		failed.Open["ledger"] = err
	}
	return o.record, failed
}

// again is an intent for the targets as they are recorded.
func (o *operation) again(verb, reason string) ledger.IntentBody {
	return ledger.IntentBody{
		Verb: verb, Activation: o.record.Activation, Reason: clip(reason),
		Request: o.record.intent.Request, Text: o.record.intent.Text,
		StartedAt: o.record.intent.StartedAt, ExpiresAt: o.record.intent.ExpiresAt,
		Targets: map[string]ledger.Target{},
	}
}

// clip bounds what an error adds to the record.
func clip(text string) string {
	const limit = 400
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// restore puts a live grant back to what was in force before a failed change.
func (o *operation) restore(ctx context.Context, cause error) error {
	before := o.record.before
	intent := o.again(ledger.VerbRepair, cause.Error())
	intent.Activation, intent.Request, intent.Text = before.Activation, before.Held, before.Text
	intent.StartedAt, intent.ExpiresAt = before.StartedAt, before.ExpiresAt
	intent.Targets = maps.Clone(before.Targets)
	failed := &UndoError{Cause: cause, Open: map[string]error{}}
	if err := o.append(ctx, intent); err != nil {
		return errors.Join(cause, fmt.Errorf("what was in force could not be put back: %w", err))
	}
	_, added := o.sorted(intent)
	kept := slices.DeleteFunc(slices.Sorted(maps.Keys(before.Targets)), Retired)
	verified := map[string]ledger.Verified{}
	for key, outcome := range o.each(ctx, added, revoke) {
		verified[key] = o.removal(key, outcome)
		failed.note(key, verified[key], outcome.Err)
	}
	for key, outcome := range o.each(ctx, kept, enable) {
		if outcome.Err != nil {
			failed.Open[key] = outcome.Err
			continue
		}
		verified[key] = ledger.Verified{State: string(outcome.State), Verified: outcome.Verified, Privileges: outcome.Privileges, UsableUntil: outcome.UsableUntil}
		failed.Undone = append(failed.Undone, key)
	}
	if err := o.append(ctx, ledger.VerificationBody{Epoch: o.record.Epoch, Targets: verified}); err != nil {
		failed.Open["ledger"] = err
	}
	slices.Sort(failed.Undone)
	return failed
}

func (e *UndoError) note(key string, verified ledger.Verified, err error) {
	if verified.Open != "" {
		e.Open[key] = err
		return
	}
	e.Undone = append(e.Undone, key)
}

// removal turns the outcome of a revoke into what is recorded of it. Where no
// effect ever gave an id, a namesake that is not ours means that nothing of
// ours was made; where one did, it is no proof that ours is gone.
func (o *operation) removal(key string, outcome connector.Outcome) ledger.Verified {
	verified := ledger.Verified{State: string(outcome.State), Verified: outcome.Verified, Privileges: outcome.Privileges, UsableUntil: outcome.UsableUntil}
	switch {
	case errors.Is(outcome.Err, nhi.ErrForeign) && o.record.Targets[key].ID == "":
		return ledger.Verified{State: string(connector.Foreign), Verified: true}
	case outcome.Err != nil:
		verified.Open = clip(outcome.Err.Error())
	case outcome.State != connector.Absent && outcome.State != connector.Unknown:
		verified.Open = "it is still " + string(outcome.State)
	}
	return verified
}
