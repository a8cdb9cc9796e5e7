package provider

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// heldBack warns of a request that nobody has to decide on any more, and that
// may not be activated now or from here; false where it is not such a one.
func heldBack(diags *diag.Diagnostics, request nhi.Request, verdict policy.Verdict) bool {
	if !verdict.HeldBack() {
		return false // where a decision is missing too, the reasons stand beside that
	}
	diags.AddAttributeWarning(path.Root("status"), "Approved, and held back",
		fmt.Sprintf("%s needs no more decision, and may not be activated now and from here: %s.\nA later plan shows the activation, once nothing holds it back.",
			request.Approval, strings.Join(verdict.Held, "; ")))
	return true
}

// onlyApplyKnows is the note on a plan's warning where the policy also looks at
// what no plan knows.
func (r *approvalResource) onlyApplyKnows(request nhi.Request) []string {
	var notes []string
	if r.session.byToken() {
		notes = append(notes, "a token proves who asks at apply, and where it does not, each quorum is one larger")
	}
	document, err := r.session.engine.PolicyFromFile()
	if err != nil || !document.Rule(request).AtApply {
		return notes
	}
	return append(notes, "the policy also looks at the time, the requester or the runner, so only apply can tell whether it may be activated")
}

// lastTerm says whether the policy allows no term after this one, for whatever
// reason: then none is asked for by itself, so that no plan fails for it, and the
// access ends with its term.
func lastTerm(document *policy.Document, request nhi.Request) bool {
	if document == nil {
		return false
	}
	request.Term++
	return len(document.Rule(request).Denials) > 0
}
