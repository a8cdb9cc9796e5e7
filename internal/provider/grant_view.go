package provider

import (
	"context"
	"errors"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// grantView is the data source nhi_grant.
func grantView() viewKind {
	attributes := viewTexts(map[string]string{
		"environment": "The environment.", "scope": "The scope.", "identity": "The id of the identity.",
		"owner": "The owner of the identity, as approvers see it.", "kind": "The kind of the identity.",
		"status":         "`pending`, `approved`, `active`, `expired`, `ended`, `revoking` or `revoked`; `unknown` where it could not be read. No target is asked, so `drifted` is not among them.",
		"active_request": "The digest of the request in force; null unless active.",
		"activated_at":   "When the access began; null unless active.",
		"expires_at":     "When the access ends, fixed at activation; null unless active.",
		"lease":          "`ID#ACTIVATION`, for `nhi_credential` in a workspace of the same scope; null unless active.",
	})
	attributes["active"] = schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the access is in force by the ledger; also while it is to be removed. Null where that could not be read."}
	attributes["findings"] = viewWords("Why the status is what it is; null where there is nothing to say.")
	attributes["targets"] = schema.MapNestedAttribute{
		Computed: true, MarkdownDescription: "Each target by its key in the approval's `access`, as the ledger knows it.",
		NestedObject: schema.NestedAttributeObject{Attributes: viewTargetAttributes()},
	}
	attributes["subject"], attributes["ticket"] = subjectAttribute(), ticketAttribute()
	return viewKind{
		name:  "grant",
		about: "Where a grant stands by ledger and policy, or all that match a filter: of any workspace and scope. No target is asked: drift shows in the plan of the workspace that holds the grant.",
		form:  "environment/scope/identity:name", attributes: attributes,
		statuses: append(texts([]lifecycle.Status{lifecycle.Pending, lifecycle.Approved, lifecycle.Active, lifecycle.Expired, lifecycle.Ended, lifecycle.Revoking, lifecycle.Revoked}), statusUnknown),
		check:    checkApprovalID, list: listApprovals, read: readGrant,
	}
}

func viewTargetAttributes() map[string]schema.Attribute {
	attributes := viewTexts(map[string]string{
		"system": "The name of the system; null for `external`.", "principal": "The name of the account on the system; null for `external`.",
		"status": "As the grant's, for this target.", "expires_at": "When the access ends on this target.",
		"enforced_by":  "`target`: it refuses by itself after the end. `apply`: the next apply or sweep ends it.",
		"usable_until": "Until when what was issued may work if its removal is never confirmed; null where nothing is usable or there is no such end.",
	})
	attributes["verified"] = schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the target itself, or a probe, confirmed the status last."}
	attributes["privileges"] = viewWords("What is held by the ledger, in words.")
	attributes["findings"] = viewWords("Why a removal is not confirmed.")
	return attributes
}

// readGrant reads where a grant stands. What was destroyed holds nothing, and
// nobody asks for it any more.
func readGrant(ctx context.Context, s *session, id string) (view, error) {
	asked, err := s.engine.Asked(ctx, nhi.ApprovalID(id))
	if err != nil {
		return view{}, err
	}
	v, err := s.askedView(ctx, asked)
	if err != nil {
		return view{}, err
	}
	seen := s.engine.Report(ctx, nhi.ApprovalID(id), asked.Text)
	if !seen.Certain {
		return view{}, errors.Join(seen.Warnings...)
	}
	v.warnings = seen.Warnings
	v.gone = asked.TakenBack && len(seen.Record.Targets) == 0
	maps.Copy(v.values, grantValues(seen, asked, s.engine.Systems))
	return v, nil
}

func grantValues(seen lifecycle.View, asked lifecycle.Asked, systems *lifecycle.Systems) map[string]attr.Value {
	model := recordedGrant(ticket{}, asked.Request, seen.Record, systems)
	status := string(seen.Status)
	if undecided(seen) {
		status = statusUnknown
	}
	return map[string]attr.Value{
		"status": types.StringValue(status), "active": model.Active, "findings": list(seen.Findings),
		"active_request": model.ActiveRequest, "activated_at": model.ActivatedAt, "expires_at": model.ExpiresAt,
		"lease": model.Lease, "targets": model.Targets,
	}
}

// undecided says whether a grant that holds nothing may be anything, because
// its approval could not be evaluated.
func undecided(seen lifecycle.View) bool {
	return seen.Standing == nil && (seen.Status == lifecycle.Pending || seen.Record.Phase == lifecycle.PhaseUnfinished)
}
