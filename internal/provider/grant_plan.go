package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ModifyPlan implements resource.ResourceWithModifyPlan. It looks at the
// ticket and the state alone; what time, ledger and targets say, Read has put
// into the state's status and into private state.
func (r *grantResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.session == nil {
		return
	}
	var state *grantModel
	var memory grantMemory
	if !req.State.Raw.IsNull() {
		state = &grantModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
		memory = recallGrant(ctx, req.Private, *state, &resp.Diagnostics)
	}
	if req.Plan.Raw.IsNull() {
		destroying(state, &resp.Diagnostics)
		return
	}
	var plan grantModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	t := ticketOf(plan.Ticket)
	var request nhi.Request
	if t.Known && (state == nil || ticketOf(state.Ticket).Request != t.Request) {
		if request = r.requested(t, &resp.Diagnostics); resp.Diagnostics.HasError() {
			return
		}
	} else if t.Known {
		request, _ = nhi.ParseRequest(t.Text)
	}
	if state != nil && request.Approval != "" && string(request.Approval) != state.ID.ValueString() {
		resp.RequiresReplace = append(resp.RequiresReplace, path.Root("id"))
		state = nil
	}
	if state == nil {
		plan.created(t, request, r.session.engine.Systems)
		if r.session.hears() && plan.Status.ValueString() == string(lifecycle.Pending) {
			plan.Findings = types.ListUnknown(types.StringType) // see found
		}
		r.replacing(plan, &resp.Diagnostics)
	} else {
		plan.updated(*state, memory, t, request, r.session.engine.Systems)
		triggerKnown(plan, *state, memory, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// triggerKnown wants the trigger at plan where a new value would give access. A
// plan that takes access away whatever the trigger is needs none.
func triggerKnown(plan, state grantModel, memory grantMemory, diags *diag.Diagnostics) {
	was := lifecycle.Status(state.Status.ValueString())
	removes := plan.Status.ValueString() == string(lifecycle.Revoked) && was != lifecycle.Revoked && was != lifecycle.Expired
	switch {
	case plan.Trigger.IsUnknown() && removes:
	case plan.Trigger.IsUnknown() && memory.Again:
		diags.AddAttributeError(path.Root("trigger"), "Trigger not known yet",
			"A new value of the trigger gives access, and a plan shows all access that it gives. Use a value that is known at plan, such as a variable.")
	case !plan.Trigger.IsNull() && !plan.Trigger.Equal(state.Trigger) && !reusable(ticketOf(plan.Ticket)):
		diags.AddAttributeWarning(path.Root("trigger"), "Trigger without effect",
			"A trigger activates an approval that has reusable_until once more. This one serves one activation.")
	}
}

// reusable says whether the request of a ticket names an end of its reuse.
func reusable(t ticket) bool {
	request, err := nhi.ParseRequest(t.Text)
	return err == nil && !request.ReusableUntil.IsZero()
}

// created plans a new grant: pending, or active where that is assured.
func (m *grantModel) created(t ticket, request nhi.Request, systems *lifecycle.Systems) {
	m.ID = types.StringUnknown()
	if t.Known {
		m.ID = types.StringValue(string(request.Approval))
	}
	if t.Known && t.Standing == standingAssured && t.Identity == nhi.IdentityActive {
		m.activating(request, systems)
		return
	}
	if t.open() && t.Identity == nhi.IdentityActive {
		m.attempting(request, systems)
		return
	}
	m.rest(lifecycle.Pending)
	m.Targets = types.MapUnknown(types.ObjectType{AttrTypes: targetTypes})
	if t.Known {
		m.Targets = targetsMap(wishedTargets(request, systems, lifecycle.Pending))
	}
}

// rest plans a grant that holds nothing.
func (m *grantModel) rest(status lifecycle.Status) {
	m.Status, m.Active = types.StringValue(string(status)), types.BoolValue(false)
	m.Findings = list(nil)
	m.ActiveRequest, m.Lease = types.StringNull(), types.StringNull()
	m.ActivatedAt, m.ExpiresAt = types.StringNull(), types.StringNull()
}

// activating plans that the request is put in force.
func (m *grantModel) activating(request nhi.Request, systems *lifecycle.Systems) {
	m.Status, m.Active = types.StringValue(string(lifecycle.Active)), types.BoolValue(true)
	m.Findings = list(nil)
	text, _ := request.Text() // parsed from one
	m.ActiveRequest = types.StringValue(string(nhi.DigestOf(text)))
	m.Lease, m.ActivatedAt, m.ExpiresAt = types.StringUnknown(), types.StringUnknown(), types.StringUnknown()
	views := wishedTargets(request, systems, lifecycle.Active)
	for key, view := range views {
		views[key] = view.with("privileges", words(privileges(systems, request.Access[key]))).
			with("verified", types.BoolUnknown()).with("expires_at", types.StringUnknown()).
			with("enforced_by", types.StringUnknown()).with("usable_until", types.StringUnknown())
	}
	m.Targets = targetsMap(views)
}

// updated plans what apply makes of a grant. While an access is not known, it
// may be taken away or recorded, never added.
func (m *grantModel) updated(state grantModel, memory grantMemory, t ticket, request nhi.Request, systems *lifecycle.Systems) {
	ticketWished, trigger := m.Ticket, m.Trigger
	same := t.Known && ticketOf(state.Ticket).Request == t.Request
	was := lifecycle.Status(state.Status.ValueString())
	live := state.Active.ValueBool()
	held := memory.inForce(state)
	open := t.open() && (t.May || !same || ticketOf(state.Ticket).Standing != standingApproved) // told by this apply, and not by one before
	*m = state
	m.Ticket, m.Trigger = ticketWished, trigger
	switch {
	case t.Identity != nhi.IdentityActive && t.Identity != "":
		if live || was == lifecycle.Revoking || was == lifecycle.Ended {
			m.revoking(state)
		} else if was != lifecycle.Revoked {
			m.waiting(t, request, systems)
		}
	case was == lifecycle.Ended || was == lifecycle.Revoking:
		m.revoking(state)
	case same && memory.Again && !trigger.IsNull() && !trigger.IsUnknown() && !trigger.Equal(state.Trigger):
		m.activating(request, systems)
	case was == lifecycle.Expired || live && !same && t.Known && memory.ended(request, held, systems):
		m.revoking(state)
	case was == lifecycle.Approved && !live && memory.Adopt:
		m.adopting(memory.Record, systems)
	case t.Known && (same && was == lifecycle.Approved || t.Standing == standingAssured && !(same && live) && (!same || was == lifecycle.Pending)):
		m.activating(request, systems)
	case live && !same && t.Known && narrower(held, request, t, state, systems):
		m.activating(request, systems)
	case was == lifecycle.Drifted:
		m.repairing(state, held, systems)
	case open && !live && (t.May || !same || was == lifecycle.Pending):
		m.attempting(request, systems)
		if same && !m.alike(state) {
			// It rests with the targets of what was in force before, see unchanged.
			m.Targets = types.MapUnknown(types.ObjectType{AttrTypes: targetTypes})
		}
	case open && live && was == lifecycle.Active && state.ActiveRequest.ValueString() != string(t.Request):
		m.widening()
	case !live && was != lifecycle.Revoked || !live && !same:
		m.waiting(t, request, systems)
	case live && was == lifecycle.Approved:
		m.Status = types.StringValue(string(lifecycle.Active)) // what was approved is not wished any more
		m.Findings = list(nil)
	}
}

// alike says whether the targets are those of another state, whatever they hold.
func (m *grantModel) alike(state grantModel) bool {
	return maps.EqualFunc(targetsOf(m.Targets), targetsOf(state.Targets), func(a, b targetView) bool {
		return a["system"].Equal(b["system"]) && a["principal"].Equal(b["principal"])
	})
}

// ended says whether the wished request is covered by the one in force and
// would have ended already: an earlier end, before the last read.
func (m grantMemory) ended(request nhi.Request, held *nhi.Request, systems *lifecycle.Systems) bool {
	if held == nil || m.SeenAt.IsZero() || !held.Contains(request, systems.Privilege) {
		return false
	}
	return !m.SeenAt.Before(m.Record.StartedAt.Add(request.TTL))
}

// adopting plans that what is in force becomes this resource's as it is.
func (m *grantModel) adopting(record lifecycle.Record, systems *lifecycle.Systems) {
	m.held(record, systems)
	views := targetsOf(m.Targets)
	for key, view := range views {
		views[key] = view.with("verified", types.BoolUnknown()).with("usable_until", types.StringUnknown())
	}
	m.Targets = targetsMap(views)
}

// narrower says whether the request in force contains the wished one and is
// not it: less access needs no new approval.
func narrower(held *nhi.Request, request nhi.Request, t ticket, state grantModel, systems *lifecycle.Systems) bool {
	return held != nil && state.ActiveRequest.ValueString() != string(t.Request) && held.Contains(request, systems.Privilege)
}

// waiting plans a grant that holds nothing and waits.
func (m *grantModel) waiting(t ticket, request nhi.Request, systems *lifecycle.Systems) {
	findings := m.Findings
	m.rest(lifecycle.Pending)
	m.Findings = findings
	if t.Known {
		m.Targets = targetsMap(wishedTargets(request, systems, lifecycle.Pending))
	}
}

// revoking plans that everything is taken away.
func (m *grantModel) revoking(state grantModel) {
	m.rest(lifecycle.Revoked)
	views := targetsOf(state.Targets)
	for key, view := range views {
		gone := restingTarget("", "", lifecycle.Revoked)
		gone["system"], gone["principal"] = view["system"], view["principal"]
		views[key] = gone.with("verified", types.BoolUnknown())
	}
	m.Targets = targetsMap(views)
}

// repairing plans that the targets are put back to what is in force.
func (m *grantModel) repairing(state grantModel, held *nhi.Request, systems *lifecycle.Systems) {
	m.Status = types.StringValue(string(lifecycle.Active))
	m.Findings = list(nil)
	views := targetsOf(state.Targets)
	for key, view := range views {
		if held != nil {
			if access, ok := held.Access[key]; ok {
				view = view.with("privileges", words(privileges(systems, access)))
			}
		}
		views[key] = view.with("status", types.StringValue(string(lifecycle.Active))).with("findings", list(nil)).
			with("verified", types.BoolUnknown()).with("usable_until", types.StringUnknown())
	}
	m.Targets = targetsMap(views)
}
