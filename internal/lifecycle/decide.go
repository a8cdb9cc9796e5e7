package lifecycle

import (
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Status is what people see of a grant or of one of its targets.
type Status string

// The statuses. Apply alone sets pending, active and revoked; a read lays the
// others over them.
const (
	Pending  Status = "pending"
	Active   Status = "active"
	Revoked  Status = "revoked"
	Revoking Status = "revoking"
	Ended    Status = "ended"
	Approved Status = "approved"
	Expired  Status = "expired"
	Drifted  Status = "drifted"
)

// Wish is what the configuration wants of a grant.
type Wish struct {
	Request  nhi.Digest // empty where it is not known
	Identity nhi.IdentityStatus
	Trigger  string // the value that the state holds
}

// Facts are what is known of a grant besides the wish, gathered beforehand.
type Facts struct {
	Phase Phase
	// Changing says, of an unfinished activation, that it was begun over a live
	// grant: then Held and ExpiresAt are those of what was in force.
	Changing  bool
	Held      nhi.Digest // the request in force, or last in force
	ExpiresAt time.Time
	// Live is what Terraform's state says of the attribute active: a grant that
	// the state believes live and the ledger knows as removed has ended.
	Live bool
	// Approved says that the wished request has its quorum and an activation
	// left, with the reason in words; it never holds where that is unknown.
	Approved bool
	// Again says that the approval of the wished request serves each value of
	// the trigger, and Trigger is the value that is in force.
	Again   bool
	Trigger string
	// Covered says that Approved rests on the request in force, which contains
	// the wished one: that may end access earlier, never later.
	Covered bool
	// Why says in words what Approved rests on, or what it lacks.
	Why []string
	// Ended says in words why the identity or the grant must not hold access;
	// empty where it may.
	Ended string
	// Drift is what differs on the targets from what is in force.
	Drift []string
	// Emergency says in words that what is in force is an emergency; empty
	// where it is none. It is left to its end: nothing repairs or adopts it.
	Emergency string
	Now       time.Time // zero where no trustworthy time is known
}

// Step is what apply has to do.
type Step string

// The steps.
const (
	Rest     Step = "rest"
	Activate Step = "activate"
	Adopt    Step = "adopt" // what is in force becomes this resource's, as it is
	Repair   Step = "repair"
	Revoke   Step = "revoke"
)

// Decision is what follows from a wish and the facts: the status to show, the
// step that apply takes, and the reasons in words.
type Decision struct {
	Status   Status
	Step     Step
	Findings []string
}

// Decide says where a grant stands and what comes next. It is pure. The order
// is that of the contract: revoking, ended, approved, expired, drifted. What is
// not known is never a yes; and an unknown time ends nothing, because the
// access was approved and other facts still end it. Nothing is activated
// without an approval; what is in force already is adopted as it is, whatever
// request it is under.
func Decide(wish Wish, facts Facts) Decision {
	facts.Changing = facts.Changing && facts.Phase == PhaseUnfinished
	facts.Approved = facts.Approved && wish.Request != ""
	if facts.Ended == "" && wish.Identity != nhi.IdentityActive && wish.Identity != "" {
		facts.Ended = fmt.Sprintf("the identity is %s", wish.Identity)
	}
	holds := facts.Phase == PhaseActive || facts.Changing
	begun := facts.Phase == PhaseUnfinished && !facts.Changing
	inForce := facts.Phase == PhaseActive && facts.Held == wish.Request && (!facts.Again || facts.Trigger == wish.Trigger)
	switch {
	case facts.Phase == PhaseRevoking:
		return Decision{Status: Revoking, Step: Revoke, Findings: []string{"a removal is not confirmed yet"}}
	case begun && (facts.Ended != "" || !facts.Approved):
		return Decision{Status: Revoking, Step: Revoke, Findings: []string{"an activation was not finished and may not be: it is to be undone"}}
	case facts.Ended != "" && holds:
		return Decision{Status: Ended, Step: Revoke, Findings: []string{facts.Ended}}
	case facts.Live && !holds && !begun:
		return Decision{Status: Ended, Step: Revoke, Findings: []string{removed(facts.Ended)}}
	case facts.Ended != "":
		return Decision{Status: rested(facts.Phase), Step: Rest, Findings: []string{facts.Ended}}
	case facts.Approved && !inForce && !(facts.Covered && holds && overdue(facts.Now, facts.ExpiresAt)):
		return Decision{Status: Approved, Step: Activate, Findings: facts.Why}
	case holds:
		return decideHeld(facts, inForce)
	default:
		return Decision{Status: rested(facts.Phase), Step: Rest, Findings: facts.Why}
	}
}

// removed says why access that the state believes live is gone.
func removed(ended string) string {
	if ended == "" {
		return "the ledger says that the access was removed"
	}
	return ended
}

// decideHeld decides on access that is in force and is not to be changed.
func decideHeld(facts Facts, inForce bool) Decision {
	switch {
	case overdue(facts.Now, facts.ExpiresAt):
		return Decision{Status: Expired, Step: Revoke, Findings: []string{"the term ended " + shortTime(facts.ExpiresAt)}}
	case facts.Changing:
		return Decision{Status: Drifted, Step: Repair, Findings: []string{"a change was begun and not finished, and may not be: what was in force is put back"}}
	case facts.Emergency != "" && facts.Live:
		return Decision{Status: Active, Step: Rest, Findings: append([]string{facts.Emergency}, facts.Drift...)}
	case facts.Emergency != "":
		return Decision{Status: Pending, Step: Rest, Findings: append([]string{facts.Emergency}, facts.Drift...)}
	case !facts.Live && inForce:
		return Decision{Status: Approved, Step: Adopt, Findings: []string{"the ledger holds this grant as active: it is adopted as it is"}}
	case !facts.Live:
		return Decision{Status: Approved, Step: Adopt, Findings: []string{"the ledger holds another request of this grant as active, " + facts.Held.Short() + ": it is adopted as it is"}}
	case len(facts.Drift) > 0:
		return Decision{Status: Drifted, Step: Repair, Findings: facts.Drift}
	default:
		return Decision{Status: Active, Step: Rest}
	}
}

// overdue says whether the end of a term has come; never where time or end is
// not known.
func overdue(now, end time.Time) bool {
	return !now.IsZero() && !end.IsZero() && !now.Before(end)
}

// rested is the status of a grant that holds nothing.
func rested(phase Phase) Status {
	if phase == PhaseRevoked {
		return Revoked
	}
	return Pending
}

// shortTime writes a time for people: minutes are enough.
func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }
