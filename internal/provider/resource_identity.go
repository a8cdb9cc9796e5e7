package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ resource.ResourceWithIdentity    = (*identityResource)(nil)
	_ resource.ResourceWithImportState = (*identityResource)(nil)
	_ resource.ResourceWithIdentity    = (*approvalResource)(nil)
	_ resource.ResourceWithImportState = (*approvalResource)(nil)
	_ resource.ResourceWithIdentity    = (*grantResource)(nil)
	_ resource.ResourceWithImportState = (*grantResource)(nil)
)

// IdentitySchema implements resource.ResourceWithIdentity.
func (*identityResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idSchema("environment/scope/name")
}

// IdentitySchema implements resource.ResourceWithIdentity.
func (*approvalResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idSchema("environment/scope/identity:name")
}

// IdentitySchema implements resource.ResourceWithIdentity.
func (*grantResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idSchema("environment/scope/identity:name")
}

// idSchema is the resource identity of everything here: the id in the ledger.
func idSchema(form string) identityschema.Schema {
	return identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"id": identityschema.StringAttribute{RequiredForImport: true, Description: form},
	}}
}

// identify copies the id in state into the resource identity. Defer it at the
// start of what writes state: it then holds for every way out.
func identify(ctx context.Context, state *tfsdk.State, identity *tfsdk.ResourceIdentity, diags *diag.Diagnostics) {
	if state.Raw.IsNull() || identity == nil {
		return
	}
	var id types.String
	diags.Append(state.GetAttribute(ctx, path.Root("id"), &id)...)
	if !id.IsNull() && !id.IsUnknown() {
		diags.Append(identity.SetAttribute(ctx, path.Root("id"), id)...)
	}
}

// importedID returns the id that is to be imported, given as such or as a
// resource identity.
func importedID(ctx context.Context, req resource.ImportStateRequest, diags *diag.Diagnostics) string {
	if req.ID != "" || req.Identity == nil {
		return req.ID
	}
	var id types.String
	diags.Append(req.Identity.GetAttribute(ctx, path.Root("id"), &id)...)
	return id.ValueString()
}

// importing holds an id that is to be imported against the provider block, and
// says what is wrong with it.
func (s *session) importing(id nhi.IdentityID) error {
	switch {
	case s.environment.IsNull() || s.scope.IsNull():
		return fmt.Errorf("the provider block needs environment and scope before %s can be imported: %w", id, nhi.ErrInvalid)
	case s.environment.IsUnknown() || s.scope.IsUnknown():
		return fmt.Errorf("environment and scope of the provider block must be known before %s can be imported: %w", id, nhi.ErrInvalid)
	default:
		return s.speaksFor(id)
	}
}

// importedApproval reads the id of an approval or a grant that is to be
// imported; false where it cannot be.
func (s *session) importedApproval(ctx context.Context, req resource.ImportStateRequest, diags *diag.Diagnostics) (nhi.ApprovalID, bool) {
	text := importedID(ctx, req, diags)
	if diags.HasError() {
		return "", false
	}
	id, err := nhi.ParseApprovalID(text)
	if err == nil {
		err = s.importing(id.Identity())
	}
	if err != nil {
		failure(diags, path.Root("id"), notImported, err)
		return "", false
	}
	return id, true
}

// notImported is the summary of every failed import.
const notImported = "Nothing imported"
