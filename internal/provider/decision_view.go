package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// decisionView is the data source nhi_policy_decision.
func decisionView() viewKind {
	attributes := viewTexts(map[string]string{
		"environment": "The environment.", "scope": "The scope.", "owner": "The owner of the identity.", "kind": "The kind of the identity.",
		"status":        "What the policy and the decisions on record say now: `pending`, `approved`, `denied`, `lapsed` or `withdrawn`; `unknown` where it could not be evaluated. Whether an activation is left, `nhi_approval` and `nhi_grant` say.",
		"policy_digest": "The digest of the policy that was asked.",
		"input":         "What the policy decides on, as JSON: what `nhi policy input` prints, for `jsondecode` and for other policy tools.",
	})
	attributes["allowed"] = schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it may be activated now. Null where that could not be told."}
	attributes["policy_version"] = schema.Int64Attribute{Computed: true, MarkdownDescription: "The version of the policy that was asked."}
	attributes["rules"] = schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The rule that decides, by target; a target that no rule decides is left out."}
	attributes["denied"] = viewWords("Why the policy says no, whoever signs.")
	attributes["held"] = viewWords("Why it may not be activated now and from here: a window is shut, or a condition on time, requester or runner does not hold.")
	attributes["needs"] = viewWords("How many of which group must approve, and who has.")
	attributes["reviews"] = viewWords("Which reviews must follow an activation.")
	return viewKind{
		name:  "policy_decision",
		about: "What the policy says about a request on record, and why: which rule decides, what failed and by how much. The same as `nhi policy explain`.",
		form:  "environment/scope/identity:name", attributes: attributes,
		statuses: []string{string(policy.StatusPending), string(policy.StatusApproved), string(policy.StatusDenied), string(policy.StatusLapsed), string(policy.StatusWithdrawn), statusUnknown},
		check:    checkApprovalID, list: listApprovals, read: readDecision,
	}
}

// readDecision evaluates what is asked for, and says how.
func readDecision(ctx context.Context, s *session, id string) (view, error) {
	asked, err := s.engine.Asked(ctx, nhi.ApprovalID(id))
	if err != nil {
		return view{}, err
	}
	standing, err := s.engine.Standing(ctx, asked.Text)
	if err != nil {
		return view{}, err
	}
	in := standing.Input(asked.Request, asked.Text)
	explained := standing.Policy.Explain(in)
	input, err := json.Marshal(standing.Policy.Facts(in))
	if err != nil {
		return view{}, err
	}
	rules := map[string]attr.Value{}
	for _, target := range explained.Targets {
		if target.Rule != "" {
			rules[target.Target] = types.StringValue(target.Rule)
		}
	}
	return view{gone: asked.TakenBack, values: map[string]attr.Value{
		"owner": types.StringValue(asked.Request.Owner), "kind": types.StringValue(asked.Request.Kind),
		"status": types.StringValue(string(explained.Status)), "allowed": types.BoolValue(explained.Allowed),
		"policy_version": types.Int64Value(int64(explained.PolicyVersion)), "policy_digest": types.StringValue(string(explained.PolicyDigest)),
		"rules": types.MapValueMust(types.StringType, rules), "input": types.StringValue(string(input)),
		"denied": words(explained.Denied), "held": words(explained.Held), "needs": words(explained.Needs), "reviews": words(explained.Reviews),
	}}, nil
}
