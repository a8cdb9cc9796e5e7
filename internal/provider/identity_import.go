package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ImportState implements resource.ResourceWithImportState: what the ledger
// says of the identity. Its end comes as expires_at, because the ledger does
// not tell how it was written.
func (r *identityResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	text := importedID(ctx, req, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	id, err := nhi.ParseIdentityID(text)
	if err == nil {
		err = r.session.importing(id)
	}
	var model identityModel
	var memory identityMemory
	if err == nil {
		model, memory, err = r.recorded(ctx, id)
	}
	if err != nil {
		failure(&resp.Diagnostics, path.Root("id"), notImported, err)
		return
	}
	remember(ctx, resp.Private, memory, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// recorded reads an identity from the ledger as its resource would hold it.
func (r *identityResource) recorded(ctx context.Context, id nhi.IdentityID) (identityModel, identityMemory, error) {
	identity, known, err := r.session.engine.Identity(ctx, id)
	if err == nil && !known {
		err = fmt.Errorf("the ledger does not know %s: %w", id, lifecycle.ErrNotOnRecord)
	}
	if err != nil {
		return identityModel{}, identityMemory{}, err
	}
	since, err := r.session.engine.IdentitySince(ctx, id)
	if err != nil {
		return identityModel{}, identityMemory{}, err
	}
	model := identityModel{
		ID: types.StringValue(string(id)), Name: types.StringValue(id.Name()), Owner: types.StringValue(identity.Owner),
		Purpose: types.StringValue(identity.Purpose), Kind: types.StringValue(identity.Kind), TTL: types.StringNull(),
		ExpiresAt: timeValue(identity.ExpiresAt), Enabled: types.BoolValue(identity.Status != nhi.IdentityDisabled),
		Status: types.StringValue(string(identity.Status)), Findings: list(nil),
	}
	model.Subject = model.subject()
	memory := identityMemory{Started: nhi.FormatTime(began(since, identity.ExpiresAt))}
	memory.Ledger, _ = r.session.ledgerID()
	return model, memory, nil
}

// began is when an identity's ttl began. Its record was written a moment later,
// so a term of whole minutes is taken for one: the ttl in the configuration
// then leads to the very end that is on record.
func began(recorded, expires time.Time) time.Time {
	const moment = 5 * time.Second
	recorded = recorded.Truncate(time.Second)
	start := expires.Add(-expires.Sub(recorded).Round(time.Minute))
	if expires.IsZero() || start.Sub(recorded).Abs() > moment {
		return recorded
	}
	return start
}
