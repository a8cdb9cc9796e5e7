package cli

import (
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// aboutBlock checks a signed block, lift or review in the chain of a grant, or, where
// grant is empty, of an identity.
func (v *audit) aboutBlock(chain ledger.Chain, entry ledger.Entry, signed nhi.SignedDecision, identity nhi.IdentityID, grant nhi.ApprovalID) {
	decision, err := nhi.ParseDecision(signed.Text)
	if err != nil {
		v.fault(chain.Name, entry.Seq, "%s", err)
		return
	}
	review := decision.Verdict == nhi.VerdictReview && grant != ""
	if decision.Verdict != nhi.VerdictBlock && decision.Verdict != nhi.VerdictLift && !review {
		v.fault(chain.Name, entry.Seq, "a decision to %s has no place in this chain", decision.Verdict)
		return
	}
	request, err := nhi.ParseRequest(decision.Request)
	switch {
	case err != nil:
	case grant == "" && request.Identity() == identity:
		grant = request.Approval
	case grant == "":
		v.fault(chain.Name, entry.Seq, "the decision is about %s", request.Approval)
		return
	}
	if err == nil {
		err = v.decision(chain, entry, signed, grant)
	}
	if err != nil {
		v.fault(chain.Name, entry.Seq, "%s", err)
	}
}
