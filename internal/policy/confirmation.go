package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var errHost = errors.New(`a host is written in small letters, with a port or without, as in "app.terraform.io"`)

// Confirmed is a person's yes that was given elsewhere: by confirming the run
// that applies now. It was verified where it was given, just now, and it is for
// this evaluation alone.
type Confirmed struct {
	Account Account // who confirmed
	// Others are the accounts behind what was confirmed: who asks never counts.
	Others []Other
	// Unproven says why it is not known who all asked; empty where it is. Then
	// each quorum is one larger.
	Unproven string
	Run      string // its id, for people
	At       time.Time
}

// Other is an account that has a part in what was confirmed.
type Other struct {
	Account Account
	Role    string // "created the run"
	// Sole says that nothing else tells who this is: where the account is
	// nobody's, it is not known who asked.
	Sole bool
}

// confirm finds out whose yes the confirmation is, if anybody's, and who asked
// for what was confirmed. Whoever asked counts for nothing at all here, signed or not.
func (e *evaluation) confirm() {
	c := e.in.Confirmed
	if c == nil {
		return
	}
	e.barred = map[string]string{}
	unproven := c.Unproven
	for _, other := range c.Others {
		person, known := e.document.mayHold(other.Account)
		switch {
		case known:
			e.barred[person.Name] = other.Role
		case other.Sole && unproven == "":
			unproven = fmt.Sprintf("%s on %s %s, and is nobody's account in the policy", other.Account.ID, other.Account.Host, other.Role)
		}
	}
	if unproven != "" {
		e.reason("it is not known who all asked by run %s, so each quorum is one larger: %s", c.Run, unproven)
	}
	if unproven != "" && !e.unproven {
		e.unproven = true
		e.enlarge()
	}
	person, problem := e.confirmer(c)
	if problem != "" {
		e.reason("the confirmation of run %s does not count: %s", c.Run, problem)
		return
	}
	e.confirming = person.Name
}

// confirmer is who confirmed, or why that is nobody who counts.
func (e *evaluation) confirmer(c *Confirmed) (Approver, string) {
	person, known := e.document.Holder(c.Account)
	switch {
	case !e.takesConfirmations():
		return person, "no rule that decides lets a confirmation count"
	case !e.in.Request.ReusableUntil.IsZero():
		return person, "it would be for one activation, and this request may be used again and again"
	case !known:
		return person, fmt.Sprintf("the account %s on %s is nobody's in the policy", c.Account.ID, c.Account.Host)
	case c.At.IsZero() || c.At.After(e.in.Now.Add(clockSlack)):
		return person, "it is dated in the future, or not at all"
	case !e.in.Since.IsZero() && !c.At.After(e.in.Since):
		return person, "it was given before the ledger was restored from a back-up, " + nhi.FormatTime(e.in.Since)
	}
	for _, other := range c.Others {
		if other.Account.alike(c.Account) {
			return person, fmt.Sprintf("%s also %s, and nobody's yes counts for what they ask for", person.Name, other.Role)
		}
	}
	if role, asked := e.barred[person.Name]; asked {
		return person, fmt.Sprintf("%s also %s, by another account, and nobody's yes counts for what they ask for", person.Name, role)
	}
	return person, ""
}

// takesConfirmations says whether some need lets a confirmation count.
func (e *evaluation) takesConfirmations() bool {
	return slices.ContainsFunc(e.verdict.Needs, func(need Need) bool { return need.RunConfirmation })
}

// confirmed adds the confirmation to where the person stands who confirmed. It
// never outweighs a no of that person, whatever the dates.
func (e *evaluation) confirmed(s *stand, ballots []ballot) {
	if e.confirming == "" || s.person.Name != e.confirming || s.deny != nil {
		return
	}
	if slices.ContainsFunc(ballots, ballot.isNo) {
		e.reason("%s confirmed the run, and took an approval back before: only a signature brings it again", s.person.Name)
		return
	}
	if s.yes == nil || s.yes.lapsed(e.in.Now) {
		s.yes, s.confirmed = e.yesAt(s.person, e.in.Confirmed.At), true
	}
}

// yesAt is a yes without a signature, which saw nothing of the record.
func (e *evaluation) yesAt(person Approver, at time.Time) *ballot {
	until := e.document.Until(e.in.Request, at)
	return &ballot{person: person, sound: true,
		Decision: nhi.Decision{Verdict: nhi.VerdictApprove, SignedAt: at, ActivateBefore: until, NotAfter: until.Add(e.in.Request.TTL)}}
}

// confirmers are the persons, in the order of the document, of whom one could
// give all that is missing by confirming the run.
func (e *evaluation) confirmers(counted []stand, ballots map[string][]ballot) []string {
	if len(e.in.Hosts) == 0 || !e.in.Request.ReusableUntil.IsZero() || !e.takesConfirmations() || e.met(counted) {
		return nil
	}
	var names []string
	for _, person := range e.document.Approvers {
		already := slices.ContainsFunc(counted, func(s stand) bool { return s.person.Name == person.Name })
		if already || e.askers[person.Name] || !person.on(e.in.Hosts) || slices.ContainsFunc(ballots[person.Name], ballot.isNo) {
			continue
		}
		one := stand{person: person, yes: e.yesAt(person, e.in.Now), confirmed: true}
		if e.met(append(slices.Clone(counted), one)) {
			names = append(names, person.Name)
		}
	}
	return names
}

// unconfirmable tells of quorums that let a confirmation count, and of whose
// group nobody has an account to give one with.
func (d *Document) unconfirmable(rule Rule) (warnings []string) {
	for _, quorum := range rule.Quorums {
		able := func(a Approver) bool { return slices.Contains(a.Groups, quorum.Group) && len(a.Accounts) > 0 }
		if quorum.RunConfirmation && !slices.ContainsFunc(d.Approvers, able) {
			warnings = append(warnings, fmt.Sprintf("rule %q lets the confirmation of a run count for group %q, and nobody of it has an account", rule.Name, quorum.Group))
		}
	}
	return warnings
}

// Confirmers are the persons of whom one could give the whole approval of a
// new request by confirming the run that asks for it, with an account on one of these
// hosts. Proven says whether it is proven who asks, and requester names that
// person where it is known already. It looks at no clock, so that a plan may say it.
func (d *Document) Confirmers(request nhi.Request, proven bool, requester string, hosts []string) []string {
	e := &evaluation{document: d, askers: map[string]bool{}, in: Input{Request: request, Hosts: hosts}}
	ruling := d.Rule(request)
	if len(ruling.Denials) > 0 {
		return nil
	}
	e.needs(ruling)
	if e.askers[requester] = true; !proven {
		e.enlarge()
	}
	return e.confirmers(nil, nil)
}
