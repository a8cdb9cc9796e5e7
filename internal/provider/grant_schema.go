package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Schema implements resource.Resource.
func (r *grantResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Approved access made real in every target system, all or nothing, until it ends. A plan shows `approved -> active`, `expired -> revoked`, `ended -> revoked` and `drifted -> active`. Destroying it revokes everywhere, and checks.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "The approval's id: one grant for each."},
			"ticket": schema.SingleNestedAttribute{
				Required: true, MarkdownDescription: "`nhi_approval.NAME.ticket`.",
				Attributes: requiredTexts("request", "text", "identity_status", "standing"),
			},
			"trigger": schema.StringAttribute{
				Optional: true, MarkdownDescription: "With an approval that has `reusable_until`: each new value activates it once more, for another `ttl` from then on. Any text, such as the id of a CI run.",
				Validators: []validator.String{checked(nhi.CheckText)},
			},
			"status":         schema.StringAttribute{Computed: true, MarkdownDescription: "`pending`, `active` or `revoked`, or what a read found: `approved`, `expired`, `drifted`, `ended`, `revoking`."},
			"active":         schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the access is in force. Known in every plan: resources of other providers can be counted on it."},
			"findings":       schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Why the status is what it is; null where there is nothing to say."},
			"active_request": schema.StringAttribute{Computed: true, MarkdownDescription: "The digest of the request in force; null unless active."},
			"activated_at":   schema.StringAttribute{Computed: true, MarkdownDescription: "When the access began; null unless active."},
			"expires_at":     schema.StringAttribute{Computed: true, MarkdownDescription: "When the access ends, fixed at activation; null unless active."},
			"lease":          schema.StringAttribute{Computed: true, MarkdownDescription: "`ID#ACTIVATION`, for `nhi_credential`; null unless active."},
			"targets": schema.MapNestedAttribute{
				Computed: true, MarkdownDescription: "Each target by its key in the approval's `access`.",
				NestedObject: schema.NestedAttributeObject{Attributes: targetAttributes()},
			},
		},
	}
}

func targetAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"system":       schema.StringAttribute{Computed: true, MarkdownDescription: "The name of the system; null for `external`."},
		"principal":    schema.StringAttribute{Computed: true, MarkdownDescription: "The name of the account on the system; null for `external`."},
		"status":       schema.StringAttribute{Computed: true, MarkdownDescription: "As the grant's, for this target."},
		"verified":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the target itself, or a probe, confirmed the status."},
		"privileges":   schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "What is held, in words."},
		"findings":     schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "What differs on the target, or why a removal is not confirmed."},
		"expires_at":   schema.StringAttribute{Computed: true, MarkdownDescription: "When the access ends on this target."},
		"enforced_by":  schema.StringAttribute{Computed: true, MarkdownDescription: "`target`: it refuses by itself after the end. `apply`: the next apply or sweep ends it."},
		"usable_until": schema.StringAttribute{Computed: true, MarkdownDescription: "Until when what was issued may work if its removal is never confirmed; null where nothing is usable or there is no such end."},
	}
}
