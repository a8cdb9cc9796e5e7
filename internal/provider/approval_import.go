package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// ImportState implements resource.ResourceWithImportState: what the approval
// asks for by the ledger, as a configuration would ask for it. The read that
// follows says where it stands.
func (r *approvalResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	id, ok := r.session.importedApproval(ctx, req, &resp.Diagnostics)
	if !ok {
		return
	}
	asked, err := r.session.engine.Asked(ctx, id)
	if err == nil && asked.TakenBack {
		err = fmt.Errorf("nobody asks for %s any more; a new resource asks again: %w", id, lifecycle.ErrNotOnRecord)
	}
	var subject types.Object
	var t ticket
	if err == nil {
		subject, t, err = r.session.recordedTicket(ctx, asked.Request, asked.Text)
	}
	var access types.Map
	if err == nil {
		access, err = accessValue(ctx, accessType(resp.State), asked.Request.Access, r.session.engine.Systems)
	}
	if err != nil {
		failure(&resp.Diagnostics, path.Root("id"), notImported, err)
		return
	}
	model := approvalModel{
		ID: types.StringValue(string(id)), Subject: subject, Name: types.StringValue(id.Name()), Access: access,
		Justification: types.StringValue(asked.Justification), TTL: types.StringValue(nhi.FormatTTL(asked.Request.TTL)),
		OnPending: types.StringValue(onPendingWait), Request: types.StringValue(string(t.Request)),
		Status: types.StringValue(string(policy.StatusPending)), CoveredBy: types.StringNull(),
		Required: list(nil), ApprovedBy: list(nil), Findings: list(nil), Ticket: t.object(),
		ReusableUntil: timeValue(asked.Request.ReusableUntil),
	}
	if renewals := asked.Request.Term - 1; renewals > 0 {
		// Were it null, a configuration that has renewed would ask once more.
		model.Renewal = types.Int64Value(int64(renewals))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// accessType is the type of the attribute access.
func accessType(state tfsdk.State) types.MapType {
	whole, _ := state.Schema.Type().(types.ObjectType)
	of, _ := whole.AttrTypes["access"].(types.MapType)
	return of
}

// recordedTicket returns the subject and the ticket that the resources of a
// recorded request hold: the ledger says where the identity stands, the policy
// whether it asks for anybody.
func (s *session) recordedTicket(ctx context.Context, request nhi.Request, text string) (types.Object, ticket, error) {
	status, err := s.identityStatus(ctx, request.Identity())
	if err != nil {
		return types.ObjectNull(subjectTypes), ticket{}, err
	}
	t := ticket{Request: nhi.DigestOf(text), Text: text, Identity: status, Standing: standingOpen, Known: true}
	if document, err := s.engine.PolicyFromFile(); err == nil && needsNobody(document.Rule(request)) {
		t.Standing = standingAssured
	}
	subject := identityModel{
		ID: types.StringValue(string(request.Identity())), Owner: types.StringValue(request.Owner), Purpose: types.StringValue(request.Purpose),
		Kind: types.StringValue(request.Kind), Status: types.StringValue(string(status)),
	}
	return subject.subject(), t, nil
}

// identityStatus is what the ledger says of an identity now.
func (s *session) identityStatus(ctx context.Context, id nhi.IdentityID) (nhi.IdentityStatus, error) {
	identity, _, err := s.engine.Identity(ctx, id)
	if err != nil {
		return "", err
	}
	now, err := s.engine.Time(ctx)
	if err != nil {
		return "", err
	}
	return statusAt(identity, now), nil
}
