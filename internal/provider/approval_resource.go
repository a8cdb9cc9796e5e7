package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

var (
	_ resource.Resource                   = (*approvalResource)(nil)
	_ resource.ResourceWithConfigure      = (*approvalResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*approvalResource)(nil)
	_ resource.ResourceWithValidateConfig = (*approvalResource)(nil)
)

// approvalResource is nhi_approval.
type approvalResource struct {
	session *session
	kinds   []connector.Kind
}

// Metadata implements resource.Resource.
func (r *approvalResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_approval"
}

// Configure implements resource.ResourceWithConfigure.
func (r *approvalResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = configured(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig implements resource.ResourceWithValidateConfig.
func (r *approvalResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var model approvalModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	accesses(model.Access, r.kinds, &resp.Diagnostics)
}

// Create implements resource.Resource.
func (r *approvalResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var plan approvalModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	r.ask(ctx, &plan, nil, approvalMemory{}, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// Read implements resource.Resource. It never changes the ticket.
func (r *approvalResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var state approvalModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	t := ticketOf(state.Ticket)
	standing, err := r.session.engine.Standing(ctx, t.Text)
	if err != nil {
		warning(&resp.Diagnostics, "Approval could not be evaluated", err)
		return
	}
	status, findings := shownStatus(standing)
	state.Status = types.StringValue(string(status))
	state.Findings = list(findings)
	state.Required = list(standing.Verdict.Required())
	state.ApprovedBy = list(standing.Verdict.ApprovedBy)
	state.CoveredBy = optional(string(standing.CoveredBy))
	var memory approvalMemory
	recall(ctx, req.Private, &memory, &resp.Diagnostics)
	r.recallTerms(ctx, state, standing, &memory)
	memory.Confirmers = standing.Verdict.Confirmers
	if standing.Status == lifecycle.Spent && memory.InForce == t.Text {
		state.Findings = list(nil) // it was used for what is in force
	}
	remember(ctx, resp.Private, memory, &resp.Diagnostics)
	r.stays(&resp.Diagnostics, t, status, standing, memory)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// optional is a string, or null where it is empty.
func optional(text string) types.String {
	if text == "" {
		return types.StringNull()
	}
	return types.StringValue(text)
}

// Update implements resource.Resource. A change that asks for nothing (the
// identity ended) works without the ledger.
func (r *approvalResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var plan, state approvalModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	planned, held := ticketOf(plan.Ticket), ticketOf(state.Ticket)
	ended := planned.Identity != "" && planned.Identity != nhi.IdentityActive
	var memory approvalMemory
	recall(ctx, req.Private, &memory, &resp.Diagnostics)
	if !ended && !memory.Rewritten && planned.May && planned.Request == held.Request && plan.Justification.Equal(state.Justification) {
		r.again(ctx, req, resp, plan, state)
		return
	}
	if ended {
		memory.unasked(plan, state)
		remember(ctx, resp.Private, memory, &resp.Diagnostics)
	}
	asks := !ended && (memory.Rewritten || !planned.Known || planned.Request != held.Request || !plan.Justification.Equal(state.Justification) || planned.Standing != held.Standing)
	if asks {
		r.ask(ctx, &plan, &state, memory, &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if asks {
		memory.Due, memory.Raised, memory.Rewritten = false, false, false // all was asked for
		remember(ctx, resp.Private, memory, &resp.Diagnostics)
	}
	settle(&plan, state)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// settle gives every computed value that is still unknown its value: as it was
// where the request stayed, and as of a new one where it did not. The next
// read says more.
func settle(plan *approvalModel, state approvalModel) {
	stayed := plan.Request.Equal(state.Request)
	if plan.Status.IsUnknown() {
		plan.Status, plan.CoveredBy = types.StringValue(string(policy.StatusPending)), types.StringNull()
		if stayed {
			plan.Status, plan.CoveredBy = state.Status, state.CoveredBy
		}
	}
	for value, old := range map[*types.List]types.List{&plan.Required: state.Required, &plan.ApprovedBy: state.ApprovedBy, &plan.Findings: state.Findings} {
		if value.IsUnknown() && stayed {
			*value = old
		} else if value.IsUnknown() {
			*value = list(nil)
		}
	}
}

// Delete implements resource.Resource. The request is taken back in the
// ledger; what was granted is the grant's to remove, before this.
func (r *approvalResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state approvalModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	err := r.session.engine.TakeBack(ctx, ticketOf(state.Ticket).Text)
	if err != nil && !errors.Is(err, nhi.ErrInvalid) {
		warning(&resp.Diagnostics, "The request still stands in the ledger", err)
	}
}

// deny adds what the policy forbids to the attributes that it is about.
func deny(diags *diag.Diagnostics, request nhi.Request, denials []policy.Denial) {
	for _, denial := range denials {
		at, err := riskPath(request, denial.Target, denial.Field), fmt.Errorf("%s: %w", denial.Reason, nhi.ErrDenied)
		switch denial.Risk {
		case 0:
			failure(diags, at, "The policy says no", err)
		case nhi.RiskLeakage:
			refuseRisk(diags, at, policy.Finding{Risk: denial.Risk, Reason: denial.Reason})
		default:
			failure(diags, at, "The policy says no", nhi.AtRisk(denial.Risk, err))
		}
	}
}
