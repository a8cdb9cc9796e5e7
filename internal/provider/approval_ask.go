package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// ask records the request and evaluates it. An assured one that is not
// approved is an error, after it was recorded and before any state is written.
func (r *approvalResource) ask(ctx context.Context, plan, state *approvalModel, memory approvalMemory, diags *diag.Diagnostics) {
	built := r.build(*plan, askedTerm(*plan, state, memory), nil, diags)
	if diags.HasError() {
		return
	}
	if !built.known {
		diags.AddError("Request not recorded", "A value that the request names is not known at apply. This is a bug in the provider.")
		return
	}
	standing, err := r.session.engine.Standing(ctx, built.text)
	if err != nil {
		failure(diags, path.Root("access"), "Request not recorded", err)
		return
	}
	if len(standing.Verdict.Denials) > 0 {
		deny(diags, built.request, standing.Verdict.Denials)
		return
	}
	if r.refuseRisks(*plan, state, memory, built, diags); diags.HasError() {
		return
	}
	if err := r.record(ctx, *plan, state, memory, built, diags); err != nil {
		failure(diags, path.Root("access"), "Request not recorded", err)
		return
	}
	if err := r.session.engine.Observe(ctx, built.text); err != nil {
		failure(diags, path.Root("access"), "The account that is to be taken over could not be looked at", err)
		return
	}
	if standing, err = r.session.engine.Standing(ctx, built.text); err != nil {
		failure(diags, path.Root("access"), "Request not evaluated", err)
		return
	}
	asked := standing
	planned := ticketOf(plan.Ticket)
	assured := planned.Standing == standingAssured
	if assured || planned.May {
		if standing, err = r.session.engine.StandingHere(ctx, built.text); err != nil {
			failure(diags, path.Root("access"), "Request not evaluated", err)
			return
		}
	}
	if assured && !standing.Approved() && standing.Status != lifecycle.Spent {
		failure(diags, path.Root("on_pending"), "Not approved",
			fmt.Errorf("%s is recorded and %s: %s: %w", plan.ID.ValueString(), standing.Status, joinReasons(standing), nhi.ErrNotApproved))
		return
	}
	if covered := plan.CoveredBy.ValueString(); covered != "" && covered != string(standing.CoveredBy) {
		failure(diags, path.Root("covered_by"), "Not covered any more",
			fmt.Errorf("the plan rested on the request %s, which is not in force any more: %w", nhi.Digest(covered).Short(), nhi.ErrNotApproved))
		return
	}
	r.fill(plan, built, asked, diags)
	if planned.May && !diags.HasError() {
		r.heard(plan, asked, standing, diags)
	}
}

func joinReasons(standing lifecycle.Standing) string {
	if why := standing.Why(); len(why) > 0 {
		return why[0]
	}
	return "no decision yet"
}

// record puts the request on record, where it asks for something. Who only looks
// again at what stands asks for nothing: a run that can prove less must not make
// it unproven.
func (r *approvalResource) record(ctx context.Context, plan approvalModel, state *approvalModel, memory approvalMemory, built built, diags *diag.Diagnostics) error {
	if state != nil && !memory.Rewritten && ticketOf(plan.Ticket).May && ticketOf(state.Ticket).Request == nhi.DigestOf(built.text) &&
		plan.Justification.Equal(state.Justification) {
		return r.session.engine.PublishPolicy(ctx)
	}
	return r.recordRequest(ctx, built.text, plan.Justification.ValueString(), diags)
}

// recordRequest signs the request as the requester, where one is set, and
// appends it to the ledger.
func (r *approvalResource) recordRequest(ctx context.Context, text, justification string, diags *diag.Diagnostics) error {
	if err := r.session.engine.PublishPolicy(ctx); err != nil {
		return err
	}
	signed, err := r.session.sign(ctx, text, diags)
	if err != nil {
		return err
	}
	return r.session.engine.RecordRequest(ctx, text, justification, signed)
}

// fill sets every computed value that was not known at plan, and none that was.
func (r *approvalResource) fill(plan *approvalModel, built built, standing lifecycle.Standing, diags *diag.Diagnostics) {
	if plan.ID.IsUnknown() {
		plan.ID = types.StringValue(string(built.request.Approval))
	}
	if plan.Request.IsUnknown() {
		plan.Request = types.StringValue(string(nhi.DigestOf(built.text)))
	}
	if plan.Required.IsUnknown() {
		plan.Required = list(standing.Verdict.Required())
	} else if needs, ok := r.needs(built.request); ok && !plan.Required.Equal(list(policy.Verdict{Needs: needs}.Required())) {
		diags.AddAttributeError(path.Root("required"), "The policy changed between plan and apply",
			"What the policy asks for now is not what the plan showed. Plan again.")
		return
	}
	if plan.Findings.IsUnknown() && !plan.Status.IsUnknown() {
		_, findings := shownStatus(standing)
		plan.Findings = list(findings)
	}
	t := ticketOf(plan.Ticket)
	t.Text, t.Request, t.Known = built.text, nhi.DigestOf(built.text), true
	t.Identity, t.May = built.identityStatus, false
	plan.Ticket = t.object()
}
