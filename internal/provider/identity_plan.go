package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ModifyPlan implements resource.ResourceWithModifyPlan. It looks at
// configuration and state alone: that an identity has ended by time, Read has
// put into status, and here it becomes a change of subject.status.
func (r *identityResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || r.session == nil {
		return
	}
	var plan, config identityModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	var state *identityModel
	var memory identityMemory
	if !req.State.Raw.IsNull() {
		state = &identityModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
		recall(ctx, req.Private, &memory, &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	plan.ID = r.plannedID(plan.Name)
	if state != nil && !plan.ID.IsUnknown() && !plan.ID.Equal(state.ID) {
		resp.RequiresReplace = append(resp.RequiresReplace, path.Root("id"))
		state = nil // what follows is planned for a new identity
	}
	if r.session.environment.IsNull() || r.session.scope.IsNull() {
		if state == nil {
			resp.Diagnostics.AddError("Provider block is incomplete", "An identity needs environment and scope in the provider block.")
			return
		}
		plan.ID = state.ID
	}
	if state == nil || !plan.Source.Equal(state.Source) {
		r.checkSource(ctx, plan.Source, &resp.Diagnostics)
	}
	plan.Status = plannedIdentityStatus(plan, config, state, memory)
	r.session.identityRisks(plan, state, &resp.Diagnostics)
	plan.ExpiresAt = plannedEnd(plan, config, state, memory)
	plan.Subject = plan.subject()
	plan.Findings = list(nil)
	if state != nil && plan.Subject.Equal(state.Subject) && plan.Status.Equal(state.Status) && plan.ExpiresAt.Equal(state.ExpiresAt) {
		plan.Findings = state.Findings
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

func (r *identityResource) plannedID(name types.String) types.String {
	if name.IsUnknown() || r.session.environment.IsUnknown() || r.session.scope.IsUnknown() {
		return types.StringUnknown()
	}
	id, err := nhi.NewIdentityID(r.session.environment.ValueString(), r.session.scope.ValueString(), name.ValueString())
	if err != nil {
		return types.StringUnknown() // incomplete provider block; see ModifyPlan
	}
	return types.StringValue(string(id))
}

// plannedIdentityStatus is what apply will make of the identity. One that Read
// found ended stays so until its end is moved.
func plannedIdentityStatus(plan, config identityModel, state *identityModel, memory identityMemory) types.String {
	switch {
	case plan.Enabled.IsUnknown():
		return types.StringUnknown()
	case !plan.Enabled.ValueBool():
		return types.StringValue(string(nhi.IdentityDisabled))
	case state != nil && orphanStays(plan, *state, memory):
		return state.Status
	case state == nil || state.Status.ValueString() != string(nhi.IdentityExpired) || endMoved(config, *state):
		return types.StringValue(string(nhi.IdentityActive))
	default:
		return state.Status
	}
}

// endMoved says whether the configuration sets another end than the state's.
func endMoved(config, state identityModel) bool {
	if !config.TTL.Equal(state.TTL) {
		return true
	}
	return config.TTL.IsNull() && !config.ExpiresAt.Equal(state.ExpiresAt)
}

// plannedEnd is known where the configuration says it, where it stays, and
// where it is remembered when the ttl began.
func plannedEnd(plan, config identityModel, state *identityModel, memory identityMemory) types.String {
	if config.TTL.IsNull() {
		return config.ExpiresAt
	}
	if state == nil || plan.TTL.IsUnknown() {
		return types.StringUnknown()
	}
	if plan.TTL.Equal(state.TTL) {
		return state.ExpiresAt
	}
	started, err := nhi.ParseTime(memory.Started)
	if err != nil {
		return types.StringUnknown()
	}
	end, err := plan.end(started)
	if err != nil {
		return types.StringUnknown() // said by the attribute's own check
	}
	return types.StringValue(nhi.FormatTime(end))
}
