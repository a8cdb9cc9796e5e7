package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Activate puts a request in force on every target, or on none. It evaluates
// policy, decisions and identity again, writes its intent, reads again what it
// relied on, makes every account inert, then enables all, reads all back, and
// records the use. A grant that is active under this very request is left in
// peace. Errors: nhi.ErrNotApproved, nhi.ErrDenied, nhi.ErrSpent, nhi.ErrEnded,
// ErrPolicy, ErrNoTrustedLedger, ErrOvertaken before any effect; *UndoError
// after one.
func (e *Engine) Activate(ctx context.Context, text string) (Record, error) {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return Record{}, err
	}
	if err := e.PublishPolicy(ctx); err != nil {
		return Record{}, err
	}
	standing, err := e.Standing(ctx, text)
	if err != nil {
		return Record{}, err
	}
	op, err := e.begin(ctx, request.Approval)
	if err != nil {
		return op.record, err
	}
	if op.record.Phase == PhaseRevoking {
		if removal, err := e.Revoke(ctx, op.record, "an earlier removal was not finished"); err != nil {
			return removal.Record, err
		}
		if op, err = e.begin(ctx, request.Approval); err != nil {
			return op.record, err
		}
	}
	if err := op.may(request, standing); err != nil {
		return op.record, err
	}
	if op.record.Phase == PhaseActive && op.record.Held == nhi.DigestOf(text) {
		return op.record, nil
	}
	if !standing.Approved() {
		return op.record, standing.denied(request.Approval)
	}
	if err := e.recordDecisions(ctx, &standing, request.Approval); err != nil {
		return op.record, err
	}
	intent, err := op.intent(request, text, standing)
	if err != nil {
		return op.record, err
	}
	if err := op.append(ctx, intent); err != nil {
		return op.record, err
	}
	return op.activate(ctx, intent)
}

// may holds where nothing speaks against access as such: the identity lives,
// nobody blocked the grant, no removal is open, and every system leads where
// the request says.
func (o *operation) may(request nhi.Request, standing Standing) error {
	if why := ended(standing.Identity, standing.Now); why != "" {
		return fmt.Errorf("%s: %w", why, nhi.ErrEnded)
	}
	if o.record.Blocked != "" {
		return fmt.Errorf("blocked by %s: %w", o.record.Blocked, nhi.ErrEnded)
	}
	if o.record.Phase == PhaseRevoking {
		return fmt.Errorf("an earlier removal is still open on %s: %w", joined(slices.Sorted(maps.Keys(o.record.Targets))), nhi.ErrUnconfirmed)
	}
	held := o.record.Phase == PhaseActive && o.record.Held == nhi.DigestOf(mustText(request))
	if held && overdue(Facts{Now: standing.Now, ExpiresAt: o.record.ExpiresAt}) {
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

// recordDecisions appends the decisions that came as files, before the intent
// that rests on them.
func (e *Engine) recordDecisions(ctx context.Context, s *Standing, id nhi.ApprovalID) error {
	if len(s.fresh) == 0 {
		return nil
	}
	book, err := e.Book()
	if err != nil {
		return err
	}
	bodies := make([]ledger.Body, len(s.fresh))
	for i, decision := range s.fresh {
		bodies[i] = ledger.DecisionBody{SignedDecision: decision}
	}
	chain, err := book.Append(ctx, s.chain, bodies...)
	if err != nil {
		return err
	}
	s.chain, s.fresh = chain, nil
	s.Heads[ledger.ApprovalChain(id)] = chain.Head()
	return nil
}

// intent says what this activation is going to do, with every name and nonce.
func (o *operation) intent(request nhi.Request, text string, s Standing) (ledger.IntentBody, error) {
	intent := ledger.IntentBody{
		Verb: ledger.VerbActivate, Activation: o.record.Activation + 1, Reason: "approved",
		Request: nhi.DigestOf(text), Text: text, Heads: s.Heads, Targets: map[string]ledger.Target{},
		StartedAt: s.Now.UTC().Truncate(time.Second),
	}
	intent.ExpiresAt = nhi.Earliest(intent.StartedAt.Add(request.TTL), s.Verdict.NotAfter, s.Identity.ExpiresAt, request.ReusableUntil)
	if o.record.Phase == PhaseUnfinished || s.CoveredBy != "" {
		intent.Activation = o.record.Activation
	}
	if s.CoveredBy != "" {
		intent.StartedAt = o.record.StartedAt
		intent.ExpiresAt = nhi.Earliest(o.record.ExpiresAt, intent.StartedAt.Add(request.TTL), s.Identity.ExpiresAt)
	}
	if !intent.ExpiresAt.After(s.Now) {
		return intent, fmt.Errorf("the term would end %s, before it begins: %w", shortTime(intent.ExpiresAt), nhi.ErrEnded)
	}
	for _, key := range request.Access.Keys() {
		if err := o.place(&intent, key, request.Access[key]); err != nil {
			return intent, err
		}
	}
	return intent, nil
}

// place adds one target to an intent: the account that is there already where
// it can serve, else a new one under a new nonce. One that is replaced stays
// in the intent as retired, to be removed at the end.
func (o *operation) place(intent *ledger.IntentBody, key string, access nhi.Access) error {
	target := ledger.Target{
		System: access.System, Kind: access.Kind, Endpoint: access.Endpoint, Access: access.Settings,
		Principal: nhi.Principal(o.record.Grant, key), NotBefore: intent.StartedAt, NotAfter: intent.ExpiresAt,
	}
	old, exists := o.record.Targets[key]
	same := exists && old.System == target.System && old.Kind == target.Kind && old.Endpoint == target.Endpoint
	kind, _ := o.engine.Systems.Kind(access.Kind)
	fits := same && (!kind.Fixed || old.Access.Equal(target.Access) && old.NotAfter.Equal(target.NotAfter))
	if fits {
		target.Nonce, target.ID, target.Evidence = old.Nonce, old.ID, old.Evidence
		if kind.Fixed {
			target.NotBefore = old.NotBefore
		}
		intent.Targets[key] = target
		return nil
	}
	if exists {
		intent.Targets[key+retiredMark+strconv.FormatUint(o.record.Head.Seq, 10)] = old
	}
	nonce, err := newNonce()
	target.Nonce = nonce
	intent.Targets[key] = target
	return err
}

// newNonce returns 128 random bits in hexadecimal.
func newNonce() (string, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("nonce: %w", err)
	}
	return hex.EncodeToString(random), nil
}

// activate carries out an intent that is on disk.
func (o *operation) activate(ctx context.Context, intent ledger.IntentBody) (Record, error) {
	defer o.forget(ctx)
	if err := o.engine.unchanged(ctx, intent.Heads); err != nil {
		return o.undo(ctx, err)
	}
	wished, unwished := o.sorted(intent)
	prepared := o.each(ctx, o.fresh(wished), prepare)
	if err := failures(prepared); err != nil {
		return o.undo(ctx, err)
	}
	// From here on Enable may have begun: this entry is what says so.
	if err := o.append(ctx, ledger.EffectBody{Epoch: o.record.Epoch, Step: "prepare", Targets: o.noted(prepared)}); err != nil {
		return o.stop(ctx, err)
	}
	enabled := o.each(ctx, wished, enable)
	if err := o.append(ctx, ledger.EffectBody{Epoch: o.record.Epoch, Step: "enable", Targets: o.noted(enabled)}); err != nil {
		return o.stop(ctx, err)
	}
	if err := failures(enabled); err != nil {
		return o.undo(ctx, err)
	}
	verified, err := o.confirm(ctx, wished)
	if err != nil {
		return o.undo(ctx, err)
	}
	err = o.append(ctx, ledger.VerificationBody{Epoch: o.record.Epoch, Targets: verified},
		ledger.UseBody{Epoch: o.record.Epoch, Activation: intent.Activation, Request: intent.Request})
	if err != nil {
		return o.stop(ctx, err)
	}
	return o.record, o.drop(ctx, unwished)
}

// stop ends an activation whose records can no longer be written: where another
// run has taken over, everything is its to finish; otherwise it is undone.
func (o *operation) stop(ctx context.Context, cause error) (Record, error) {
	if errors.Is(cause, ErrOvertaken) {
		return o.record, cause
	}
	return o.undo(ctx, cause)
}

// sorted splits the record's targets into those that the intent wishes and
// those that it replaces or drops.
func (o *operation) sorted(intent ledger.IntentBody) (wished, unwished []string) {
	for _, key := range slices.Sorted(maps.Keys(o.record.Targets)) {
		if _, ok := intent.Targets[key]; ok && !Retired(key) {
			wished = append(wished, key)
		} else {
			unwished = append(unwished, key)
		}
	}
	return wished, unwished
}

// fresh returns the targets that are not in force yet: an account of a live
// grant must not be stripped.
func (o *operation) fresh(keys []string) []string {
	if o.record.before == nil {
		return keys
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		old, ok := o.record.before.Targets[key]
		return ok && old.Nonce == o.record.Targets[key].Nonce
	})
}

// confirm reads every target back and probes it. It returns what was seen, or
// an error where one target is not as approved.
func (o *operation) confirm(ctx context.Context, keys []string) (map[string]ledger.Verified, error) {
	verified := map[string]ledger.Verified{}
	var errs []error
	seen, probed := o.each(ctx, keys, observe), o.each(ctx, keys, probe)
	for _, key := range keys {
		kind, _ := o.engine.Systems.Kind(o.record.Targets[key].Kind)
		if err := working(kind, seen[key], probed[key]); err != nil {
			errs = append(errs, fmt.Errorf("target %q: %w", key, err))
			continue
		}
		verified[key] = ledger.Verified{State: string(seen[key].State), Verified: seen[key].Verified,
			Privileges: seen[key].Privileges, UsableUntil: seen[key].UsableUntil}
	}
	return verified, errors.Join(errs...)
}

// errNotActive says that a target was read back and is not as approved.
var errNotActive = errors.New("was not read back as active")

func working(kind connector.Kind, seen, probed connector.Outcome) error {
	switch {
	case seen.Err != nil:
		return seen.Err
	case probed.Err != nil:
		return fmt.Errorf("probe: %w", probed.Err)
	case kind.Unobservable && seen.State == connector.Unknown:
		return nil
	case seen.State != connector.Active:
		return fmt.Errorf("%w (%s)", errNotActive, seen.State)
	case len(seen.Findings) > 0:
		return fmt.Errorf("%w: %s", errNotActive, joined(seen.Findings))
	case probed.State != connector.Active && probed.State != connector.Unknown:
		return fmt.Errorf("%w: the probe was refused", errNotActive)
	}
	return nil
}
