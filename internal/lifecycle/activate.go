package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Ask is what is wished of a grant: a request, by its text, the value of the
// trigger that it is for, and who asks.
type Ask struct {
	Text    string
	Trigger string
	Holder  string // names the resource instance
}

// Activate puts a request in force on every target, or on none. It evaluates
// policy, decisions and identity again, writes its intent, reads again what it
// relied on, makes every account inert, then enables all, reads all back, and
// records the use. A grant that is active under this very request (and, where it may
// be used again, for this very trigger) is left in peace, but for what it has replaced and not removed yet. Known is what the caller remembers: on a ledger that does not go on
// from there, nothing is granted.
//
// Errors: nhi.ErrNotApproved, nhi.ErrDenied, nhi.ErrSpent, nhi.ErrEnded,
// ErrPolicy, ErrNoTrustedLedger, ErrShortened, ErrOvertaken before any effect;
// *UndoError after one; *RevokeError beside an active record where something
// that was replaced is not confirmed as removed.
func (e *Engine) Activate(ctx context.Context, ask Ask, known Record) (Record, error) {
	request, err := nhi.ParseRequest(ask.Text)
	if err != nil {
		return known, err
	}
	if known.Grant == "" {
		known.Grant = request.Approval
	}
	if known.Grant != request.Approval {
		return known, fmt.Errorf("the request is for %s, and the grant is %s: %w", request.Approval, known.Grant, nhi.ErrInvalid)
	}
	if err := e.PublishPolicy(ctx); err != nil {
		return known, err
	}
	op, err := e.beginAnew(ctx, known)
	if err != nil {
		return op.record, err
	}
	standing, err := e.standing(ctx, request, ask.Text, op.record, &ask.Trigger)
	if err != nil {
		return op.record, err
	}
	if err := standing.follows(known.Heads, known.Base); err != nil {
		return op.record, err
	}
	e.listen(ctx, &standing, request, ask.Text, op.record, &ask.Trigger)
	if err := e.recordDecisions(ctx, &standing, request.Approval); err != nil {
		return op.record, err
	}
	if err := e.recordConfirmation(ctx, &standing); err != nil {
		return op.record, err
	}
	op.relies(standing.Heads)
	return op.start(ctx, request, ask, standing)
}

// beginAnew reads a grant that is to be given or mended, and finishes a
// removal that is still open: only what is gone can come back. After an error
// the record is what the caller remembers.
func (e *Engine) beginAnew(ctx context.Context, known Record) (*operation, error) {
	op, err := e.begin(ctx, known.Grant)
	if err == nil {
		err = op.continuesHere(known)
	}
	if err != nil {
		op.record = known
		return op, err
	}
	op.relies(known.Heads)
	if op.record.Phase != PhaseRevoking {
		return op, nil
	}
	removal, err := e.Revoke(ctx, op.record, "an earlier removal was not finished")
	if err != nil {
		op.record = removal.Record
		return op, err
	}
	again, err := e.begin(ctx, known.Grant)
	again.relies(known.Heads)
	return again, err
}

// start holds an activation against everything that speaks against it, and
// writes its intent.
func (o *operation) start(ctx context.Context, request nhi.Request, ask Ask, standing Standing) (Record, error) {
	again := !request.ReusableUntil.IsZero() && o.record.Trigger != ask.Trigger
	if err := o.may(request, standing, again); err != nil {
		return o.refuse(ctx, err)
	}
	if o.record.Phase == PhaseActive && o.record.Held == nhi.DigestOf(ask.Text) && !again {
		err := errors.Join(o.hold(ctx, ask.Holder), o.drop(ctx))
		return o.record, err
	}
	if !standing.Approved() {
		return o.refuse(ctx, standing.denied(request.Approval))
	}
	intent, err := o.intent(request, ask, standing, o.vanished(ctx))
	if err != nil {
		return o.record, err
	}
	o.clean = o.record.Phase == PhaseActive || !o.record.holds()
	if err := o.append(ctx, intent); err != nil {
		return o.record, err
	}
	return o.activate(ctx, intent, func(ctx context.Context) error { return o.stillTrue(ctx, intent, standing) })
}

// refuse gives nothing. What an earlier run has begun under the same grant and
// not finished is undone too: nobody may finish it any more.
func (o *operation) refuse(ctx context.Context, cause error) (Record, error) {
	stale := o.record.Phase == PhaseUnfinished && !o.record.Changing()
	for _, final := range []error{nhi.ErrEnded, nhi.ErrNotApproved, nhi.ErrDenied, nhi.ErrSpent} {
		if stale && errors.Is(cause, final) {
			err := o.undo(ctx, cause)
			return o.record, err
		}
	}
	return o.record, cause
}

// may holds where nothing speaks against access as such: the identity lives,
// nobody blocked the grant, no removal is open, and every system leads where
// the request says. Again says that a term which ended does not matter, because
// another one of the same request is asked for.
func (o *operation) may(request nhi.Request, standing Standing, again bool) error {
	if why := ended(standing.Identity, standing.Now); why != "" {
		return fmt.Errorf("%s: %w", why, nhi.ErrEnded)
	}
	if by := standing.Blocked(); by != "" {
		return fmt.Errorf("blocked by %s: %w", by, nhi.ErrEnded)
	}
	if o.record.Phase == PhaseRevoking {
		return fmt.Errorf("an earlier removal is still open: %w", nhi.ErrUnconfirmed)
	}
	held := o.record.Held == nhi.DigestOf(mustText(request))
	if held && !again && o.record.Phase == PhaseActive && overdue(standing.Now, o.record.ExpiresAt) {
		return fmt.Errorf("the term ended %s: %w", shortTime(o.record.ExpiresAt), nhi.ErrEnded)
	}
	for _, key := range request.Access.Keys() {
		access := request.Access[key]
		if err := o.engine.Systems.Check(ledger.Target{System: access.System, Kind: access.Kind, Endpoint: access.Endpoint}); err != nil {
			return fmt.Errorf("target %q: %w", key, err)
		}
	}
	return nil
}

// activate carries out an intent that is on disk, if what it rests on is still
// true. Every effect comes right after an entry of this run's own, so that a
// run that was overtaken sends none.
func (o *operation) activate(ctx context.Context, intent ledger.IntentBody, stillTrue func(context.Context) error) (Record, error) {
	if err := stillTrue(ctx); err != nil {
		return o.stop(ctx, err)
	}
	wished := o.record.keys()
	prepared := o.each(ctx, o.unheld(wished), prepare)
	made := o.noted(prepared)
	if err := failures(prepared); err != nil {
		o.learn(made)
		return o.stop(ctx, err)
	}
	// From here on Enable may have begun: this entry is what says so.
	if err := o.append(ctx, ledger.EffectBody{Epoch: o.record.acting, Step: "prepare", Targets: made}); err != nil {
		o.learn(made)
		return o.stop(ctx, err)
	}
	enabled := o.each(ctx, wished, enable)
	if err := o.append(ctx, ledger.EffectBody{Epoch: o.record.acting, Step: "enable", Targets: o.noted(enabled)}); err != nil {
		return o.stop(ctx, errors.Join(failures(enabled), err))
	}
	if err := failures(enabled); err != nil {
		return o.stop(ctx, err)
	}
	verified, wrong := o.confirm(ctx, wished)
	if err := failures(wrong); err != nil {
		return o.stop(ctx, err)
	}
	if err := o.append(ctx, ledger.VerificationBody{Epoch: o.record.acting, Targets: verified}); err != nil {
		return o.stop(ctx, err)
	}
	if err := o.append(ctx, ledger.UseBody{Epoch: o.record.acting, Activation: intent.Activation, Request: intent.Request}); err != nil {
		return o.stop(ctx, err)
	}
	err := o.drop(ctx)
	return o.record, err
}

// stillTrue reads again, behind the intent and before the first effect, what
// the activation rests on: the chains, and the dates by the ledger's time.
func (o *operation) stillTrue(ctx context.Context, intent ledger.IntentBody, standing Standing) error {
	heads := maps.Clone(intent.Heads)
	heads[o.chain.Name] = o.chain.Head()
	if err := o.point(ctx, "heads", before); err != nil {
		return err
	}
	if err := errors.Join(o.engine.unchanged(ctx, heads), o.point(ctx, "heads", after)); err != nil {
		return err
	}
	now, err := o.engine.Time(ctx)
	if err != nil {
		return err
	}
	return standing.lapsed(intent, now)
}

// unheld returns the targets that are not in force yet: an account of a live
// grant must not be stripped.
func (o *operation) unheld(keys []string) []string {
	if o.record.before == nil {
		return keys
	}
	inForce := map[string]ledger.Target{}
	for _, key := range o.record.before.keys() {
		inForce[key] = o.record.before.Targets[key]
	}
	return o.without(keys, nonces(inForce))
}

// without returns the targets whose nonces are not among these.
func (o *operation) without(keys []string, held map[string]bool) []string {
	var unheld []string
	for _, key := range keys {
		if !held[o.record.Targets[key].Nonce] {
			unheld = append(unheld, key)
		}
	}
	return unheld
}

// drop removes the accounts that were replaced or left out. What cannot be
// confirmed stays in the record and is a *RevokeError beside a live grant.
func (o *operation) drop(ctx context.Context) error {
	keys := o.record.retired()
	if len(keys) == 0 {
		return nil
	}
	o.verb = verbDrop
	verified, open := o.takeAway(ctx, keys)
	err := o.append(ctx, ledger.VerificationBody{Epoch: o.record.acting, Targets: verified})
	if err != nil {
		open["ledger"] = err
	}
	return revokeError(o.record.Grant, open)
}
