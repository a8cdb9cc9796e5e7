package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Review is a review that must follow access in an emergency: so many persons
// of a group, within a time after it was activated.
type Review struct {
	Group  string
	Count  int
	Within time.Duration
}

// Activation is one activation that a review may have to follow.
type Activation struct {
	Block           // of the grant's chain: Seq is the number of the entry that it began with
	At    time.Time // when it was activated
	// Confirmed is what the record tells of the confirmation that it rests on; nil
	// where it rests on none. It only ever keeps persons from reviewing.
	Confirmed *Confirmed
}

// ReviewNeed is a review that is asked for, and who made it so far.
type ReviewNeed struct {
	Rule, Group string
	Count       int
	Have        []string  // persons counted, sorted
	Due         time.Time // the access ends then, while it is missing
}

// String says what is asked for: `a review by 1 of security until 2030-01-11T12:00:00Z (rule "break glass")`.
func (n ReviewNeed) String() string {
	return fmt.Sprintf("a review by %d of %s until %s (rule %q)", n.Count, n.Group, nhi.FormatTime(n.Due), n.Rule)
}

// ReviewState is what policy and people say about the reviews of an activation.
type ReviewState struct {
	Needs   []ReviewNeed // none where no rule asks for a review
	By      []string     // persons counted, sorted
	Reasons []string     // why a review does not count
}

// Missing are the needs that are not met.
func (s ReviewState) Missing() []ReviewNeed {
	return slices.DeleteFunc(slices.Clone(s.Needs), func(n ReviewNeed) bool { return len(n.Have) >= n.Count })
}

// Due is the earliest end of a review that is missing; zero where none is.
func (s ReviewState) Due() time.Time {
	var due time.Time
	for _, need := range s.Missing() {
		due = nhi.Earliest(due, need.Due)
	}
	return due
}

// Overdue says whether a review is missing after its time, or one is missing
// and the time is not known to be before it.
func (s ReviewState) Overdue(now time.Time) bool {
	due := s.Due()
	return !due.IsZero() && !now.IsZero() && !now.Before(due)
}

// Review says which reviews the rules ask for after an activation, and who has
// made them. A review counts where its list and signature are good, it is about
// this approval, its person is in this document and in the group, it was signed
// on a record that held the activation, and its dates are as they must be. Who
// asked, and who approved it, never reviews.
func (d *Document) Review(in Input, activation Activation) ReviewState {
	e := &evaluation{document: d, in: in, askers: map[string]bool{}}
	e.policy()
	e.requesters()
	state := ReviewState{}
	rules := map[string]bool{}
	for _, one := range e.ruling.decided {
		if rules[one.rule.Name] {
			continue
		}
		rules[one.rule.Name] = true
		for _, review := range one.rule.Reviews {
			state.Needs = append(state.Needs, ReviewNeed{Rule: one.rule.Name, Group: review.Group, Count: review.Count,
				Due: activation.At.Add(review.Within)})
		}
	}
	if len(state.Needs) == 0 {
		return state
	}
	for person, ballots := range e.readBallots() {
		if slices.ContainsFunc(ballots, func(b ballot) bool { return b.Verdict == nhi.VerdictApprove && b.sound }) {
			e.askers[person] = true
		}
	}
	e.behind(activation.Confirmed)
	e.verdict.Reasons = nil // those are the quorum's
	e.in.HashAt = activation.HashAt
	for _, s := range e.signers(activation.Block, nhi.VerdictReview) {
		state.count(s.person)
	}
	slices.Sort(state.By)
	state.Reasons = e.verdict.Reasons
	return state
}

// behind takes whoever confirmed the run that activated it, and whoever asked by
// that run, for persons who review nothing of it.
func (e *evaluation) behind(c *Confirmed) {
	if c == nil {
		return
	}
	accounts := []Account{c.Account}
	for _, other := range c.Others {
		accounts = append(accounts, other.Account)
	}
	for _, account := range accounts {
		if person, known := e.document.mayHold(account); known {
			e.askers[person.Name] = true
		}
	}
}

// AsksReview says whether a rule that decides the request asks for a review.
func (d *Document) AsksReview(request nhi.Request) bool {
	return slices.ContainsFunc(d.Rule(request).decided, func(one decided) bool { return len(one.rule.Reviews) > 0 })
}

// count counts a person's review for every need of a group of theirs.
func (s *ReviewState) count(person Approver) {
	counted := false
	for i := range s.Needs {
		if need := &s.Needs[i]; slices.Contains(person.Groups, need.Group) {
			need.Have, counted = append(need.Have, person.Name), true
			slices.Sort(need.Have)
		}
	}
	if counted {
		s.By = append(s.By, person.Name)
	}
}

// ReviewsText says in one sentence what is missing; empty where nothing is.
func (s ReviewState) ReviewsText() string {
	var parts []string
	for _, need := range s.Missing() {
		parts = append(parts, need.String())
	}
	return strings.Join(parts, " and ")
}
