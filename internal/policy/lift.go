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
	for _, person := range e.lifters(block) {
		counted := false
		for i := range lift.Needs {
			if need := &lift.Needs[i]; need.lifts(person) {
				need.Have, counted = append(need.Have, person.Name), true
			}
		}
		if !counted {
			e.reason("%s lifted it, and is in no group that the deciding rules ask", person.Name)
			continue
		}
		lift.By = append(lift.By, person.Name)
	}
	slices.Sort(lift.By)
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

// lifts says whether a person's lift counts for a need.
func (n Need) lifts(person Approver) bool {
	if n.NoApproval {
		return len(person.Groups) > 0
	}
	return n.asks(person)
}

// lifters are the persons whose lift of the block counts, each once, in the
// order of the document.
func (e *evaluation) lifters(block Block) []Approver {
	lifted := map[string]bool{}
	for _, signed := range block.Decisions {
		decision, err := nhi.ParseDecision(signed.Text)
		if err != nil || decision.Verdict != nhi.VerdictLift {
			continue
		}
		request, err := nhi.ParseRequest(decision.Request)
		if err != nil || request.Approval != e.in.Request.Approval || request.Ledger != e.in.Request.Ledger {
			continue
		}
		if person, ok := e.lifter(signed, decision, block.Seq); ok {
			lifted[person.Name] = true
		}
	}
	var persons []Approver
	for _, person := range e.document.Approvers {
		if lifted[person.Name] {
			persons = append(persons, person)
		}
	}
	return persons
}

// lifter verifies one lift about this approval.
func (e *evaluation) lifter(signed nhi.SignedDecision, decision nhi.Decision, block uint64) (Approver, bool) {
	read, ok := e.signedBallot(signed, decision)
	switch {
	case !ok || !read.sound:
		return Approver{}, false
	case read.seen < block:
		e.reason("the lift by %s is of before the block", read.person.Name)
		return Approver{}, false
	case e.askers[read.person.Name]:
		e.reason("%s asked for this access and lifted the block too, and nobody's lift counts for what they ask for", read.person.Name)
		return Approver{}, false
	}
	return read.person, true
}
