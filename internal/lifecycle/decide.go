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
}

// Facts are what is known of a grant besides the wish, gathered beforehand.
type Facts struct {
	Phase     Phase
	Held      nhi.Digest // the request in force, or last in force
	ExpiresAt time.Time
	// Live is what Terraform's state says of the attribute active: a grant that
	// the state believes live and the ledger knows as removed has ended.
	Live bool
	// Approved says that the wished request has its quorum and an activation
	// left, with the reason in words; it never holds where that is unknown.
	Approved bool
	// Why says in words what Approved rests on, or what it lacks.
	Why []string
	// Ended says in words why the identity or the grant must not hold access;
	// empty where it may.
	Ended string
	// Drift is what differs on the targets from what is in force.
	Drift []string
	Now   time.Time // zero where no trustworthy time is known
}

// Step is what apply has to do.
type Step string

// The steps.
const (
	Rest     Step = "rest"
	Activate Step = "activate"
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
// access was approved and other facts still end it.
func Decide(wish Wish, facts Facts) Decision {
	ended := facts.Ended
	if ended == "" && wish.Identity != nhi.IdentityActive && wish.Identity != "" {
		ended = fmt.Sprintf("the identity is %s", wish.Identity)
	}
	holds := facts.Phase == PhaseActive
	switch {
	case facts.Phase == PhaseRevoking:
		return Decision{Status: Revoking, Step: Revoke, Findings: []string{"a removal is not confirmed yet"}}
	case facts.Phase == PhaseUnfinished && (ended != "" || !facts.Approved):
		return Decision{Status: Revoking, Step: Revoke, Findings: []string{"an activation was not finished and may not be: it is to be undone"}}
	case ended != "" && holds:
		return Decision{Status: Ended, Step: Revoke, Findings: []string{ended}}
	case facts.Live && !holds && facts.Phase != PhaseUnfinished:
		return Decision{Status: Ended, Step: Revoke, Findings: []string{"the ledger says that the access was removed"}}
	case ended != "":
		return Decision{Status: rested(facts.Phase), Step: Rest, Findings: []string{ended}}
	case facts.Approved && wish.Request != "" && !(holds && facts.Held == wish.Request):
		return Decision{Status: Approved, Step: Activate, Findings: facts.Why}
	case holds && overdue(facts):
		return Decision{Status: Expired, Step: Revoke, Findings: []string{"the term ended " + shortTime(facts.ExpiresAt)}}
	case holds && !facts.Live && facts.Held == wish.Request:
		return Decision{Status: Approved, Step: Activate, Findings: []string{"the ledger holds this grant as active: it is adopted as it is"}}
	case holds && !facts.Live:
		return Decision{Status: Pending, Step: Rest, Findings: []string{"the ledger holds an earlier request of this grant as active: " + facts.Held.Short()}}
	case holds && len(facts.Drift) > 0:
		return Decision{Status: Drifted, Step: Repair, Findings: facts.Drift}
	case holds:
		return Decision{Status: Active, Step: Rest}
	default:
		return Decision{Status: rested(facts.Phase), Step: Rest, Findings: facts.Why}
	}
}

// overdue says whether the end of the term has come.
func overdue(facts Facts) bool {
	return !facts.Now.IsZero() && !facts.ExpiresAt.IsZero() && !facts.Now.Before(facts.ExpiresAt)
}

// rested is the status of a grant that holds nothing.
func rested(phase Phase) Status {
	if phase == PhaseRevoked {
		return Revoked
	}
	return Pending
}

// Next says what apply makes of a status: the right-hand side of a plan's
// arrow. A revoking grant only ever becomes revoked.
func Next(status Status) Status {
	switch status {
	case Approved, Drifted:
		return Active
	case Expired, Ended, Revoking:
		return Revoked
	default:
		return status
	}
}

// shortTime writes a time for people: minutes are enough.
func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }
