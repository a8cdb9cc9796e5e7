package lifecycle

import (
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Input is all that the verdict about a request follows from.
func (s *Standing) Input(request nhi.Request, text string) policy.Input {
	chain := s.chains[s.approval]
	return policy.Input{
		Request:   request,
		Text:      text,
		Asked:     AskedIn(chain, text),
		Decisions: append(decisionsIn(chain), s.fresh...),
		HashAt:    chain.HashAt,
		Now:       s.Now,
		Since:     s.trust.Base.Time,
		Runner:    s.runner,
		Self:      s.self,
		Keys:      s.keys,
		Confirmed: s.confirmed(text),
		Hosts:     s.hosts,
	}
}
