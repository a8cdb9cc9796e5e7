package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ resource.Resource               = (*grantResource)(nil)
	_ resource.ResourceWithConfigure  = (*grantResource)(nil)
	_ resource.ResourceWithModifyPlan = (*grantResource)(nil)
)

// grantResource is nhi_grant.
type grantResource struct{ session *session }

// Metadata implements resource.Resource.
func (r *grantResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_grant"
}

// Configure implements resource.ResourceWithConfigure.
func (r *grantResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Create implements resource.Resource.
func (r *grantResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var plan grantModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	t := ticketOf(plan.Ticket)
	request := r.requested(t, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	plan.ID = types.StringValue(string(request.Approval))
	memory := grantMemory{Record: lifecycle.Record{Grant: request.Approval}, Holder: newHolder()}
	switch {
	case plan.attempts():
		r.attempt(ctx, t, &memory, &plan, nil, &resp.Diagnostics)
	case plan.Status.ValueString() == string(lifecycle.Active):
		r.activate(ctx, t, &memory, &plan, &resp.Diagnostics)
	default:
		plan.Targets = targetsMap(wishedTargets(request, r.session.engine.Systems, lifecycle.Pending))
		// The ledger may hold this grant as active: its accounts are remembered.
		if seen, err := r.session.engine.Record(ctx, request.Approval); err == nil {
			memory.Record = seen
		}
		r.found(ctx, t, &plan)
	}
	if resp.Diagnostics.HasError() {
		return // nothing is in state, so the next apply tries again
	}
	memory.Rested = restedIn(plan)
	remember(ctx, resp.Private, memory.sparing(), &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// requested reads the request of a ticket and holds it against the provider
// block: a ticket of another ledger, environment or scope is refused.
func (r *grantResource) requested(t ticket, diags *diag.Diagnostics) nhi.Request {
	at := path.Root("ticket")
	request, err := nhi.ParseRequest(t.Text)
	if err != nil {
		failure(diags, at, "Invalid ticket", err)
		return request
	}
	if nhi.DigestOf(t.Text) != t.Request {
		failure(diags, at, "Invalid ticket", fmt.Errorf("request is not the digest of text: %w", nhi.ErrInvalid))
		return request
	}
	if err := r.session.speaksFor(request.Identity()); err != nil {
		failure(diags, at, "Ticket of another scope", err)
		return request
	}
	if id, err := r.session.ledgerID(); err == nil && id != request.Ledger {
		failure(diags, at, "Ticket of another ledger", fmt.Errorf("the ticket is for ledger %s, and this is ledger %s: %w", request.Ledger, id, nhi.ErrInvalid))
	}
	return request
}

// activate puts the ticket's request in force and writes the outcome into the
// plan.
func (r *grantResource) activate(ctx context.Context, t ticket, memory *grantMemory, plan *grantModel, diags *diag.Diagnostics) {
	if err := r.putInForce(ctx, t, memory, plan, diags); err != nil {
		failure(diags, path.Root("ticket"), "Access not granted", err)
	}
}

// putInForce is activate, with its error left to the caller.
func (r *grantResource) putInForce(ctx context.Context, t ticket, memory *grantMemory, plan *grantModel, diags *diag.Diagnostics) error {
	if memory.Holder == "" {
		memory.Holder = newHolder() // imported, or from an earlier release
	}
	ask := lifecycle.Ask{Text: t.Text, Trigger: plan.Trigger.ValueString(), Holder: memory.Holder}
	record, err := r.session.engine.Activate(ctx, ask, memory.Record)
	memory.Record = record
	var left *lifecycle.RevokeError
	if record.Phase == lifecycle.PhaseActive && record.Held == t.Request && (err == nil || errors.As(err, &left)) {
		if err != nil { // the new access stands, and something replaced is left over
			warning(diags, "Access that was replaced is not confirmed as removed", err)
		}
		plan.held(record, r.session.engine.Systems)
		memory.Held = record.Holder == memory.Holder
		return nil
	}
	if err == nil {
		err = fmt.Errorf("another request is in force: %s: %w", record.Held.Short(), lifecycle.ErrOvertaken)
	}
	return err
}

// adopt makes what is in force this resource's, as the plan showed it.
func (r *grantResource) adopt(ctx context.Context, memory *grantMemory, plan *grantModel, diags *diag.Diagnostics) {
	holder := memory.Holder
	if holder == "" {
		holder = newHolder()
	}
	record, err := r.session.engine.Adopt(ctx, memory.Record, holder)
	memory.Record = record
	if err != nil {
		failure(diags, path.Root("status"), "Access not adopted", err)
		return
	}
	memory.Holder, memory.Held = holder, true
	plan.held(record, r.session.engine.Systems)
}

// Update implements resource.Resource: it does what the plan showed, or fails.
func (r *grantResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var plan, state grantModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	memory := recallGrant(ctx, req.Private, state, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	switch step(plan, state) {
	case attempts:
		r.requested(ticketOf(plan.Ticket), &resp.Diagnostics)
		if !resp.Diagnostics.HasError() {
			r.attempt(ctx, ticketOf(plan.Ticket), &memory, &plan, &state, &resp.Diagnostics)
		}
	case lifecycle.Activate:
		r.requested(ticketOf(plan.Ticket), &resp.Diagnostics)
		if !resp.Diagnostics.HasError() {
			r.activate(ctx, ticketOf(plan.Ticket), &memory, &plan, &resp.Diagnostics)
		}
	case lifecycle.Adopt:
		r.adopt(ctx, &memory, &plan, &resp.Diagnostics)
	case lifecycle.Repair:
		memory.Record = r.repair(ctx, memory.Record, &plan, &resp.Diagnostics)
	case lifecycle.Revoke:
		memory.Record = r.revoke(ctx, memory.Record, reason(plan, state), &plan, targetsOf(state.Targets), &resp.Diagnostics)
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...) // also with an error: it shows what is open
	}
	if !resp.Diagnostics.HasError() {
		memory.Rested = restedIn(plan)
	}
	remember(ctx, resp.Private, memory.sparing(), &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// step says what apply has to do, from the plan and the state that it was made
// on alone. Only a plan that shows the ticket's request as the one in force
// puts it in force.
func step(plan, state grantModel) lifecycle.Step {
	planned, was := lifecycle.Status(plan.Status.ValueString()), lifecycle.Status(state.Status.ValueString())
	switch {
	case plan.attempts():
		return attempts
	case planned == lifecycle.Revoked && (was != lifecycle.Revoked || state.Active.ValueBool()):
		return lifecycle.Revoke
	case planned != lifecycle.Active:
		return lifecycle.Rest
	case plan.Lease.IsUnknown() && plan.ActiveRequest.ValueString() == string(ticketOf(plan.Ticket).Request):
		return lifecycle.Activate
	case !state.Active.ValueBool():
		return lifecycle.Adopt
	case was == lifecycle.Drifted:
		return lifecycle.Repair
	default:
		return lifecycle.Rest
	}
}

// reason says in words why a grant is removed, for the record.
func reason(plan, state grantModel) string {
	if status := ticketOf(plan.Ticket).Identity; status != nhi.IdentityActive && status != "" {
		return "the identity is " + string(status)
	}
	return state.Status.ValueString()
}

func (r *grantResource) repair(ctx context.Context, known lifecycle.Record, plan *grantModel, diags *diag.Diagnostics) lifecycle.Record {
	record, err := r.session.engine.Repair(ctx, known)
	if err != nil {
		failure(diags, path.Root("status"), "Access not repaired", err)
		return record
	}
	plan.held(record, r.session.engine.Systems)
	return record
}

// revoke removes the grant and writes the outcome into model. What is not
// confirmed is an error, and stays as revoking.
func (r *grantResource) revoke(ctx context.Context, known lifecycle.Record, why string, model *grantModel, before map[string]targetView, diags *diag.Diagnostics) lifecycle.Record {
	removal, err := r.session.engine.Revoke(ctx, known, why)
	if removal.Away != nil {
		warning(diags, "The ledger is away: access was removed from what is remembered, and the record waits in "+r.session.engine.SpoolDir, removal.Away)
	}
	model.removed(removal.Record, before)
	if err != nil {
		failure(diags, path.Root("status"), "Access not confirmed as removed", err)
	}
	return removal.Record
}

// Delete implements resource.Resource.
func (r *grantResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state grantModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	memory := recallGrant(ctx, req.Private, state, &resp.Diagnostics)
	record := memory.Record
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	if now, err := r.session.engine.Record(ctx, record.Grant); err == nil && memory.lost(now) {
		resp.Diagnostics.AddWarning("Access left to another resource", state.ID.ValueString()+" is held by another nhi_grant now, which took it over. This one is removed without it.")
		return
	}
	r.revoke(ctx, record, lifecycle.ReasonDestroyed, &state, targetsOf(state.Targets), &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
	}
}
