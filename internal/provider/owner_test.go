package provider_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestOwnerLeaves: while the identity's source is a Vault, an owner who left
// takes all grants along in the same plan; a Vault that does not answer changes
// nothing; and an owner who is back makes the identity active again, not the
// grants.
func TestOwnerLeaves(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	owner := l.vault.Prefix() + "ana@example.com"
	person := func(disabled bool) {
		l.vaultPut("identity/entity", map[string]any{"name": owner, "disabled": disabled})
	}
	person(false)
	config := strings.Replace(grantOf("720h", l.dbAccess()+l.kvAccess()), `"ana@example.com"`, `"`+owner+"\"\n  source = \"secrets\"", 1)
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.vaultSystem())+variables+config+`
resource "nhi_approval" "second" {
  subject       = nhi_identity.etl.subject
  name          = "second"
  justification = "CHG-5"
  ttl           = "48h"
  access = {
`+l.dbAccess()+`
  }
}
resource "nhi_grant" "second" { ticket = nhi_approval.second.ticket }
`)
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.decide(nhi.VerdictApprove, nhi.ApprovalID(l.etl.Identity())+":second", ana, ben)
	wants(t, l.Apply(t), 0, "active = true")

	check := l.untouched()
	person(true)
	l.vault.Cut()
	wants(t, l.Plan(t), 0, "No changes", "The owner of "+string(l.etl.Identity())+" could not be looked up")
	wants(t, l.Apply(t), 0, "active = true")
	l.vault.Restore()
	check("nobody knows whether the owner left")

	planned := l.Plan(t, "-out=plan")
	wants(t, planned, 2, `~ status = "active" -> "orphaned"`, "secrets does not know its owner "+owner+" any more",
		"nhi_grant.etl will be updated", "nhi_grant.second will be updated")
	for _, address := range []string{"nhi_grant.etl", "nhi_grant.second"} {
		after, _ := l.changes("plan", "nhi_grant")[address]["after"].(map[string]any)
		if after["status"] != "revoked" || after["active"] != false {
			t.Errorf("%s is planned as %v", address, after["status"])
		}
	}
	check("planned")
	wants(t, l.applySaved("plan"), 0)
	wants(t, l.Plan(t), 0, "No changes", "Access is down")
	l.nothingInVault()
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}

	check = l.untouched()
	person(false)
	wants(t, l.Plan(t, "-out=plan"), 2, `~ status = "orphaned" -> "active"`)
	wants(t, l.applySaved("plan"), 0, "active = false")
	wants(t, l.Plan(t), 0, "No changes", "Access is down")
	check("the owner is back")

	l.vaultDrop("identity/entity/name/" + owner)
	wants(t, l.Plan(t), 2, `~ status = "active" -> "orphaned"`)
}
