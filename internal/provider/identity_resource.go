package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ resource.Resource                     = (*identityResource)(nil)
	_ resource.ResourceWithConfigure        = (*identityResource)(nil)
	_ resource.ResourceWithModifyPlan       = (*identityResource)(nil)
	_ resource.ResourceWithConfigValidators = (*identityResource)(nil)
)

// identityResource is nhi_identity.
type identityResource struct{ session *session }

// identityMemory is what is kept of an identity in private state.
type identityMemory struct {
	Started string `json:"started"` // when its ttl began
	Ledger  string `json:"ledger"`  // id of the ledger that knows it
	// OwnerKnown is what the source said last of the owner.
	OwnerKnown bool `json:"owner_known"`
}

// Metadata implements resource.Resource.
func (r *identityResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_identity"
}

// Configure implements resource.ResourceWithConfigure.
func (r *identityResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Schema implements resource.Resource.
func (r *identityResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "A machine identity with an accountable owner, a purpose, one environment and an end date. It holds no access by itself; disabling it, or its end, takes all its grants along in the same plan.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "`environment/scope/name`."},
			"name": schema.StringAttribute{
				Required: true, MarkdownDescription: "The name of the identity within its scope. Another name is another identity.",
				Validators:    []validator.String{checked(nhi.CheckName)},
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"owner": schema.StringAttribute{
				Required: true, MarkdownDescription: "The person who answers for it. Approvers see and sign it.",
				Validators: []validator.String{checked(nhi.CheckText)},
			},
			"purpose": schema.StringAttribute{
				Required: true, MarkdownDescription: "What it is for, in one line. Approvers see and sign it.",
				Validators: []validator.String{checked(nhi.CheckText)},
			},
			"kind": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(nhi.KindService),
				MarkdownDescription: "`service`, `automation`, `agent` or `third_party`. Default: `service`.",
				Validators:          []validator.String{checked(nhi.CheckKind)},
			},
			"ttl": schema.StringAttribute{
				Optional: true, MarkdownDescription: "How long it lives from its creation on, as a Go duration such as `2160h`. Either this or `expires_at`.",
				Validators: []validator.String{checked(checkTTL)},
			},
			"expires_at": schema.StringAttribute{
				Optional: true, Computed: true, MarkdownDescription: "When it ends, in RFC 3339, UTC. Either this or `ttl`.",
				Validators: []validator.String{checked(checkTime)},
			},
			"enabled": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "False takes every grant of the identity away, in the same plan. Default: `true`.",
			},
			"source": schema.StringAttribute{
				Optional: true, MarkdownDescription: "The name of a system in the provider block that knows people (`vault`). When it says that it has no such `owner`, or has shut the owner out, the identity is `orphaned`, and every grant of it is taken away in the same plan. Until then a changed `owner` is looked up at the next read.",
				Validators: []validator.String{checked(nhi.CheckName)},
			},
			"status":   schema.StringAttribute{Computed: true, MarkdownDescription: "`active`, `disabled`, `expired` or `orphaned`."},
			"findings": schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Why the status is what it is; null where there is nothing to say."},
			"subject": schema.SingleNestedAttribute{
				Computed: true, MarkdownDescription: "What approvals refer to. It changes by plan and apply alone.",
				Attributes: computedTexts(map[string]string{
					"id": "The id.", "owner": "The owner.", "purpose": "The purpose.", "kind": "The kind.", "status": "The status that grants follow.",
				}),
			},
		},
	}
}

// computedTexts describes computed strings by name.
func computedTexts(about map[string]string) map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{}
	for name, text := range about {
		attributes[name] = schema.StringAttribute{Computed: true, MarkdownDescription: text}
	}
	return attributes
}

// ConfigValidators implements resource.ResourceWithConfigValidators.
func (r *identityResource) ConfigValidators(context.Context) []resource.ConfigValidator {
	return []resource.ConfigValidator{oneEnd{}}
}

// oneEnd wants exactly one of ttl and expires_at.
type oneEnd struct{}

// Description implements resource.ConfigValidator.
func (oneEnd) Description(context.Context) string {
	return "exactly one of ttl and expires_at must be set"
}

// MarkdownDescription implements resource.ConfigValidator.
func (v oneEnd) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateResource implements resource.ConfigValidator.
func (oneEnd) ValidateResource(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var model identityModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if model.TTL.IsUnknown() || model.ExpiresAt.IsUnknown() {
		return
	}
	switch {
	case model.TTL.IsNull() && model.ExpiresAt.IsNull():
		resp.Diagnostics.AddAttributeError(path.Root("ttl"), "No end", "Every identity ends. Set ttl or expires_at."+riskLine(nhi.RiskOffboarding))
	case !model.TTL.IsNull() && !model.ExpiresAt.IsNull():
		resp.Diagnostics.AddAttributeError(path.Root("expires_at"), "Two ends", "Set either ttl or expires_at.")
	}
}

// Create implements resource.Resource.
func (r *identityResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var plan identityModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if r.session.refuseIdentityRisks(plan, nil, &resp.Diagnostics); resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	now, err := r.session.engine.Time(ctx)
	if err != nil {
		failure(&resp.Diagnostics, path.Root("name"), "Identity not recorded", err)
		return
	}
	r.returning(ctx, plan, &resp.Diagnostics)
	memory := identityMemory{Started: nhi.FormatTime(now)}
	r.record(ctx, &plan, memory, now, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	memory.Ledger, _ = r.session.ledgerID()
	remember(ctx, resp.Private, memory, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// returning says what the ledger held of an identity that is made anew: its
// state may be lost, and somebody may have ended it for a reason.
func (r *identityResource) returning(ctx context.Context, plan identityModel, diags *diag.Diagnostics) {
	known, exists, err := r.session.engine.Identity(ctx, nhi.IdentityID(plan.ID.ValueString()))
	if err == nil && exists && known.Status != nhi.IdentityActive {
		diags.AddAttributeWarning(path.Root("name"), "The identity was not active",
			fmt.Sprintf("The ledger knows %s as %s. From now on it is %s, as the configuration says.", known.ID, known.Status, plan.Status.ValueString()))
	}
}

// record computes the end and writes the identity to the ledger.
func (r *identityResource) record(ctx context.Context, plan *identityModel, memory identityMemory, now time.Time, diags *diag.Diagnostics) {
	if err := r.complete(plan); err != nil {
		failure(diags, path.Root("name"), "Identity not recorded", err)
		return
	}
	started, err := nhi.ParseTime(memory.Started)
	if err != nil {
		started = now // imported, or from a state without memory
	}
	expires, err := plan.end(started)
	if err != nil {
		failure(diags, path.Root("expires_at"), "Invalid end", err)
		return
	}
	if !now.Before(expires) && plan.Status.ValueString() == string(nhi.IdentityActive) {
		at := path.Root("expires_at")
		if !plan.TTL.IsNull() {
			at = path.Root("ttl")
		}
		failure(diags, at, "The end has passed", fmt.Errorf("the identity would have ended %s: %w", nhi.FormatTime(expires), nhi.ErrEnded))
		return
	}
	plan.ExpiresAt = types.StringValue(nhi.FormatTime(expires))
	if err := r.session.engine.RecordIdentity(ctx, plan.identity(expires)); err != nil {
		r.recordLater(memory, plan.identity(expires), err, diags)
	}
}

// complete fills in an id that was not known at plan.
func (r *identityResource) complete(plan *identityModel) error {
	id, err := nhi.NewIdentityID(r.session.environment.ValueString(), r.session.scope.ValueString(), plan.Name.ValueString())
	if err != nil {
		return err
	}
	plan.ID = types.StringValue(string(id))
	plan.Subject = plan.subject()
	return nil
}

// recordLater spools a change that only ends access while the ledger is away;
// every other change is an error.
func (r *identityResource) recordLater(memory identityMemory, identity nhi.Identity, cause error, diags *diag.Diagnostics) {
	if identity.Status == nhi.IdentityActive {
		failure(diags, path.Root("name"), "Identity not recorded", cause)
		return
	}
	if err := r.session.engine.SpoolIdentity(memory.Ledger, identity); err != nil {
		failure(diags, path.Root("name"), "Identity not recorded", errors.Join(cause, err))
		return
	}
	warning(diags, "The ledger is away: the record of this change waits in "+r.session.engine.SpoolDir, cause)
}

// Read implements resource.Resource.
func (r *identityResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var state identityModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	identity, known, err := r.session.engine.Identity(ctx, nhi.IdentityID(state.ID.ValueString()))
	now, timeErr := r.session.engine.Time(ctx)
	if err := errors.Join(err, timeErr); err != nil {
		warning(&resp.Diagnostics, "Identity could not be read", err)
		return
	}
	state.Findings = list(nil)
	switch {
	case !known:
		state.Findings = list([]string{"the ledger does not know this identity"})
	case state.Status.ValueString() == string(nhi.IdentityActive) && !identity.ExpiresAt.IsZero() && !now.Before(identity.ExpiresAt):
		state.Status = types.StringValue(string(nhi.IdentityExpired))
		state.Findings = list([]string{"it ended " + nhi.FormatTime(identity.ExpiresAt)})
	default:
		var memory identityMemory
		recall(ctx, req.Private, &memory, &resp.Diagnostics)
		r.lookUpOwner(ctx, &state, &memory, &resp.Diagnostics)
		remember(ctx, resp.Private, memory, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// Update implements resource.Resource.
func (r *identityResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	defer identify(ctx, &resp.State, resp.Identity, &resp.Diagnostics)
	var plan, state identityModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if r.session.refuseIdentityRisks(plan, &state, &resp.Diagnostics); resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	var memory identityMemory
	recall(ctx, req.Private, &memory, &resp.Diagnostics)
	now, err := r.session.engine.Time(ctx)
	if err != nil && plan.Status.ValueString() == string(nhi.IdentityActive) {
		failure(&resp.Diagnostics, path.Root("name"), "Identity not recorded", err)
		return
	}
	r.record(ctx, &plan, memory, now, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// Delete implements resource.Resource. An identity cannot go while a grant of
// its may hold something.
func (r *identityResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state identityModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.session.applying(ctx, &resp.Diagnostics)
	var memory identityMemory
	recall(ctx, req.Private, &memory, &resp.Diagnostics)
	expires, _ := nhi.ParseTime(state.ExpiresAt.ValueString()) // the ledger has it too
	identity := state.identity(expires)
	identity.Status = nhi.IdentityDeleted
	live, err := r.session.engine.LiveGrants(ctx, identity.ID)
	if err == nil && len(live) > 0 {
		failure(&resp.Diagnostics, path.Root("id"), "The identity still holds access",
			fmt.Errorf("%s has live grants (%v), perhaps of other workspaces: %w", identity.ID, live, lifecycle.ErrLiveGrants))
		return
	}
	if err == nil {
		err = r.session.engine.RecordIdentity(ctx, identity)
	}
	if err != nil {
		r.recordLater(memory, identity, err, &resp.Diagnostics)
	}
}
