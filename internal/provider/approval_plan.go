package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// ModifyPlan implements resource.ResourceWithModifyPlan.
func (r *approvalResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || r.session == nil {
		return
	}
	var plan approvalModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	var state *approvalModel
	var held *ticket
	var memory approvalMemory
	if !req.State.Raw.IsNull() {
		state = &approvalModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
		t := ticketOf(state.Ticket)
		held = &t
		recall(ctx, req.Private, &memory, &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if state != nil {
		plan.keepWritten(ctx, *state, r.kinds)
	}
	var problems diag.Diagnostics
	checkReuse(plan, &problems)
	b := r.build(plan, term(plan, state, held, memory), held, &problems)
	if state != nil && (b.ended() && sameApproval(plan, *state) || problems.HasError() && sameWish(plan, *state) && !b.back(*held)) {
		// What stands is not asked for again, and an identity that has ended asks
		// for nothing: a system that is gone or broken, or what else is edited in
		// the same change, must not keep access from being removed.
		for _, problem := range problems {
			resp.Diagnostics.AddWarning(problem.Summary(), problem.Detail())
		}
		b = built{id: state.ID, text: held.Text, known: held.Known, identityStatus: b.identityStatus}
	} else {
		resp.Diagnostics.Append(problems...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if state != nil && !b.id.IsUnknown() && !b.id.Equal(state.ID) {
		resp.RequiresReplace = append(resp.RequiresReplace, path.Root("id"))
		state, held = nil, nil
	}
	r.planComputed(&plan, state, held, b, memory, &resp.Diagnostics)
	r.planRisks(plan, state, memory, b, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// sameApproval says whether the configuration is about the approval that the
// state is about, whatever it asks for.
func sameApproval(plan, state approvalModel) bool {
	return plan.Name.Equal(state.Name) && textAt(plan.Subject, "id").Equal(textAt(state.Subject, "id"))
}

// sameWish says whether the configuration asks for what the state holds.
func sameWish(plan, state approvalModel) bool {
	return sameApproval(plan, state) && plan.Access.Equal(state.Access) && plan.TTL.Equal(state.TTL) &&
		plan.ReusableUntil.Equal(state.ReusableUntil) && plan.Renewal.Equal(state.Renewal) &&
		textAt(plan.Subject, "owner").Equal(textAt(state.Subject, "owner")) &&
		textAt(plan.Subject, "purpose").Equal(textAt(state.Subject, "purpose")) &&
		textAt(plan.Subject, "kind").Equal(textAt(state.Subject, "kind"))
}

// planComputed plans every computed value: as it is where the request stays,
// and afresh where it is new or changed.
func (r *approvalResource) planComputed(plan *approvalModel, state *approvalModel, held *ticket, b built, memory approvalMemory, diags *diag.Diagnostics) {
	t := ticket{Text: b.text, Known: b.known, Identity: b.identityStatus, Standing: standingOpen}
	if b.known {
		t.Request = nhi.DigestOf(b.text)
	}
	plan.ID = b.id
	unchanged := held != nil && b.known && held.Request == t.Request
	if unchanged {
		plan.Status, plan.CoveredBy, plan.Required = state.Status, state.CoveredBy, state.Required
		plan.ApprovedBy, plan.Findings, plan.Request = state.ApprovedBy, state.Findings, state.Request
		t.Standing = held.Standing
		if t.Standing == standingApproved && state.Status.ValueString() != string(policy.StatusApproved) {
			t.Standing = standingOpen // it was approved for that apply alone, and not used
		}
		if !b.ended() && (b.back(*held) || !plan.OnPending.Equal(state.OnPending)) {
			t.Standing = r.standing(*plan, b, diags)
		}
		plan.Ticket = t.object()
		if state.Status.ValueString() == string(policy.StatusPending) {
			r.mayConfirm(plan, &t, b.request, memory.Confirmers, diags)
		}
		return
	}
	if held != nil && !b.known {
		r.planUnknown(plan, held, t)
		return
	}
	r.planAfresh(plan, b, t, memory, diags)
}

// planUnknown plans a request that may turn out to be what stands: nothing is
// said before that.
func (r *approvalResource) planUnknown(plan *approvalModel, held *ticket, t ticket) {
	t.Standing = held.Standing
	plan.Ticket = t.object()
	r.leftOpen(plan, t)
	plan.Status, plan.CoveredBy, plan.Request = types.StringUnknown(), types.StringUnknown(), types.StringUnknown()
	unknown := types.ListUnknown(types.StringType)
	plan.Required, plan.ApprovedBy, plan.Findings = unknown, unknown, unknown
}

// planAfresh plans a request that is new or changed. One that the request in
// force contains asks nobody.
func (r *approvalResource) planAfresh(plan *approvalModel, b built, t ticket, memory approvalMemory, diags *diag.Diagnostics) {
	t.Standing = r.standing(*plan, b, diags)
	plan.Ticket = t.object()
	plan.CoveredBy, plan.ApprovedBy, plan.Findings = types.StringNull(), list(nil), list(nil)
	plan.Request, plan.Required = types.StringUnknown(), types.ListUnknown(types.StringType)
	plan.Status = types.StringValue(string(policy.StatusPending))
	if t.Standing == standingAssured {
		plan.Status = types.StringValue(string(policy.StatusApproved))
	} else if r.session.hears() {
		plan.Findings = types.ListUnknown(types.StringType) // as the next read will find, see grantResource.found
	}
	if !b.known {
		r.leftOpen(plan, t)
		return
	}
	plan.Request = types.StringValue(string(t.Request))
	covered := r.coveredBy(memory, b.request, b.text)
	if covered != "" {
		plan.Status, plan.CoveredBy = types.StringValue(string(policy.StatusApproved)), types.StringValue(string(covered))
	}
	needs, known := r.needs(b.request)
	if known {
		plan.Required = list(policy.Verdict{Needs: needs}.Required())
	}
	if len(needs) > 0 && t.Standing == standingOpen && covered == "" {
		r.waiting(diags, b.request, needs, r.onlyApplyKnows(b.request), memory)
		r.mayConfirm(plan, &t, b.request, r.confirmers(b.request), diags)
	}
}

// leftOpen leaves open what the final plan of a request that is not known yet may
// leave to apply, see mayConfirm. No confirmation is a yes to it: it is in no plan
// that anybody saw.
func (r *approvalResource) leftOpen(plan *approvalModel, t ticket) {
	if !r.session.hears() || t.Standing == standingAssured {
		return
	}
	t.May = true
	plan.Ticket = t.object()
	plan.Status, plan.ApprovedBy, plan.Findings = types.StringUnknown(), types.ListUnknown(types.StringType), types.ListUnknown(types.StringType)
}

// standing says whether the grant may be planned as active: where the policy
// asks for no approval, or where the configuration would rather fail. A policy
// that denies is an error on the attribute. So is an access that would be
// active at once and is not known yet: a plan promises only what it can show.
func (r *approvalResource) standing(plan approvalModel, b built, diags *diag.Diagnostics) string {
	if b.ended() {
		return standingOpen // it asks for nothing, and its grants go
	}
	assured := plan.OnPending.ValueString() == onPendingError
	if r.session.engine.PolicyFile != "" && len(b.request.Access) > 0 {
		document, err := r.session.engine.PolicyFromFile()
		if isNotKnownYet(err) {
			return standingOpen // the ledger, and with it the request
		}
		if err != nil {
			failure(diags, path.Root("access"), "No policy allows this", err)
			return standingOpen
		}
		ruling := document.Rule(b.request)
		if b.known {
			deny(diags, b.request, append(ruling.Denials, document.Weak(b.request, r.session.engine.Systems.Weak).Denials...))
		}
		assured = assured || needsNobody(ruling)
	}
	if !assured || diags.HasError() {
		return standingOpen
	}
	if !b.known {
		diags.AddAttributeError(path.Root("access"), "Access not known yet",
			"Without a pending approval (the policy asks for none, or on_pending is \"error\") the grant would be active at once, but the place that the access is on is known only after apply. A plan shows all access that it gives. Apply what makes the system first, with -target, then plan again.")
		return standingOpen
	}
	return standingAssured
}

func needsNobody(ruling policy.Ruling) bool {
	for _, requirement := range ruling.Requirements {
		if !requirement.NoApproval {
			return false
		}
	}
	return len(ruling.Requirements) > 0 && !ruling.AtApply
}

// needs says what the policy file asks for before anybody decided; false where
// there is no policy file, or where it is not known yet who asks. A token proves
// that at apply: then the needs are the least that it can be.
func (r *approvalResource) needs(request nhi.Request) ([]policy.Need, bool) {
	if r.session.engine.PolicyFile == "" || r.session.requester.IsUnknown() {
		return nil, false
	}
	document, err := r.session.engine.PolicyFromFile()
	if err != nil {
		return nil, false
	}
	proven := r.session.byToken() || r.session.proven(document)
	var needs []policy.Need
	for _, requirement := range document.Rule(request).Requirements {
		need := policy.Need{Requirement: requirement, Want: requirement.Count}
		if !proven && !requirement.NoApproval {
			need.Want++
		}
		needs = append(needs, need)
	}
	return needs, !r.session.byToken()
}
