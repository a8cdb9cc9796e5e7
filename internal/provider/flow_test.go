package provider_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestFlowOfAnExternalAccess walks the whole life of a grant that is on no
// system: what Terraform shows at each step.
func TestFlowOfAnExternalAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))

	planned := w.Plan(t)
	wants(t, planned, 2, `+ status = "pending"`, "Waiting for approval", `needs 2 of group security`, "nhi approve "+string(w.etl))
	wants(t, w.Apply(t), 0, "active = false")
	wants(t, w.Plan(t), 0, "No changes", "Waiting for approval", "0 have approved")

	w.decide(nhi.VerdictApprove, w.etl, ana)
	wants(t, w.Plan(t), 0, "No changes", "1 has approved ("+ana+")")
	w.decide(nhi.VerdictApprove, w.etl, ben)
	planned = w.Plan(t)
	wants(t, planned, 2, `~ status = "approved" -> "active"`, "approved by ana@example.com and ben@example.com (2 of 2)", "~ active = false -> true")
	t.Log(planned.Stdout)
	wants(t, w.Apply(t), 0, "active = true")
	wants(t, w.Plan(t), 0, "No changes")

	w.advance(721 * time.Hour)
	planned = w.Plan(t)
	wants(t, planned, 2, `~ status = "expired" -> "revoked"`, "the term ended", "~ active = true -> false")
	t.Log(planned.Stdout)
	wants(t, w.Apply(t), 0, "active = false")
	wants(t, w.Plan(t), 0, "No changes", "Access is down")
	wants(t, w.Destroy(t), 0)
}
