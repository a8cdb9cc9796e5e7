package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
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

// What apply does while the approval is missing.
const (
	onPendingWait  = "wait"
	onPendingError = "error"
)

// Metadata implements resource.Resource.
func (r *approvalResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_approval"
}

// Configure implements resource.ResourceWithConfigure.
func (r *approvalResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Schema implements resource.Resource.
func (r *approvalResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "A request for access, and where its approval stands. Creating it records the request; people decide with `nhi approve`. It grants nothing by itself.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "`environment/scope/identity:name`. The grant has the same."},
			"subject": schema.SingleNestedAttribute{
				Required: true, MarkdownDescription: "`nhi_identity.NAME.subject`.",
				Attributes: requiredTexts("id", "owner", "purpose", "kind", "status"),
			},
			"name": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString("default"),
				MarkdownDescription: "Tells several approvals of one identity apart. Default: `default`.",
				Validators:          []validator.String{checked(nhi.CheckName)},
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"access": schema.MapNestedAttribute{
				Required: true, MarkdownDescription: "What is asked for, by target. Each has exactly one kind.",
				NestedObject: schema.NestedAttributeObject{Attributes: accessAttributes(r.kinds)},
			},
			"justification": schema.StringAttribute{
				Required: true, MarkdownDescription: "Why, in one line: a ticket or a reason. Changing it asks nobody again.",
				Validators: []validator.String{checked(nhi.CheckText)},
			},
			"ttl": schema.StringAttribute{
				Required: true, MarkdownDescription: "How long the access lasts from its activation on, as a Go duration such as `720h`.",
				Validators: []validator.String{checked(checkTTL)},
			},
			"on_pending": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(onPendingWait),
				MarkdownDescription: "`wait` (default): while the approval is missing, apply records the request, grants nothing and succeeds. `error`: the plan shows the grant as active, and apply does that or fails.",
				Validators:          []validator.String{checked(checkOnPending)},
			},
			"request":     schema.StringAttribute{Computed: true, MarkdownDescription: "The digest of the request text. It is what approvers sign."},
			"status":      schema.StringAttribute{Computed: true, MarkdownDescription: "`pending`, `approved`, `denied`, `lapsed` or `withdrawn`."},
			"covered_by":  schema.StringAttribute{Computed: true, MarkdownDescription: "The digest of another signed request that contains this one."},
			"required":    schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "How many of which group must approve, and the rule that says so."},
			"approved_by": schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The persons whose approval counts."},
			"findings":    schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Why it is not approved; null where there is nothing to say."},
			"ticket": schema.SingleNestedAttribute{
				Computed: true, MarkdownDescription: "What the grant refers to. It changes by plan and apply alone.",
				Attributes: computedTexts(map[string]string{
					"request": "The digest of the request.", "text": "The request text, as approvers sign it.",
					"identity_status": "The status of the identity that grants follow.",
					"standing":        "`open`: the grant waits for approval. `assured`: it is active at once, or the run fails.",
				}),
			},
		},
	}
}

// requiredTexts describes the strings of an object that is passed by reference.
func requiredTexts(names ...string) map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{}
	for _, name := range names {
		attributes[name] = schema.StringAttribute{Required: true}
	}
	return attributes
}

func checkOnPending(value string) error {
	if value != onPendingWait && value != onPendingError {
		return fmt.Errorf("%.40q is neither %q nor %q: %w", value, onPendingWait, onPendingError, nhi.ErrInvalid)
	}
	return nil
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
	var plan approvalModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	r.ask(ctx, &plan, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// ask records the request and evaluates it. An assured one that is not
// approved is an error, after it was recorded and before any state is written.
func (r *approvalResource) ask(ctx context.Context, plan *approvalModel, diags *diag.Diagnostics) {
	built := r.build(*plan, nil, diags)
	if diags.HasError() {
		return
	}
	if !built.known {
		diags.AddError("Request not recorded", "A value that the request names is not known at apply. This is a bug in the provider.")
		return
	}
	standing, err := r.session.engine.Standing(ctx, built.text)
	if err != nil {
		failure(diags, path.Root("access"), "Request not recorded", err)
		return
	}
	if len(standing.Verdict.Denials) > 0 {
		deny(diags, standing.Verdict.Denials)
		return
	}
	if err := r.recordRequest(ctx, built.text, plan.Justification.ValueString()); err != nil {
		failure(diags, path.Root("access"), "Request not recorded", err)
		return
	}
	if standing, err = r.session.engine.Standing(ctx, built.text); err != nil {
		failure(diags, path.Root("access"), "Request not evaluated", err)
		return
	}
	assured := ticketOf(plan.Ticket).Standing == standingAssured
	if assured && !standing.Approved() && standing.Status != lifecycle.Spent {
		failure(diags, path.Root("on_pending"), "Not approved",
			fmt.Errorf("%s is recorded and %s: %s: %w", plan.ID.ValueString(), standing.Status, joinReasons(standing), nhi.ErrNotApproved))
		return
	}
	r.fill(plan, built, standing, diags)
}

func joinReasons(standing lifecycle.Standing) string {
	if why := standing.Why(); len(why) > 0 {
		return why[0]
	}
	return "no decision yet"
}

// recordRequest signs the request as the requester, where one is set, and
// appends it to the ledger.
func (r *approvalResource) recordRequest(ctx context.Context, text, justification string) error {
	if err := r.session.engine.PublishPolicy(ctx); err != nil {
		return err
	}
	signed, err := r.session.sign(text)
	if err != nil {
		return err
	}
	return r.session.engine.RecordRequest(ctx, text, justification, signed)
}

// fill sets every computed value that was not known at plan, and none that was.
func (r *approvalResource) fill(plan *approvalModel, built built, standing lifecycle.Standing, diags *diag.Diagnostics) {
	if plan.ID.IsUnknown() {
		plan.ID = types.StringValue(string(built.request.Approval))
	}
	if plan.Request.IsUnknown() {
		plan.Request = types.StringValue(string(nhi.DigestOf(built.text)))
	}
	if plan.Required.IsUnknown() {
		plan.Required = list(standing.Verdict.Required())
	} else if needs, ok := r.needs(built.request); ok && !plan.Required.Equal(list(policy.Verdict{Needs: needs}.Required())) {
		diags.AddAttributeError(path.Root("required"), "The policy changed between plan and apply",
			"What the policy asks for now is not what the plan showed. Plan again.")
		return
	}
	t := ticketOf(plan.Ticket)
	t.Text, t.Request, t.Known = built.text, nhi.DigestOf(built.text), true
	t.Identity = built.identityStatus
	plan.Ticket = t.object()
}

// Read implements resource.Resource. It never changes the ticket.
func (r *approvalResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
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
	status := standing.Status
	findings := standing.Verdict.Reasons
	switch status {
	case lifecycle.Spent:
		status, findings = policy.StatusApproved, standing.Why()
	case policy.StatusApproved:
		findings = nil
	}
	for _, denial := range standing.Verdict.Denials {
		findings = append(findings, denial.Reason)
	}
	state.Status = types.StringValue(string(status))
	state.Findings = list(findings)
	state.Required = list(standing.Verdict.Required())
	state.ApprovedBy = list(standing.Verdict.ApprovedBy)
	state.CoveredBy = optional(string(standing.CoveredBy))
	if request, err := nhi.ParseRequest(t.Text); err == nil && status == policy.StatusPending && t.Identity == nhi.IdentityActive {
		waiting(&resp.Diagnostics, request, standing.Verdict.Needs, r.session.engine.Systems)
	}
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
	var plan, state approvalModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	planned, held := ticketOf(plan.Ticket), ticketOf(state.Ticket)
	asks := !planned.Known || planned.Request != held.Request || !plan.Justification.Equal(state.Justification) || planned.Standing != held.Standing
	if asks {
		r.ask(ctx, &plan, &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
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
func deny(diags *diag.Diagnostics, denials []policy.Denial) {
	for _, denial := range denials {
		at := path.Root("access")
		switch {
		case denial.Target != "" && slices.Contains([]string{policy.FieldSystem, policy.FieldEndpoint}, denial.Field):
			at = at.AtMapKey(denial.Target).AtName("system")
		case denial.Field == policy.FieldTTL:
			at = path.Root("ttl")
		case denial.Target != "":
			at = at.AtMapKey(denial.Target)
		}
		failure(diags, at, "The policy says no", fmt.Errorf("%s: %w", denial.Reason, nhi.ErrDenied))
	}
}
