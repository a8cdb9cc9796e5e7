package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Seen is what a look at one target of a live grant found.
type Seen struct {
	Observation connector.Observation
	Drift       []string // what differs from what is in force
	Err         error    // why it could not be looked at; then nothing is concluded
}

// View is what is known of a grant now, for people and plans. Looking changes
// nothing and never fails: what could not be learned is a warning.
type View struct {
	Decision
	Record   Record
	Standing *Standing // nil where it could not be evaluated
	Targets  map[string]Seen
	// Now is the ledger's time; zero where it is not known.
	Now time.Time
	// Forbidden says why the policy does not allow what is in force any more.
	Forbidden []string
	// Tainted are the decisions by compromised keys that the access in force
	// needed. They are among the findings too.
	Tainted []Tainted
	// Blocked says who ended the grant by hand, and why; empty where nobody did,
	// or where that was lifted.
	Blocked  string
	Warnings []error
	// Certain is false where nothing can be concluded, because the ledger could
	// not be relied on and the caller remembers nothing that must end: then the
	// record is what the caller remembered, and a status may only be kept.
	Certain bool
}

func (v *View) warn(err error) {
	if err != nil {
		v.Warnings = append(v.Warnings, err)
	}
}

// nothingLeft says whether targets were looked at, and every one of them said
// that nothing is there.
func (v *View) nothingLeft() bool {
	looked := 0
	for _, seen := range v.Targets {
		switch {
		case seen.Err != nil:
			return false
		case seen.Observation.State == connector.Unknown:
			continue // nothing can be seen there
		case seen.Observation.State != connector.Absent:
			return false
		}
		looked++
	}
	return looked > 0
}

// Look reads the ledger and every target of a grant. Text is the wished
// request, known what the caller remembers, live what it believes.
func (e *Engine) Look(ctx context.Context, text string, known Record, wish Wish, live bool) View {
	view := View{Targets: map[string]Seen{}}
	op, err := e.begin(ctx, known.Grant)
	if err == nil {
		err = op.continues(known)
	}
	if err != nil {
		view.warn(err)
		e.lookInDoubt(ctx, &view, op.record, known, wish, live)
		return view
	}
	op.relies(known.Heads)
	view.warn(op.restored)
	facts := Facts{Phase: op.record.Phase, Changing: op.record.Changing(), Held: op.record.Held, ExpiresAt: op.record.ExpiresAt,
		Live: live, Trigger: op.record.Trigger, Emergency: op.record.emergencyWords()}
	facts.Now, err = e.Time(ctx)
	view.warn(err)
	e.lookAtStanding(ctx, &view, &facts, op, text, wish.Trigger)
	e.lookAtPolicy(&view, &facts, op.record)
	e.lookAtEmergency(&view, &facts, op.record)
	if op.record.Phase == PhaseActive {
		facts.Drift = e.lookAtTargets(ctx, op, &view)
		if !live && facts.Ended == "" && view.nothingLeft() {
			facts.Ended = "the ledger holds it as active and no target does: it was removed while the ledger was away"
		}
	}
	view.Record = op.record
	if op.restored != nil && op.otherwise(known) != "" {
		facts.Ended, view.Record = op.otherwise(known), known // until it is removed
	}
	view.Certain, view.Now = true, facts.Now
	view.Decision = Decide(wish, facts)
	view.lookAtKeys(op.record)
	return view
}

// lookAtKeys adds what of the access in force rests on compromised keys. It
// ends nothing by itself: people decide.
func (v *View) lookAtKeys(record Record) {
	if v.Standing == nil {
		return
	}
	v.Tainted = TaintedBy(v.Standing.Policy, record, v.Standing.chains[v.Standing.approval], v.Standing.keys)
	for _, tainted := range v.Tainted {
		v.Findings = append(v.Findings, tainted.String())
	}
}

// lookAtStanding fills in what policy, decisions and identity say. Where they
// cannot be evaluated, or are not those that were relied on, nothing is
// approved; the identity's own chain still ends access.
func (e *Engine) lookAtStanding(ctx context.Context, view *View, facts *Facts, op *operation, text, trigger string) {
	request, err := nhi.ParseRequest(text)
	var standing Standing
	if err == nil {
		standing, err = e.standing(ctx, request, text, op.record, &trigger)
	}
	if err != nil {
		view.warn(err)
		view.Blocked = op.record.Blocked
		facts.Ended, err = e.endedNow(ctx, op.record, facts.Now)
		view.warn(err)
		return
	}
	identities := ledger.IdentityChain(op.record.Grant.Identity())
	if _, err := e.continues(standing.chains[identities], op.heads[identities], op.seenBase); err == nil {
		facts.Ended = ended(standing.Identity, standing.Now)
	}
	view.Blocked = standing.Blocked()
	if by := view.Blocked; by != "" {
		facts.Ended = "ended by " + by
	}
	if err := standing.follows(op.heads, op.seenBase); err != nil {
		view.warn(err)
		return
	}
	if op.restored == nil {
		view.warn(standing.restored(op.heads))
	}
	op.relies(standing.Heads)
	view.Standing = &standing
	facts.Approved, facts.Again, facts.Why = standing.Approved(), standing.Again, standing.Why()
	if facts.Approved && standing.CoveredBy == "" {
		facts.Why = append(facts.Why, standing.takes(e.Systems, request)...)
	}
	if standing.CoveredBy != "" {
		facts.Covered = true
		facts.ExpiresAt = nhi.Earliest(facts.ExpiresAt, op.record.StartedAt.Add(request.TTL))
	}
}

// lookAtEmergency says whether the emergency in force is one that the trust
// root's threshold signed. One that is not gives nothing, and has ended.
func (e *Engine) lookAtEmergency(view *View, facts *Facts, record Record) {
	why, err := e.unvouched(record)
	view.warn(err)
	if why != "" && record.holds() {
		facts.Ended = why
	}
}

// lookAtPolicy says whether the policy still allows what is in force. Where it
// does not and says so, the access has ended.
func (e *Engine) lookAtPolicy(view *View, facts *Facts, record Record) {
	if view.Standing == nil || record.Phase != PhaseActive {
		return
	}
	view.Forbidden = forbidden(view.Standing.Policy, record)
	if len(view.Forbidden) > 0 && view.Standing.Policy.OnForbidden == policy.ForbiddenRevoke && facts.Ended == "" {
		facts.Ended = "the policy forbids it now: " + view.Forbidden[0]
	}
	if review := view.Standing.Review; review.Overdue(facts.Now) && facts.Ended == "" {
		facts.Ended = overdueReview(review)
	}
}

// forbidden says in words what of the request in force the policy does not
// allow any more.
func forbidden(document *policy.Document, record Record) []string {
	held, err := nhi.ParseRequest(record.Text)
	if err != nil {
		return nil
	}
	var reasons []string
	for _, denial := range document.Rule(held).Denials {
		reasons = append(reasons, denial.Reason)
	}
	return reasons
}

// lookInDoubt looks at a grant whose chain is broken, cut short or another
// ledger's: from what the caller remembers. It concludes only what ends access.
func (e *Engine) lookInDoubt(ctx context.Context, view *View, intact, known Record, wish Wish, live bool) {
	view.Record = known
	inForce := live && known.Phase == PhaseActive
	if !inForce && known.Phase != PhaseRevoking {
		return
	}
	facts := Facts{Phase: known.Phase, Held: known.Held, ExpiresAt: known.ExpiresAt, Live: live, Emergency: known.emergencyWords()}
	var err error
	facts.Now, err = e.Time(ctx)
	away := err != nil
	if away {
		if facts.Now, err = e.otherTime(ctx, known); err != nil {
			view.warn(err)
			return
		}
	}
	if known.Ledger == intact.Ledger { // another ledger's word on the identity is none
		remembered := known
		remembered.Blocked, remembered.BlockedAt = "", 0 // it may have been lifted since
		facts.Ended, err = e.endedNow(ctx, remembered, facts.Now)
		view.warn(err)
	}
	if intact.Blocked != "" {
		facts.Ended = "ended by " + intact.Blocked
	}
	if intact.origins[known.Ledger] {
		facts.Ended = "its ledger was lost, and this one was rebuilt from what was left, which is to be revoked"
	}
	decision := Decide(wish, facts)
	if away && decision.Step != Revoke {
		return
	}
	view.Certain, view.Decision = true, decision
}

// endedNow says what the identity's own chain says, for when the rest cannot
// be evaluated: it still ends access, unless that chain itself was cut short.
func (e *Engine) endedNow(ctx context.Context, known Record, now time.Time) (string, error) {
	identity, chain, err := e.identityOf(ctx, known)
	if err == nil {
		_, err = e.continues(chain, known.Heads[chain.Name], known.Base)
	}
	if err != nil {
		return endedBy(known.Blocked), err
	}
	if by := e.blockedNow(ctx, known, chain); by != "" {
		return endedBy(by), nil
	}
	return ended(identity, now), nil
}

// endedBy says that somebody ended a grant; empty where nobody did.
func endedBy(by string) string {
	if by == "" {
		return ""
	}
	return "ended by " + by
}

// lookAtTargets observes the targets through the shared reads and returns what
// differs, each with its target.
func (e *Engine) lookAtTargets(ctx context.Context, op *operation, view *View) []string {
	var drift []string
	for _, key := range op.record.keys() {
		seen := e.lookAt(ctx, op, key)
		if seen.Err != nil {
			view.warn(fmt.Errorf("target %q could not be looked at: %w", key, seen.Err))
			view.Targets[key] = seen
			continue
		}
		seen.Drift = drifted(seen.Observation, op.record.Targets[key])
		if seen.Observation.State == connector.Absent && op.adopts(key) {
			seen.Drift = append(seen.Drift, "it was taken over, so no repair can make it again: end this grant, or leave the target out")
		}
		view.Targets[key] = seen
		for _, finding := range seen.Drift {
			drift = append(drift, key+": "+finding)
		}
	}
	for _, key := range op.record.retired() {
		drift = append(drift, key+": it was replaced or left out, and is not confirmed as removed")
	}
	return drift
}

func (e *Engine) lookAt(ctx context.Context, op *operation, key string) Seen {
	roster, err := e.Systems.Roster(ctx, op.record.Targets[key])
	if err != nil {
		return Seen{Err: err}
	}
	observation, err := roster.Of(ctx, op.record.Account(key))
	return Seen{Observation: observation, Err: err}
}

// drifted lists what differs on a target from what is in force.
func drifted(seen connector.Observation, target ledger.Target) []string {
	switch seen.State {
	case connector.Absent:
		return append([]string{"it was removed by hand"}, seen.Findings...)
	case connector.Foreign:
		return []string{"something else stands under the name " + target.Principal}
	case connector.Inert:
		if len(seen.Findings) > 0 {
			return seen.Findings // they say which
		}
		return []string{"its privileges were removed by hand"}
	default:
		return seen.Findings
	}
}
