package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Block is a word that ended a grant or an identity, and where it stands.
type Block struct {
	// Seq is the number of its entry in the chain that holds it: a lift counts
	// only where its signer has seen that entry.
	Seq uint64
	// HashAt and Decisions are that chain's. A nil HashAt knows no head, so
	// nothing is lifted.
	HashAt    func(seq uint64) (nhi.Digest, bool)
	Decisions []nhi.SignedDecision
}

// Lift is what a policy and people say about lifting a block.
type Lift struct {
	Lifted  bool
	By      []string // persons counted, sorted
	Needs   []Need
	Reasons []string // why it is not lifted, and why a lift does not count
}

// Missing says what is still needed: `1 more of security (rule "databases")`.
func (l Lift) Missing() []string {
	var parts []string
	for _, need := range l.Needs {
		if more := need.Want - len(need.Have); more > 0 {
			parts = append(parts, fmt.Sprintf("%d more of %s (rule %q)", more, need.group(), need.Rule))
		}
	}
	return parts
}

// group names whom a need asks: where no rule asks for an approval, a lift
// still takes a person of some group.
func (n Need) group() string {
	if n.Group == "" {
		return "any group"
	}
	return n.Group
}

// Lift says whether the quorum that decides the request has lifted a block.
//
// The persons of the rules lift what they would approve: as many, of the same
// groups, one more where the requester is not proven, and never the requester.
// Where no rule asks for an approval, one person of any group lifts. A lift
// counts where its list and signature are good, it is about this approval, its
// person is in this document, it was signed on a record that held the block,
// and its dates are as they must be. It does not lapse: what it permits has
// dates of its own. Nothing is lifted where the policy denies.
func (d *Document) Lift(in Input, block Block) Lift {
	e := &evaluation{document: d, in: in, askers: map[string]bool{}}
	e.in.HashAt = block.HashAt
	e.policy()
	e.requesters()
	lift := Lift{Needs: e.liftNeeds()}
	lift.count(e, e.signers(block, nhi.VerdictLift))
	for _, denial := range e.verdict.Denials {
		e.reason("%s", denial.Reason)
	}
	lift.Lifted = len(e.verdict.Denials) == 0 && len(lift.Needs) > 0 && len(lift.Missing()) == 0
	if missing := lift.Missing(); len(missing) > 0 {
		e.reason("to lift it takes %s", strings.Join(missing, " and "))
	}
	lift.Reasons = e.verdict.Reasons
	return lift
}

// liftNeeds are those of an approval; where none is asked for, one person of
// any group.
func (e *evaluation) liftNeeds() []Need {
	var needs []Need
	for _, need := range e.verdict.Needs {
		if !need.NoApproval {
			needs = append(needs, need)
		}
	}
	if len(needs) == 0 && e.verdict.NoApproval {
		need := e.verdict.Needs[0]
		need.Want = 1
		needs = []Need{need}
	}
	return needs
}

// count counts the persons who lifted, for each need.
func (l *Lift) count(e *evaluation, lifters []stand) {
	counts := func(need, person int) bool { return l.Needs[need].lifts(lifters[person]) }
	for n, persons := range assign(l.Needs, len(lifters), counts) {
		for _, person := range persons {
			l.Needs[n].Have = append(l.Needs[n].Have, lifters[person].person.Name)
		}
	}
	for i, s := range lifters {
		if !slices.ContainsFunc(l.Needs, func(need Need) bool { return need.lifts(s) }) {
			e.reason("%s lifted it, and is in no group that the deciding rules ask, or without the hardware key that they want", lifters[i].person.Name)
			continue
		}
		l.By = append(l.By, s.person.Name)
	}
	slices.Sort(l.By)
}

// lifts says whether a person's lift counts for a need.
func (n Need) lifts(s stand) bool {
	if n.NoApproval {
		return len(s.person.Groups) > 0
	}
	return n.counts(s)
}

// signers are the persons whose word of this verdict about the block counts,
// each once, in the order of the document.
func (e *evaluation) signers(block Block, verdict nhi.Verdict) []stand {
	signed := map[string]*stand{}
	for _, one := range block.Decisions {
		decision, err := nhi.ParseDecision(one.Text)
		if err != nil || decision.Verdict != verdict {
			continue
		}
		request, err := nhi.ParseRequest(decision.Request)
		if err != nil || request.Approval != e.in.Request.Approval || request.Ledger != e.in.Request.Ledger {
			continue
		}
		read, ok := e.signer(one, decision, block.Seq)
		if !ok {
			continue
		}
		s := signed[read.person.Name]
		if s == nil {
			s = &stand{person: read.person}
			signed[read.person.Name] = s
		}
		if read.hardware {
			s.firm = &read
		}
	}
	var stands []stand
	for _, person := range e.document.Approvers {
		if s := signed[person.Name]; s != nil {
			stands = append(stands, *s)
		}
	}
	return stands
}

// signer verifies one lift or review about this approval.
func (e *evaluation) signer(signed nhi.SignedDecision, decision nhi.Decision, since uint64) (ballot, bool) {
	read, ok := e.signedBallot(signed, decision)
	about, does := "block", "lifted the block"
	if decision.Verdict == nhi.VerdictReview {
		about, does = "activation", "reviewed it"
	}
	switch {
	case !ok || !read.sound:
		return read, false
	case read.seen < since:
		e.reason("%s by %s is of before the %s", noun(decision.Verdict), read.person.Name, about)
		return read, false
	case e.askers[read.person.Name] && about == "block":
		e.reason("%s asked for this access and %s too, and nobody's lift counts for what they ask for", read.person.Name, does)
		return read, false
	case e.askers[read.person.Name]:
		e.reason("%s asked for this access or approved it and %s too, and nobody reviews what is their own", read.person.Name, does)
		return read, false
	}
	return read, true
}
