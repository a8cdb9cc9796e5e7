package provider

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// statusTakenBack is the status of a request that nobody asks for any more.
const statusTakenBack = "taken_back"

// approvalView is the data source nhi_approval.
func approvalView() viewKind {
	attributes := viewTexts(map[string]string{
		"environment": "The environment.", "scope": "The scope.", "identity": "The id of the identity.", "name": "The name of the approval.",
		"owner": "The owner of the identity, as approvers see it.", "kind": "The kind of the identity.",
		"justification": "Why, as it was recorded last.", "ttl": "How long the access lasts.", "request": "The digest of the request text.",
		"status":     "`pending`, `approved`, `denied`, `lapsed` or `withdrawn`; `taken_back` where nobody asks any more, `unknown` where it could not be evaluated.",
		"covered_by": "The digest of another signed request that contains this one.",
		"requester":  "The person who asked, as far as a key, a token or Vault proves it; null where nobody is proven.",
		"asked_at":   "Since when this very text is asked for.",
	})
	attributes["access"] = schema.MapNestedAttribute{
		Computed: true, MarkdownDescription: "What is asked for, by target.",
		NestedObject: schema.NestedAttributeObject{Attributes: wordedAccess()},
	}
	attributes["required"] = viewWords("How many of which group must approve, and the rule that says so.")
	attributes["approved_by"] = viewWords("The persons whose approval counts.")
	attributes["findings"] = viewWords("Why it is not approved; null where there is nothing to say.")
	attributes["subject"], attributes["ticket"] = subjectAttribute(), ticketAttribute()
	return viewKind{
		name:  "approval",
		about: "What is asked for and where it stands, by ledger and policy, or all that match a filter: of any workspace and scope. `ticket` is what a grant refers to.",
		form:  "environment/scope/identity:name", attributes: attributes,
		statuses: []string{string(policy.StatusPending), string(policy.StatusApproved), string(policy.StatusDenied), string(policy.StatusLapsed), string(policy.StatusWithdrawn), statusTakenBack, statusUnknown},
		check:    checkApprovalID, list: listApprovals, read: readApproval,
	}
}

func ticketAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed: true, MarkdownDescription: "What `nhi_grant.ticket` takes, in a workspace of the same scope. Null where it could not be read.",
		Attributes: viewTexts(map[string]string{
			"request": "The digest of the request.", "text": "The request text, as approvers sign it.",
			"identity_status": "The status of the identity that grants follow.", "standing": "`open`: the grant waits for approval.",
		}),
	}
}

func wordedAccess() map[string]schema.Attribute {
	attributes := viewTexts(map[string]string{
		"system": "The name of the system; null for `external`.", "kind": "The kind of the system.", "endpoint": "Where the system is; null for `external`.",
	})
	attributes["privileges"] = viewWords("What is asked for, in words.")
	return attributes
}

func checkApprovalID(id string) error {
	_, err := nhi.ParseApprovalID(id)
	return err
}

func listApprovals(ctx context.Context, s *session) ([]string, error) {
	ids, err := s.engine.Approvals(ctx)
	return texts(ids), err
}

// readApproval reads what is asked for, and evaluates it. Where the policy
// cannot be relied on, what was asked for is shown all the same.
func readApproval(ctx context.Context, s *session, id string) (view, error) {
	asked, err := s.engine.Asked(ctx, nhi.ApprovalID(id))
	if err != nil {
		return view{}, err
	}
	v, err := s.askedView(ctx, asked)
	if err != nil {
		return view{}, err
	}
	v.values["access"] = wordedAccesses(asked.Request.Access, s.engine.Systems)
	v.values["name"], v.values["justification"] = types.StringValue(nhi.ApprovalID(id).Name()), types.StringValue(asked.Justification)
	v.values["ttl"], v.values["asked_at"] = types.StringValue(nhi.FormatTTL(asked.Request.TTL)), timeValue(asked.At)
	v.values["request"] = types.StringValue(string(nhi.DigestOf(asked.Text)))
	standing, err := s.engine.Standing(ctx, asked.Text)
	if err != nil {
		v.warnings = append(v.warnings, err)
	}
	maps.Copy(v.values, standingValues(standing, asked.TakenBack, err))
	return v, nil
}

// askedView is what approvals and grants show of the request that is asked
// for.
func (s *session) askedView(ctx context.Context, asked lifecycle.Asked) (view, error) {
	status, err := s.identityStatus(ctx, asked.Request.Identity())
	if err != nil {
		return view{}, err
	}
	identity := nhi.Identity{Owner: asked.Request.Owner, Purpose: asked.Request.Purpose, Kind: asked.Request.Kind}
	values := identityValues(string(asked.Request.Identity()), identity, status)
	values["identity"] = types.StringValue(string(asked.Request.Identity()))
	values["ticket"] = ticket{Request: nhi.DigestOf(asked.Text), Text: asked.Text, Identity: status, Standing: standingOpen, Known: true}.object()
	return view{values: values, gone: asked.TakenBack}, nil
}

// standingValues are the attributes that follow from an evaluation; cause says
// why there is none.
func standingValues(standing lifecycle.Standing, takenBack bool, cause error) map[string]attr.Value {
	status, findings := standing.Status, approvalFindings(standing)
	switch {
	case takenBack:
		status, findings = statusTakenBack, nil
	case cause != nil:
		status = statusUnknown
	case status == lifecycle.Spent:
		status = policy.StatusApproved
	}
	return map[string]attr.Value{
		"status": types.StringValue(string(status)), "findings": list(findings), "covered_by": optional(string(standing.CoveredBy)),
		"required": list(standing.Verdict.Required()), "approved_by": list(standing.Verdict.ApprovedBy), "requester": optional(standing.Verdict.Requester),
	}
}

// wordedAccesses says in words what a request asks for, by target.
func wordedAccesses(accesses nhi.Accesses, systems *lifecycle.Systems) types.Map {
	of := map[string]attr.Type{}
	for name, attribute := range wordedAccess() {
		of[name] = attribute.GetType()
	}
	elements := map[string]attr.Value{}
	for key, access := range accesses {
		elements[key] = types.ObjectValueMust(of, map[string]attr.Value{
			"system": optional(access.System), "kind": types.StringValue(access.Kind), "endpoint": optional(access.Endpoint),
			"privileges": words(privileges(systems, access)),
		})
	}
	return types.MapValueMust(types.ObjectType{AttrTypes: of}, elements)
}

// approvalFindings says why a request is not approved.
func approvalFindings(standing lifecycle.Standing) []string {
	findings := slices.Clone(standing.Verdict.Reasons)
	switch standing.Status {
	case lifecycle.Spent:
		findings = standing.Why()
	case policy.StatusApproved:
		findings = nil
	}
	for _, denial := range standing.Verdict.Denials {
		findings = append(findings, denial.Reason)
	}
	return findings
}
