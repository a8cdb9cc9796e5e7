package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// StaleAfter is how long a run may be silent before what it left unfinished is
// taken back: longer than any step of a living one.
const StaleAfter = 15 * time.Minute

// SweepOptions say what a sweep looks at, and whether it acts.
type SweepOptions struct {
	Revoke bool   // else it only says what is due
	Scope  string // a pattern as in a policy ("payments/*"); empty for all
	// Environment is the one that grants must be of; empty for all.
	Environment string
}

// Swept is one grant that something is due for.
type Swept struct {
	Grant nhi.ApprovalID
	Step  Step   // what is due; empty where that could not be found out
	Why   string // in words
	Removal
	Done    bool // it was carried out, and read back
	Skipped bool // another run acts on the grant
	// Err is what stays open after an attempt, or why the grant could not be
	// judged.
	Err error
}

// Sweep finds every grant that must not go on as it is, and with Revoke ends
// it: those whose term or identity ended, that were blocked, whose removal is
// not confirmed, what the policy forbids and says to revoke, and what a run left
// unfinished and silent for StaleAfter. The rules are those of Decide, from the
// ledger alone; it gives nothing, and asks no target before it acts. Each intent is written behind the very chain that
// was judged, so that it is safe beside a running apply: whoever was faster
// goes on, and the grant is Skipped.
//
// Where the time cannot be trusted, nothing ends by time, and the error says so
// beside what is due for other reasons.
func (e *Engine) Sweep(ctx context.Context, options SweepOptions) ([]Swept, error) {
	grants, err := e.grantsBelow(ctx, ledger.KindGrant+"/")
	if err != nil {
		return nil, err
	}
	now, doubt := e.Time(ctx)
	if doubt != nil {
		doubt = fmt.Errorf("the time is not known, so nothing was judged by it: %w", doubt)
	}
	s := &sweeper{engine: e, now: now, act: options.Revoke}
	s.policy, _, _ = e.PolicyInForce(ctx) // a policy that cannot be read ends nothing
	results := make([]Swept, len(grants))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, grant := range grants {
		if !options.takes(grant) {
			continue
		}
		group.Go(func() error {
			results[i] = s.sweep(ctx, grant)
			return nil
		})
	}
	_ = group.Wait() // what failed is in the results
	return slices.DeleteFunc(results, func(one Swept) bool { return one.Step == "" && one.Err == nil }), doubt
}

// sweeper is one sweep at work.
type sweeper struct {
	engine *Engine
	now    time.Time
	policy *policy.Document // nil where it cannot be read
	act    bool
}

// takes says whether a grant is one that the sweep looks at. One whose name
// cannot be read is, where nothing is left out.
func (o SweepOptions) takes(grant nhi.ApprovalID) bool {
	if o.Scope == "" && o.Environment == "" {
		return true
	}
	parsed, err := nhi.ParseApprovalID(string(grant))
	if err != nil {
		return false
	}
	id := parsed.Identity()
	return (o.Scope == "" || policy.MatchScope(o.Scope, id.Scope())) && (o.Environment == "" || o.Environment == id.Environment())
}

// sweep judges one grant, and acts on it. The zero Step means that nothing is
// due.
func (s *sweeper) sweep(ctx context.Context, grant nhi.ApprovalID) Swept {
	swept, now := Swept{Grant: grant}, s.now
	if _, err := nhi.ParseApprovalID(string(grant)); err != nil {
		swept.Err = err
		return swept
	}
	op, err := s.engine.begin(ctx, grant)
	if errors.Is(err, ledger.ErrAhead) {
		now, err = time.Time{}, nil // one of the clocks is wrong: nothing ends by time
	}
	if err != nil || !op.record.holds() {
		swept.Err = err
		return swept
	}
	decision, err := s.due(ctx, op, now)
	if decision.Step == Rest {
		swept.Err = err
		return swept
	}
	swept.Step, swept.Why = decision.Step, joined(decision.Findings)
	if s.act {
		swept.Removal, swept.Err = op.act(ctx, decision.Step, swept.Why)
		swept.Skipped = errors.Is(swept.Err, ErrOvertaken)
		swept.Done = swept.Err == nil
		if swept.Skipped {
			swept.Err = nil
		}
	}
	return swept
}

// due decides what must happen to a grant that holds something. The error says
// what could not be learned about its identity.
func (s *sweeper) due(ctx context.Context, op *operation, now time.Time) (Decision, error) {
	facts := Facts{Phase: op.record.Phase, Changing: op.record.Changing(), Held: op.record.Held,
		ExpiresAt: op.record.ExpiresAt, Live: true, Now: now}
	ended, err := s.ended(ctx, op, now)
	facts.Ended = ended
	if op.alive(now) && (facts.Ended == "" || facts.Phase == PhaseRevoking) {
		return Decision{Step: Rest}, err
	}
	if facts.Phase == PhaseActive && len(op.record.retired()) > 0 {
		facts.Drift = []string{"what was replaced or left out is not confirmed as removed"}
	}
	return Decide(Wish{Request: op.record.Held, Identity: nhi.IdentityActive}, facts), err
}

// ended says in words why a grant must not hold access; empty where it may.
func (s *sweeper) ended(ctx context.Context, op *operation, now time.Time) (string, error) {
	identity, identities, err := s.engine.identityOf(ctx, op.record)
	if err != nil {
		return endedBy(op.record.Blocked), err
	}
	if why, err := s.engine.unvouched(op.record); why != "" || err != nil {
		return why, err
	}
	if by := s.engine.blockedNow(ctx, op.record, identities); by != "" {
		return endedBy(by), nil
	}
	if why := ended(identity, now); why != "" || s.policy == nil || op.record.Phase != PhaseActive {
		return why, nil
	}
	if reasons := forbidden(s.policy, op.record); len(reasons) > 0 && s.policy.OnForbidden == policy.ForbiddenRevoke {
		return "the policy forbids it now: " + reasons[0], nil
	}
	return s.engine.reviewEnds(ctx, s.policy, op.record, now), nil
}

// alive says whether a run that has begun something may still be at it. With
// an unknown time it may.
func (o *operation) alive(now time.Time) bool {
	last := o.chain.Entries[len(o.chain.Entries)-1]
	quiet := !now.IsZero() && now.Sub(last.Time) >= StaleAfter
	_, begins := last.Body.(ledger.IntentBody)
	switch o.record.Phase {
	case PhaseUnfinished:
		return !quiet
	case PhaseRevoking:
		return !quiet && begins // else it has said what stays open
	case PhaseActive:
		return !quiet && len(o.record.retired()) > 0
	default:
		return false
	}
}

// act is carryOut between its points.
func (o *operation) act(ctx context.Context, step Step, why string) (Removal, error) {
	o.verb = "sweep"
	if err := o.point(ctx, "act", before); err != nil {
		return Removal{Record: o.record}, err
	}
	removal, err := o.carryOut(ctx, step, why)
	o.verb = "sweep"
	return removal, errors.Join(err, o.point(ctx, "act", after))
}

// carryOut does what is due, behind the chain that was judged.
func (o *operation) carryOut(ctx context.Context, step Step, why string) (Removal, error) {
	if step == Repair && o.record.Phase == PhaseActive {
		removal := Removal{Record: o.record}
		err := o.drop(ctx)
		removal.Record = o.record
		return removal, err
	}
	if step == Repair {
		record, err := o.engine.Repair(ctx, o.record)
		return Removal{Record: record}, err
	}
	intent := o.removalIntent(why)
	if o.record.Phase == PhaseUnfinished && !o.record.Changing() {
		intent = o.undoIntent(why)
	}
	if err := o.append(ctx, intent); err != nil {
		return Removal{Record: o.record}, err
	}
	return o.remove(ctx)
}
