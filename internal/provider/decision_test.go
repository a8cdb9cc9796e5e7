package provider_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestPolicyDecision: another workspace reads which rule decides a request, what
// it lacks, and what it is decided on.
func TestPolicyDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	report := w.another("audit")
	report.Write(t, "main.tf", report.providerBlock("")+`
data "nhi_policy_decision" "etl" { id = "`+string(w.etl)+`" }
output "decision" { value = data.nhi_policy_decision.etl }
output "input" { value = jsondecode(data.nhi_policy_decision.etl.input) }
data "nhi_policy_decision" "waiting" { filter = { status = "pending" } }
output "waiting" { value = data.nhi_policy_decision.waiting.items[*].id }
`)
	wants(t, report.Apply(t), 0)
	outputs := report.outputs()
	same(t, "allowed", at(outputs["decision"], "allowed"), false)
	same(t, "status", at(outputs["decision"], "status"), "pending")
	same(t, "waiting", outputs["waiting"], []any{string(w.etl)})
	if needs, _ := at(outputs["decision"], "needs").([]any); len(needs) != 1 || !strings.Contains(needs[0].(string), "has 0") {
		t.Errorf("needs = %v", needs)
	}
	same(t, "kind", at(outputs["input"], "identity", "kind"), "service")

	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, report.Apply(t), 0)
	outputs = report.outputs()
	same(t, "allowed", at(outputs["decision"], "allowed"), true)
	same(t, "waiting", outputs["waiting"], []any{})
}
