package policy

import (
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Part is what one person has to do with a request.
type Part struct {
	// Word is the decision of theirs that stands, an approval or a denial,
	// whether or not a rule heeds it; empty where they signed none, or a later
	// word of theirs took it back.
	Word     nhi.Verdict
	SignedAt time.Time // of Word
	Asked    bool      // they asked for it, so that their yes never counts
	Heeded   bool      // a rule that decides asks a group of theirs
}

// Part says what the person called name has to do with the request of in, by
// the same reading of decisions as Evaluate. A stranger has no part.
func (d *Document) Part(in Input, name string) Part {
	e := &evaluation{document: d, in: in, askers: map[string]bool{}}
	e.policy()
	e.requesters()
	for _, person := range d.Approvers {
		if person.Name != name {
			continue
		}
		part := Part{Asked: e.askers[name], Heeded: e.asks(person)}
		switch s := standOf(person, e.readBallots()[name]); {
		case s.deny != nil:
			part.Word, part.SignedAt = nhi.VerdictDeny, s.deny.SignedAt
		case s.yes != nil:
			part.Word, part.SignedAt = nhi.VerdictApprove, s.yes.SignedAt
		}
		return part
	}
	return Part{}
}
