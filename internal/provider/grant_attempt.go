package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// attempts is the step of a plan that leaves it to apply whether the ticket's
// request is put in force.
const attempts lifecycle.Step = "attempt"

// attempting plans a grant that holds nothing, and that apply activates if the
// confirmation of the run is the approval that is missing.
func (m *grantModel) attempting(request nhi.Request, systems *lifecycle.Systems) {
	m.openEnded()
	m.Status, m.Active = types.StringUnknown(), types.BoolUnknown()
	views := wishedTargets(request, systems, lifecycle.Pending)
	for key, view := range views {
		unknown := targetView{"status": types.StringUnknown(), "verified": types.BoolUnknown(), "privileges": types.ListUnknown(types.StringType),
			"findings": types.ListUnknown(types.StringType), "expires_at": types.StringUnknown(), "enforced_by": types.StringUnknown(), "usable_until": types.StringUnknown()}
		for name, value := range unknown {
			view = view.with(name, value)
		}
		views[key] = view
	}
	m.Targets = targetsMap(views)
}

// widening plans a live grant whose other request apply puts in force on the
// same condition: it is active either way.
func (m *grantModel) widening() {
	m.openEnded()
	m.Targets = types.MapUnknown(types.ObjectType{AttrTypes: targetTypes})
}

func (m *grantModel) openEnded() {
	m.Findings, m.ActiveRequest, m.Lease = types.ListUnknown(types.StringType), types.StringUnknown(), types.StringUnknown()
	m.ActivatedAt, m.ExpiresAt = types.StringUnknown(), types.StringUnknown()
}

// attempts says whether a plan left it to apply whether the ticket's request is
// put in force.
func (m grantModel) attempts() bool {
	return m.Status.IsUnknown() || m.Active.ValueBool() && m.ActiveRequest.IsUnknown()
}

// attempt puts the ticket's request in force, if it is approved now. Where it
// is not, the grant rests as it was, and nothing fails. State is nil where the
// grant is new.
func (r *grantResource) attempt(ctx context.Context, t ticket, memory *grantMemory, plan, state *grantModel, diags *diag.Diagnostics) {
	err := r.putInForce(ctx, t, memory, plan, diags)
	var undone *lifecycle.UndoError
	switch {
	case err == nil:
		return
	case !errors.Is(err, nhi.ErrNotApproved) && !errors.Is(err, nhi.ErrSpent) || errors.As(err, &undone):
		failure(diags, path.Root("ticket"), "Access not granted", err)
		return
	}
	plan.unchanged(t, state, r.session.engine.Systems)
	if !plan.Active.ValueBool() {
		plan.Findings = types.ListUnknown(types.StringType)
		r.found(ctx, t, plan)
	}
	diags.AddAttributeWarning(path.Root("status"), "No access yet", fmt.Sprintf("%s\n\nNothing failed: what was in force stays, and a later plan asks again.", sentence(err)))
}

// found fills in what the next read will find of a grant that waits, so that an
// assessment of the workspace, which only refreshes, finds nothing new.
func (r *grantResource) found(ctx context.Context, t ticket, plan *grantModel) {
	if !plan.Findings.IsUnknown() {
		return
	}
	plan.Findings = list(nil)
	if standing, err := r.session.engine.Standing(ctx, t.Text); err == nil {
		plan.Findings = list(standing.Why())
	}
}

// unchanged fills in what a grant rests in when an attempt gave nothing.
func (m *grantModel) unchanged(t ticket, state *grantModel, systems *lifecycle.Systems) {
	wished, trigger, id := m.Ticket, m.Trigger, m.ID
	if state != nil && (state.Active.ValueBool() || ticketOf(state.Ticket).Request == t.Request) {
		*m = *state
		m.Ticket, m.Trigger = wished, trigger
		return
	}
	m.ID = id
	m.rest(lifecycle.Pending)
	request, _ := nhi.ParseRequest(t.Text) // checked before
	m.Targets = targetsMap(wishedTargets(request, systems, lifecycle.Pending))
}
