package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Read implements resource.Resource: it lays over the state what the ledger,
// the policy and the targets say now, or lifts it again. It never fails and
// never changes what apply alone sets.
func (r *grantResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var state grantModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	memory := recallGrant(ctx, req.Private, state, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	t := ticketOf(state.Ticket)
	wish := lifecycle.Wish{Request: t.Request, Identity: t.Identity, Trigger: state.Trigger.ValueString()}
	view := r.session.engine.Look(ctx, t.Text, memory.Record, wish, state.Active.ValueBool())
	r.session.noteLive(state)
	if err := errors.Join(view.Warnings...); err != nil {
		warning(&resp.Diagnostics, "Not everything about "+state.ID.ValueString()+" could be read", err)
	}
	if !view.Certain {
		return
	}
	if view.Step == lifecycle.Rest && !state.Active.ValueBool() {
		view.Status = memory.Rested // apply alone sets pending and revoked
	}
	if !r.undecided(view) {
		state.overlay(view, r.session.engine.Systems)
	}
	liveWarnings(state, memory, view, &resp.Diagnostics)
	memory.Record, memory.Adopt = view.Record, view.Step == lifecycle.Adopt
	memory.Again = view.Standing != nil && view.Standing.Again && view.Blocked == ""
	memory.SeenAt = view.Now
	remember(ctx, resp.Private, memory.sparing(), &resp.Diagnostics)
	restWarning(state, view, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// undecided says whether the policy could not be evaluated in a way that
// leaves nothing to say: then the state stays as it is.
func (r *grantResource) undecided(view lifecycle.View) bool {
	return view.Standing == nil && (view.Status == lifecycle.Pending || view.Record.Phase == lifecycle.PhaseUnfinished)
}

// overlay lays a view over what apply set.
func (m *grantModel) overlay(view lifecycle.View, systems *lifecycle.Systems) {
	m.Status = types.StringValue(string(view.Status))
	m.Findings = list(view.Findings)
	views := targetsOf(m.Targets)
	for key, target := range views {
		views[key] = overlaidTarget(target, key, view, systems)
	}
	m.Targets = targetsMap(views)
}

func overlaidTarget(target targetView, key string, view lifecycle.View, systems *lifecycle.Systems) targetView {
	held, exists := view.Record.Targets[key]
	switch view.Status {
	case lifecycle.Revoking:
		if exists {
			return target.with("status", types.StringValue(string(lifecycle.Revoking)))
		}
	case lifecycle.Expired, lifecycle.Ended:
		return target.with("status", types.StringValue(string(view.Status)))
	case lifecycle.Drifted, lifecycle.Active:
		if seen, looked := view.Targets[key]; looked {
			return observedTarget(target, seen, held.Access, held.Kind, systems)
		}
	}
	return target
}

// observedTarget shows what was found on a target of a live grant.
func observedTarget(target targetView, seen lifecycle.Seen, access nhi.Values, kind string, systems *lifecycle.Systems) targetView {
	described, ok := systems.Kind(kind)
	if seen.Err != nil || !ok {
		return target
	}
	findings := seen.Drift
	status := lifecycle.Active
	if len(findings) > 0 {
		status = lifecycle.Drifted
	}
	held := seen.Observation.Privileges
	if described.Unobservable {
		held = described.Privileges(access)
	}
	return target.with("status", types.StringValue(string(status))).
		with("findings", list(findings)).
		with("privileges", words(held))
}
