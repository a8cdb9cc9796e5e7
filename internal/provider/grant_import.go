package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ImportState implements resource.ResourceWithImportState: what is in force is
// taken over as it is, with its end and its lease, and nothing is asked for.
func (r *grantResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	id, ok := r.session.importedApproval(ctx, req, &resp.Diagnostics)
	if !ok {
		return
	}
	model, record, err := r.recorded(ctx, id)
	if err != nil {
		failure(&resp.Diagnostics, path.Root("id"), notImported, err)
		return
	}
	remember(ctx, resp.Private, grantMemory{Record: record, Rested: restedIn(model)}.sparing(), &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// recorded reads a grant from the ledger as its resource would hold it. A
// grant of which nothing is asked for and nothing held is no grant.
func (r *grantResource) recorded(ctx context.Context, id nhi.ApprovalID) (grantModel, lifecycle.Record, error) {
	asked, err := r.session.engine.Asked(ctx, id)
	if err != nil {
		return grantModel{}, lifecycle.Record{}, err
	}
	record, err := r.session.engine.Record(ctx, id)
	if err != nil {
		return grantModel{}, record, err
	}
	request, text := asked.Request, asked.Text
	if asked.TakenBack {
		if len(record.Targets) == 0 {
			return grantModel{}, record, fmt.Errorf("nobody asks for %s any more, and it holds nothing: %w", id, lifecycle.ErrNotOnRecord)
		}
		if held, err := nhi.ParseRequest(record.Text); err == nil {
			request, text = held, record.Text
		}
	}
	_, t, err := r.session.recordedTicket(ctx, request, text)
	return recordedGrant(t, request, record, r.session.engine.Systems), record, err
}

// recordedGrant writes what a record says of a grant.
func recordedGrant(t ticket, request nhi.Request, record lifecycle.Record, systems *lifecycle.Systems) grantModel {
	model := grantModel{ID: types.StringValue(string(request.Approval)), Ticket: t.object()}
	switch {
	case record.Phase == lifecycle.PhaseActive || record.Changing():
		model.held(record, systems)
		model.Trigger = optional(record.Trigger)
	case record.Phase == lifecycle.PhaseRevoking || record.Phase == lifecycle.PhaseUnfinished:
		model.removed(record, map[string]targetView{})
	case record.Phase == lifecycle.PhaseRevoked:
		model.rest(lifecycle.Revoked)
		model.Targets = targetsMap(wishedTargets(request, systems, lifecycle.Revoked))
	default:
		model.rest(lifecycle.Pending)
		model.Targets = targetsMap(wishedTargets(request, systems, lifecycle.Pending))
	}
	return model
}
