package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
)

var _ action.ActionWithConfigure = (*sweepAction)(nil)

// sweepAction is nhi_sweep: what the command nhi sweep --revoke does, for the
// environment and the scope of the provider block.
type sweepAction struct{ session *session }

// Metadata implements action.Action.
func (a *sweepAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_sweep"
}

// Schema implements action.Action.
func (a *sweepAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Ends every grant of the provider's environment and scope that must not go on: its term or identity ended, it is blocked, " +
			"its removal is not confirmed, or a run left it unfinished. Also those that no configuration names any more. " +
			"Terraform 1.14 or later; with OpenTofu, and with older Terraform, `nhi sweep --revoke` does the same.",
	}
}

// Configure implements action.ActionWithConfigure.
func (a *sweepAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	a.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Invoke implements action.Action.
func (a *sweepAction) Invoke(ctx context.Context, _ action.InvokeRequest, resp *action.InvokeResponse) {
	environment, scope := a.session.environment.ValueString(), a.session.scope.ValueString()
	if environment == "" || scope == "" {
		resp.Diagnostics.AddError("Nothing was swept", "The provider block names no environment or no scope.")
		return
	}
	a.session.applying(ctx, &resp.Diagnostics)
	swept, err := a.session.engine.Sweep(ctx, lifecycle.SweepOptions{Revoke: true, Scope: scope, Environment: environment})
	if err != nil {
		resp.Diagnostics.AddError("Not everything could be judged", sentence(err))
	}
	for _, one := range swept {
		a.told(resp, one)
	}
	if len(swept) == 0 && err == nil {
		resp.SendProgress(action.InvokeProgressEvent{Message: "nothing is due"})
	}
}

// told reports what became of one grant.
func (a *sweepAction) told(resp *action.InvokeResponse, one lifecycle.Swept) {
	switch {
	case one.Skipped:
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf("%s: another run acts on it", one.Grant)})
	case one.Err != nil && one.Step == "":
		resp.Diagnostics.AddError("A grant could not be judged", fmt.Sprintf("%s: %s", one.Grant, sentence(one.Err)))
	case one.Err != nil:
		resp.Diagnostics.AddError("Not everything could be removed", fmt.Sprintf("%s (%s): %s Run this again, or nhi sweep --revoke.", one.Grant, one.Why, sentence(one.Err)))
	default:
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf("%s: %s: done", one.Grant, one.Why)})
	}
}
