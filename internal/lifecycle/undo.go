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
	undone := "nothing"
	if len(e.Undone) > 0 {
		undone = joined(e.Undone)
	}
	text := fmt.Sprintf("%v; undone: %s", e.Cause, undone)
	for _, key := range slices.Sorted(maps.Keys(e.Open)) {
		text += fmt.Sprintf("; target %q is still open: %v", key, e.Open[key])
	}
	return text
}

// Unwrap implements errors.Unwrap over the cause and what is open.
func (e *UndoError) Unwrap() []error {
	return append([]error{e.Cause}, slices.Collect(maps.Values(e.Open))...)
}

// stop ends an activation that failed: it is undone, unless another run has
// taken over. Then everything is that run's to finish, but for what came so
// late that it cannot know of it.
func (o *operation) stop(ctx context.Context, cause error) (Record, error) {
	if err := o.engine.settle(ctx); err != nil {
		return o.record, errors.Join(cause, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoDeadline)
	defer cancel()
	mine := o.record
	if errors.Is(cause, ErrOvertaken) {
		if err := o.reread(ctx); err != nil {
			return o.record, errors.Join(cause, err)
		}
	}
	err := cause
	if o.record.acting == mine.acting {
		err = o.undo(ctx, cause)
	}
	switch {
	case !errors.Is(err, ErrOvertaken):
	case o.record.acting != mine.acting:
		err = errors.Join(err, o.yield(ctx, mine))
	case mine.Changing() && o.record.Phase == PhaseActive: // the use is on record, and only its answer was lost
		err = o.drop(ctx)
	}
	return o.record, err
}

// yield takes back what this run sent after another one had taken over and
// was done: accounts under nonces that the chain does not name any more.
func (o *operation) yield(ctx context.Context, mine Record) error {
	if !o.sent {
		return nil
	}
	known := nonces(o.record.Targets)
	left := slices.DeleteFunc(slices.Sorted(maps.Keys(mine.Targets)), func(key string) bool { return known[mine.Targets[key].Nonce] })
	late := &operation{engine: o.engine, chain: o.chain, record: mine}
	_, open := late.takeAway(ctx, left)
	return revokeError(mine.Grant, open)
}

// undo takes back what an activation added, verified. Over a live grant it
// puts back what was in force, and never tears that down. It goes on where the
// ledger is away: the intent is on record, and says what may be there.
func (o *operation) undo(ctx context.Context, cause error) error {
	if o.record.Changing() {
		failed, err := o.putBack(ctx, cause)
		if err != nil {
			return errors.Join(cause, err)
		}
		return failed
	}
	untouched := o.clean && !o.sent
	if err := o.claim(ctx, func() ledger.IntentBody { return o.undoIntent(cause.Error()) }); err != nil {
		return errors.Join(cause, err)
	}
	failed := &UndoError{Cause: cause, Open: map[string]error{}}
	keys := slices.Sorted(maps.Keys(o.record.Targets))
	verified := neverMade(keys)
	if !untouched {
		verified, failed.Open = o.takeAway(ctx, keys)
	}
	failed.done(keys)
	if err := o.note(ctx, ledger.VerificationBody{Epoch: o.record.acting, Targets: verified}); err != nil {
		failed.Open["ledger"] = err
	}
	if err := o.spool(ctx); err != nil {
		failed.Open["ledger"] = err
	}
	return failed
}

// done notes the targets that are not open as undone.
func (e *UndoError) done(keys []string) {
	for _, key := range keys {
		if e.Open[key] == nil {
			e.Undone = append(e.Undone, key)
		}
	}
	slices.Sort(e.Undone)
}

// putBack puts a live grant back to what was in force before a change that is
// not finished. Where the ledger is away, it does so all the same: the change
// stays on record as unfinished, and is put back once more later. The error is
// ErrOvertaken, and then nothing was done.
func (o *operation) putBack(ctx context.Context, cause error) (*UndoError, error) {
	untouched := o.clean && !o.sent
	if err := o.claim(ctx, func() ledger.IntentBody { return o.returnIntent(cause.Error()) }); err != nil {
		return nil, err
	}
	failed := &UndoError{Cause: cause, Open: map[string]error{}}
	kept, added := o.record.keys(), o.record.retired()
	verified := neverMade(o.without(added, nonces(o.record.before.Targets)))
	if !untouched {
		verified, failed.Open = o.takeAway(ctx, added)
		wrong := o.each(ctx, kept, enable)
		maps.DeleteFunc(wrong, func(_ string, outcome connector.Outcome) bool { return outcome.Err == nil })
		seen, unlike := o.confirm(ctx, slices.DeleteFunc(slices.Clone(kept), func(key string) bool { return wrong[key].Err != nil }))
		maps.Copy(wrong, unlike)
		maps.Copy(verified, seen)
		for key, outcome := range wrong {
			failed.Open[key] = outcome.Err
		}
	}
	failed.done(append(kept, added...))
	if err := o.note(ctx, ledger.VerificationBody{Epoch: o.record.acting, Targets: verified}); err != nil {
		failed.Open["ledger"] = err
	}
	if o.away != nil {
		failed.Open["ledger"] = o.away
	}
	return failed, nil
}
