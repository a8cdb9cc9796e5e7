package provider

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// waiting warns that an approval is missing, and says who can give it. Reasons
// are why decisions on record do not count.
func (r *approvalResource) waiting(diags *diag.Diagnostics, request nhi.Request, needs []policy.Need, reasons []string, memory approvalMemory) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s asks for %s for %s.\n", request.Approval, asks(request, r.session.engine.Systems), nhi.FormatTTL(request.TTL))
	if request.Term > 1 {
		fmt.Fprintf(&text, "This is term %d of the same approval.\n", request.Term)
	}
	if memory.InForce != "" {
		fmt.Fprintf(&text, "What is in force now runs on until %s, whatever is decided: it needs nothing.%s\n", memory.EndsAt, r.lateEnds(memory))
	}
	if !request.ReusableUntil.IsZero() {
		fmt.Fprintf(&text, "Once approved, each new value of the grant's trigger activates it, until %s.\n", nhi.FormatTime(request.ReusableUntil))
	}
	for _, need := range needs {
		if need.NoApproval {
			continue
		}
		or := ""
		if need.RunConfirmation {
			or = " Confirming the run that applies counts as one."
		}
		fmt.Fprintf(&text, "Rule %q needs %d of group %s, and %s.%s\n", need.Rule, need.Want, need.Group, decided(need.Have), or)
	}
	for _, reason := range reasons {
		fmt.Fprintf(&text, "Note: %s.\n", strings.TrimSuffix(reason, "."))
	}
	fmt.Fprintf(&text, "Apply records the request and does not wait. To decide: nhi approve %s; the next plan then shows what apply gives.", request.Approval)
	diags.AddWarning("Waiting for approval", text.String())
}

// lateEnds says which targets of what is in force do not end it by themselves.
func (r *approvalResource) lateEnds(memory approvalMemory) string {
	held, err := nhi.ParseRequest(memory.InForce)
	if err != nil {
		return ""
	}
	var late []string
	for _, key := range held.Access.Keys() {
		if kind, ok := r.session.engine.Systems.Kind(held.Access[key].Kind); ok && kind.EnforcedBy == connector.EnforcedByApply {
			late = append(late, key)
		}
	}
	if len(late) == 0 {
		return ""
	}
	return " On " + strings.Join(late, ", ") + " it is ended by the first apply or sweep after that."
}

// stays warns in every plan of a request that is not approved, and says why.
func (r *approvalResource) stays(diags *diag.Diagnostics, t ticket, status policy.Status, standing lifecycle.Standing, memory approvalMemory) {
	request, err := nhi.ParseRequest(t.Text)
	if err != nil || t.Identity != nhi.IdentityActive {
		return
	}
	reasons := slices.DeleteFunc(slices.Clone(standing.Verdict.Reasons), func(reason string) bool {
		return strings.HasPrefix(reason, "rule ") && strings.Contains(reason, " needs ") // the needs say it better
	})
	what := map[policy.Status]string{
		policy.StatusDenied: "was denied", policy.StatusLapsed: "was approved and not activated in time", policy.StatusWithdrawn: "was approved, and the approval was withdrawn",
	}[status]
	if end := request.ReusableUntil; !end.IsZero() && status == policy.StatusLapsed && overdue(standing.Now, end) {
		what = "was approved for use until " + nhi.FormatTime(end) + ", which has passed"
	}
	switch {
	case status == policy.StatusPending && heldBack(diags, request, standing.Verdict):
	case status == policy.StatusPending:
		r.waiting(diags, request, standing.Verdict.Needs, reasons, memory)
	case what != "":
		for _, denial := range standing.Verdict.Denials {
			reasons = append(reasons, denial.Reason)
		}
		diags.AddAttributeWarning(path.Root("status"), "Not approved",
			fmt.Sprintf("%s %s: %s.\nNothing is granted on it. Ask the approvers to decide again (nhi approve %s), change the request, or remove it.",
				request.Approval, what, strings.Join(reasons, "; "), request.Approval))
	}
}

// overdue says whether a time has come.
func overdue(now, end time.Time) bool { return !now.IsZero() && !now.Before(end) }

func decided(have []string) string {
	switch len(have) {
	case 0:
		return "0 have approved"
	case 1:
		return "1 has approved (" + have[0] + ")"
	default:
		return fmt.Sprintf("%d have approved (%s)", len(have), strings.Join(have, ", "))
	}
}

// asks says in words what a request asks for, and where.
func asks(request nhi.Request, systems *lifecycle.Systems) string {
	parts := make([]string, 0, len(request.Access))
	for _, key := range request.Access.Keys() {
		access := request.Access[key]
		kind, _ := systems.Kind(access.Kind)
		what := strings.Join(privileges(systems, access), ", ")
		if adoption := kind.Adoption(access.Settings); adoption.Name != "" {
			end := "removed"
			if adoption.Disable {
				end = "shut"
			}
			what = fmt.Sprintf("taking over the account %q with %s, to be %s at the end", adoption.Name, what, end)
		}
		if access.Kind == nhi.KindExternal {
			parts = append(parts, fmt.Sprintf("%q outside (%s)", what, key))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s on %s (%s)", what, access.System, access.Endpoint))
	}
	return strings.Join(parts, "; ")
}

// privileges says in words what an access gives.
func privileges(systems *lifecycle.Systems, access nhi.Access) []string {
	kind, ok := systems.Kind(access.Kind)
	if !ok || kind.Privileges == nil {
		return nil
	}
	return kind.Privileges(access.Settings)
}
