package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Supposition is a question to a policy: what would become of this request, if
// these persons decided? Nothing is signed for it.
type Supposition struct {
	Request   nhi.Request
	Requester string // a person of the policy; empty where nobody is proven
	ProvenBy  string // by what the requester is proven; empty: ProvenBySSH
	Now       time.Time
	Runner    RunnerProof
	// Approve sign with a hardware key only where they have no other; those of
	// Touch sign with one.
	Approve, Touch, Deny []string
}

// Suppose answers by the very code that evaluates signed decisions, from the
// point on where signatures were checked. A person who is not in the document,
// or who has no hardware key and is to use one, is nhi.ErrInvalid.
func (d *Document) Suppose(s Supposition) (Explanation, error) {
	text, err := s.Request.Text()
	if err != nil {
		return Explanation{}, err
	}
	e := &evaluation{document: d, askers: map[string]bool{},
		in: Input{Request: s.Request, Text: text, Now: s.Now, Runner: s.Runner}}
	e.policy()
	if err := e.supposeRequester(s.Requester, s.ProvenBy); err != nil {
		return Explanation{}, err
	}
	e.holdBack()
	ballots := map[string][]ballot{}
	for _, vote := range []struct {
		names   []string
		verdict nhi.Verdict
		touch   bool
	}{{s.Approve, nhi.VerdictApprove, false}, {s.Touch, nhi.VerdictApprove, true}, {s.Deny, nhi.VerdictDeny, false}} {
		for _, name := range vote.names {
			made, err := e.supposeBallot(name, vote.verdict, vote.touch)
			if err != nil {
				return Explanation{}, err
			}
			ballots[name] = append(ballots[name], made)
		}
	}
	e.tally(ballots)
	return e.explain(), nil
}

func (e *evaluation) supposeRequester(name, by string) error {
	if name == "" {
		e.unproven = true
		e.notProven("the example names no requester")
		e.enlarge()
		return nil
	}
	if _, known := e.document.named(name); !known {
		return fmt.Errorf("requester %.60q is nobody in this policy: %w", name, nhi.ErrInvalid)
	}
	e.askers[name], e.verdict.Requester, e.verdict.ProvenBy = true, name, or(by, ProvenBySSH)
	return nil
}

func (e *evaluation) supposeBallot(name string, verdict nhi.Verdict, touch bool) (ballot, error) {
	person, known := e.document.named(name)
	if !known {
		return ballot{}, fmt.Errorf("%.60q is nobody in this policy: %w", name, nhi.ErrInvalid)
	}
	if touch && !person.hasHardwareKey() {
		return ballot{}, fmt.Errorf("%s has no hardware key in this policy: %w", name, nhi.ErrInvalid)
	}
	until := e.document.Until(e.in.Request, e.in.Now)
	return ballot{person: person, sound: true, hardware: touch || person.onlyHardwareKeys(),
		Decision: nhi.Decision{Verdict: verdict, SignedAt: e.in.Now, ActivateBefore: until, NotAfter: until.Add(e.in.Request.TTL)}}, nil
}

// named returns the person called name.
func (d *Document) named(name string) (Approver, bool) {
	i := slices.IndexFunc(d.Approvers, func(a Approver) bool { return a.Name == name })
	if i < 0 {
		return Approver{}, false
	}
	return d.Approvers[i], true
}
