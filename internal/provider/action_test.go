package provider_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// needActions skips the test where the CLI has no actions.
func needActions(t *testing.T, w *world) {
	t.Helper()
	var major, minor int
	version := w.Run(t, "version").Stdout
	if _, err := fmt.Sscanf(version, "Terraform v%d.%d", &major, &minor); err != nil || major == 1 && minor < 14 {
		t.Skip("actions need Terraform 1.14, and this is another CLI")
	}
}

func actionsOf(w *world, revoke string) string {
	return `
action "nhi_revoke" "now" {
  config {
    ` + revoke + `
    reason = "laptop stolen"
  }
}
action "nhi_sweep" "due" {}
`
}

func TestActionRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	needActions(t, w)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess)+actionsOf(w, fmt.Sprintf("identity = %q", w.etl.Identity())))
	wants(t, w.Apply(t), 0, "active = false")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")

	wants(t, w.Apply(t, "-invoke=action.nhi_revoke.now"), 0, "gone")
	planned := w.Plan(t)
	wants(t, planned, 2, `~ status = "ended" -> "revoked"`, "ended by unproven: Terraform of production/"+w.scope+": laptop stolen")
	t.Log(planned.Stdout)
	wants(t, w.Apply(t), 0, "active = false")
	wants(t, w.Plan(t), 0, "No changes", "nhi unblock "+string(w.etl))
}

func TestActionRevokeKeepsToItsWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	needActions(t, w)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+actionsOf(w, `grant = "production/sales/crm/reader:default"`))
	wants(t, w.Apply(t, "-invoke=action.nhi_revoke.now"), 1, "Not of this workspace")
	w.Write(t, "main.tf", w.providerBlock("")+actionsOf(w, ""))
	wants(t, w.Plan(t), 1, "Set either identity or grant")
}

func TestActionSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	needActions(t, w)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess)+actionsOf(w, fmt.Sprintf("grant = %q", w.etl)))
	wants(t, w.Apply(t), 0, "active = false")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	wants(t, w.Apply(t, "-invoke=action.nhi_sweep.due"), 0, "nothing is due")
	w.advance(721 * time.Hour)
	wants(t, w.Apply(t, "-invoke=action.nhi_sweep.due"), 0, "the term ended", "done")
	wants(t, w.Plan(t), 2, `-> "revoked"`)
}
