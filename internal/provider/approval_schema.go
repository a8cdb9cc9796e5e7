package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// What apply does while the approval is missing.
const (
	onPendingWait  = "wait"
	onPendingError = "error"
)

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
			"reusable_until": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Asks for an approval that serves many activations until then (RFC 3339, UTC): one for each new value of the grant's `trigger`, each for `ttl`. Approvers sign it.",
				Validators: []validator.String{checked(checkTime)},
			},
			"renewal": schema.Int64Attribute{
				Optional: true, MarkdownDescription: "Raise it by one to ask for another term of the same: a request of its own, which needs approval. The term in force runs on meanwhile.",
				Validators: []validator.Int64{atLeastOne{}},
			},
			"renew_before": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Asks for the next term by itself, that long before the term in force ends, as a Go duration such as `168h`. A plan within that time shows the new request.",
				Validators: []validator.String{checked(checkTTL)},
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
					"standing":        "`open`: the grant waits for approval. `assured`: it is active at once, or the run fails. `approved`: the confirmation of the run was the missing approval; known after apply where it may be.",
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
