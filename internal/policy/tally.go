package policy

import (
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// stand is where one person stands on the request.
type stand struct {
	person    Approver
	deny      *ballot // a no that holds
	yes       *ballot // the latest yes, later than every no
	firm      *ballot // the latest such yes by a hardware key
	withdrawn *ballot // the latest yes, where withdrawals took it away
	confirmed bool    // the yes is the confirmation of the run, and no signature
}

// standOf weighs all that one person signed. It does not depend on the order
// in which the ballots come.
func standOf(person Approver, ballots []ballot) stand {
	result := stand{person: person}
	for i, b := range ballots {
		switch {
		case b.Verdict == nhi.VerdictDeny:
			takenBack := slices.ContainsFunc(ballots, func(o ballot) bool { return o.sound && o.Verdict != nhi.VerdictDeny && o.after(b) })
			if !takenBack && (result.deny == nil || b.later(*result.deny)) {
				result.deny = &ballots[i]
			}
		case b.Verdict == nhi.VerdictApprove && b.sound:
			standing := !slices.ContainsFunc(ballots, func(o ballot) bool { return o.isNo() && !b.after(o) })
			if standing && (result.yes == nil || b.later(*result.yes)) {
				result.yes = &ballots[i]
			}
			if standing && b.hardware && (result.firm == nil || b.later(*result.firm)) {
				result.firm = &ballots[i]
			}
			if !standing && (result.withdrawn == nil || b.later(*result.withdrawn)) {
				result.withdrawn = &ballots[i]
			}
		}
	}
	return result
}

// tally counts persons, by what they signed, for each need and sets the status.
func (e *evaluation) tally(ballots map[string][]ballot) {
	var counted, lapsed, withdrawn []stand
	denied := false
	for _, person := range e.document.Approvers {
		s := standOf(person, ballots[person.Name])
		e.confirmed(&s, ballots[person.Name])
		switch {
		case s.deny != nil:
			denied = e.denial(s) || denied
		case s.yes == nil && s.withdrawn != nil:
			e.reason("%s approved, and took it back; a new yes counts if it is signed later, on a record at least as new", person.Name)
			withdrawn = append(withdrawn, s)
		case s.yes == nil: // has not decided
		case e.askers[person.Name]:
			e.reason("%s asked for this access and approved it too, and nobody's yes counts for what they ask for", person.Name)
		case e.barred[person.Name] != "":
			e.reason("%s %s and approved it too, and nobody's yes counts for what they ask for", person.Name, e.barred[person.Name])
		case s.yes.lapsed(e.in.Now):
			e.reason("the approval by %s lapsed %s", person.Name, nhi.FormatTime(s.yes.ActivateBefore))
			lapsed = append(lapsed, s)
		case !e.asks(person):
			e.reason("%s approved, and is in no group that the deciding rules ask", person.Name)
		case s.confirmed && !e.counts(&s):
			e.reason("%s confirmed the run, and what they are asked for takes a signature", person.Name)
		case !e.counts(&s):
			e.reason("%s approved without a hardware key, and what they are asked for takes one", person.Name)
		default:
			counted = append(counted, s)
		}
	}
	e.count(counted)
	e.verdict.Status = e.status(denied, counted, lapsed, withdrawn)
	if e.verdict.Status == StatusPending {
		e.verdict.Confirmers = e.confirmers(counted, ballots)
	}
	e.missing()
}

// denial records a person's no, and says whether it is one that rules heed.
func (e *evaluation) denial(s stand) bool {
	if !e.asks(s.person) {
		e.reason("%s said no, and is in no group that the deciding rules ask", s.person.Name)
		return false
	}
	e.reason("%s said no, signed %s", s.person.Name, nhi.FormatTime(s.deny.SignedAt))
	return true
}

// asks says whether some need asks a group of this person's.
func (e *evaluation) asks(person Approver) bool {
	return slices.ContainsFunc(e.verdict.Needs, func(need Need) bool { return need.asks(person) })
}

func (n Need) asks(person Approver) bool {
	return !n.NoApproval && slices.Contains(person.Groups, n.Group)
}

// count fills in who is counted, and the dates that bind.
func (e *evaluation) count(counted []stand) {
	for n, s := range counted {
		e.verdict.ApprovedBy = append(e.verdict.ApprovedBy, s.person.Name)
		if s.confirmed {
			e.verdict.ConfirmedBy = s.person.Name
		}
		e.verdict.ActivateBefore = nhi.Earliest(e.verdict.ActivateBefore, s.yes.ActivateBefore)
		e.verdict.NotAfter = nhi.Earliest(e.verdict.NotAfter, s.yes.NotAfter)
		if n == 0 || s.yes.seen < e.verdict.Seen {
			e.verdict.Seen = s.yes.seen
		}
		if s.firm != nil && slices.ContainsFunc(e.verdict.Needs, func(need Need) bool { return need.Hardware && need.asks(s.person) }) {
			e.verdict.ActivateBefore = nhi.Earliest(e.verdict.ActivateBefore, s.firm.ActivateBefore)
			e.verdict.NotAfter = nhi.Earliest(e.verdict.NotAfter, s.firm.NotAfter)
			e.verdict.Seen = min(e.verdict.Seen, s.firm.seen)
		}
	}
	slices.Sort(e.verdict.ApprovedBy)
	for n, persons := range e.assign(counted) {
		need := &e.verdict.Needs[n]
		for _, person := range persons {
			need.Have = append(need.Have, counted[person].person.Name)
		}
		slices.Sort(need.Have)
	}
}

func (e *evaluation) status(denied bool, counted, lapsed, withdrawn []stand) Status {
	switch {
	case denied || len(e.verdict.Denials) > 0 || len(e.verdict.Needs) == 0:
		return StatusDenied
	case e.met(counted) && len(e.verdict.Held) > 0:
		return StatusPending
	case e.met(counted):
		return StatusApproved
	case e.met(slices.Concat(counted, lapsed)):
		return StatusLapsed
	case e.met(slices.Concat(counted, lapsed, e.withoutAskers(withdrawn))):
		return StatusWithdrawn
	default:
		return StatusPending
	}
}

func (e *evaluation) withoutAskers(stands []stand) []stand {
	return slices.DeleteFunc(slices.Clone(stands), func(s stand) bool { return e.askers[s.person.Name] })
}

// met says whether these persons would meet every need.
func (e *evaluation) met(stands []stand) bool {
	return met(e.verdict.Needs, e.assign(stands))
}

// assign says which of these persons count for which need.
func (e *evaluation) assign(stands []stand) [][]int {
	return assign(e.verdict.Needs, len(stands), func(need, person int) bool { return e.verdict.Needs[need].counts(stands[person]) })
}

// counts says whether some need counts a person, and forgets the yes of their
// hardware key where that has lapsed.
func (e *evaluation) counts(s *stand) bool {
	if s.firm != nil && s.firm.lapsed(e.in.Now) {
		s.firm = nil
	}
	return slices.ContainsFunc(e.verdict.Needs, func(need Need) bool { return need.counts(*s) })
}

// counts says whether a person who said yes counts for a need.
func (n Need) counts(s stand) bool {
	return n.asks(s.person) && (!n.Hardware || s.firm != nil) && (!s.confirmed || n.RunConfirmation)
}

// missing tells of each need that is not met, and of one that can never be.
func (e *evaluation) missing() {
	able := e.able()
	for n, need := range e.verdict.Needs {
		if len(need.Have) >= need.Want {
			continue
		}
		by := ""
		if len(need.Have) > 0 {
			by = " (" + strings.Join(need.Have, ", ") + ")"
		}
		e.reason("rule %q needs %d of %s, and %d approved%s", need.Rule, need.Want, need.Group, len(need.Have), by)
		if able := len(able[n]); able < need.Want {
			e.reason("rule %q can not be met: only %d of %s may approve what was asked for in this way", need.Rule, able, need.Group)
		}
	}
}

// able says who could count for which need, if everybody approved.
func (e *evaluation) able() [][]int {
	persons := e.document.Approvers
	return assign(e.verdict.Needs, len(persons), func(need, person int) bool {
		return e.verdict.Needs[need].asks(persons[person]) && !e.askers[persons[person].Name] && e.barred[persons[person].Name] == ""
	})
}
