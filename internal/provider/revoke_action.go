package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ action.ActionWithConfigure      = (*revokeAction)(nil)
	_ action.ActionWithValidateConfig = (*revokeAction)(nil)
)

// revokeAction is nhi_revoke: what the command nhi revoke does.
type revokeAction struct{ session *session }

type revokeModel struct {
	Identity types.String `tfsdk:"identity"`
	Grant    types.String `tfsdk:"grant"`
	Reason   types.String `tfsdk:"reason"`
}

// Metadata implements action.Action.
func (a *revokeAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_revoke"
}

// Schema implements action.Action.
func (a *revokeAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Ends access now, on every target, and blocks it until the quorum of the grant lifts that (`nhi unblock`). " +
			"It needs no approval. Terraform 1.14 or later; with OpenTofu, and with older Terraform, `nhi revoke` does the same.",
		Attributes: map[string]schema.Attribute{
			"identity": schema.StringAttribute{
				Optional: true, MarkdownDescription: "The id of an identity: all its grants end. Either this or `grant`.",
				Validators: []validator.String{checked(parses(nhi.ParseIdentityID))},
			},
			"grant": schema.StringAttribute{
				Optional: true, MarkdownDescription: "The id of one grant. Either this or `identity`.",
				Validators: []validator.String{checked(parses(nhi.ParseApprovalID))},
			},
			"reason": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Why, for the record and for the plans that show it.",
				Validators: []validator.String{checked(nhi.CheckText)},
			},
		},
	}
}

// parses turns a parser of ids into a check.
func parses[T any](parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		_, err := parse(text)
		return err
	}
}

// ValidateConfig implements action.ActionWithValidateConfig.
func (a *revokeAction) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	var model revokeModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if model.Identity.IsUnknown() || model.Grant.IsUnknown() {
		return
	}
	if model.Identity.IsNull() == model.Grant.IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root("identity"), "One thing to revoke", "Set either identity or grant.")
	}
}

// Configure implements action.ActionWithConfigure.
func (a *revokeAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	a.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Invoke implements action.Action.
func (a *revokeAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var model revokeModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	halt := lifecycle.Halt{Grant: nhi.ApprovalID(model.Grant.ValueString()), Identity: nhi.IdentityID(model.Identity.ValueString()),
		Reason: model.Reason.ValueString(), By: a.session.operator()}
	about, at := halt.Identity, path.Root("identity")
	if halt.Grant != "" {
		about, at = halt.Grant.Identity(), path.Root("grant")
	}
	if err := a.session.speaksFor(about); err != nil {
		resp.Diagnostics.AddAttributeError(at, "Not of this workspace", sentence(err))
		return
	}
	a.session.applying(ctx, &resp.Diagnostics)
	halted, err := a.session.engine.Halt(ctx, halt)
	if err != nil {
		resp.Diagnostics.AddAttributeError(at, "Nothing was revoked", sentence(err))
		return
	}
	if halted.Away != nil {
		warning(&resp.Diagnostics, "The block waits to be written to the ledger", halted.Away)
	}
	for _, grant := range halted.Grants {
		told(resp, grant.Grant, grant.Removal, grant.Err, at)
	}
}

// operator names a run of Terraform in the record: nobody proves it.
func (s *session) operator() string {
	return fmt.Sprintf("unproven: Terraform of %s/%s", s.environment.ValueString(), s.scope.ValueString())
}

// told reports what became of one grant: progress for what is gone, and an
// error for what is open.
func told(resp *action.InvokeResponse, grant nhi.ApprovalID, removal lifecycle.Removal, err error, at path.Path) {
	var gone, shut []string
	for key, seen := range removal.Seen {
		account := removal.Targets[key].Principal + " on " + removal.Targets[key].System
		switch {
		case seen.Open != "":
		case seen.State == string(connector.Released):
			shut = append(shut, account)
		default:
			gone = append(gone, account)
		}
	}
	if len(shut) > 0 {
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf("%s: ours no more, and kept: %s", grant, strings.Join(shut, ", "))})
	}
	switch {
	case len(gone) > 0:
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf("%s: gone: %s", grant, strings.Join(gone, ", "))})
	case err == nil && len(shut) == 0:
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf("%s: nothing was held", grant)})
	}
	if err != nil {
		openError(&resp.Diagnostics, at, err)
	}
}

// openError says what is not confirmed as removed.
func openError(diags *diag.Diagnostics, at path.Path, err error) {
	summary := "Not everything could be removed"
	if errors.Is(err, lifecycle.ErrOvertaken) {
		summary = "Another run acts on this grant"
	}
	diags.AddAttributeError(at, summary, sentence(err)+" It stays blocked; run this again, or nhi sweep --revoke.")
}
