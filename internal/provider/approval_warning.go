package provider

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// waiting warns that an approval is missing, and says who can give it.
func waiting(diags *diag.Diagnostics, request nhi.Request, needs []policy.Need, systems *lifecycle.Systems) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s asks for %s for %s.\n", request.Approval, asks(request, systems), nhi.FormatTTL(request.TTL))
	for _, need := range needs {
		if !need.NoApproval {
			fmt.Fprintf(&text, "Rule %q needs %d of group %s, and %s.\n", need.Rule, need.Want, need.Group, decided(need.Have))
		}
	}
	fmt.Fprintf(&text, "To decide: nhi approve %s", request.Approval)
	diags.AddWarning("Waiting for approval", text.String())
}

func decided(have []string) string {
	switch len(have) {
	case 0:
		return "0 have approved"
	case 1:
		return "1 has approved (" + have[0] + ")"
	default:
		return fmt.Sprintf("%d have approved (%s)", len(have), strings.Join(have, ", "))
	}
}

// asks says in words what a request asks for, and where.
func asks(request nhi.Request, systems *lifecycle.Systems) string {
	parts := make([]string, 0, len(request.Access))
	for _, key := range request.Access.Keys() {
		access := request.Access[key]
		what := strings.Join(privileges(systems, access), ", ")
		if access.Kind == nhi.KindExternal {
			parts = append(parts, fmt.Sprintf("%q outside (%s)", what, key))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s on %s (%s)", what, access.System, access.Endpoint))
	}
	return strings.Join(parts, "; ")
}

// privileges says in words what an access gives.
func privileges(systems *lifecycle.Systems, access nhi.Access) []string {
	kind, ok := systems.Kind(access.Kind)
	if !ok || kind.Privileges == nil {
		return nil
	}
	return kind.Privileges(access.Settings)
}
