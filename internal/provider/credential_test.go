package provider_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestCredential: null and a warning when the grant is not active, an error
// for those who want that, and never for a lease that is not in force.
func TestCredential(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	credential := `
ephemeral "nhi_credential" "db" {
  lease       = nhi_grant.etl.lease
  target      = "db"
  on_inactive = "error"
}
`
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+strings.Replace(credential, `"error"`, `"warn"`, 1))
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "No credential", "the grant is not active")
	l.decide("approve", l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	log := len(l.db.StatementLog())
	refuses(t, l.Plan(t), "No credential")
	if issued := l.db.StatementLog()[log:]; !strings.Contains(issued, "CREATE ROLE") || !strings.Contains(issued, "DROP ROLE") {
		t.Errorf("the plan did not issue and withdraw a credential:\n%s", issued)
	}
	forged := strings.Replace(credential, "nhi_grant.etl.lease", fmt.Sprintf("%q", string(l.etl)+"#2"), 1)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+forged)
	wants(t, l.Plan(t), 1, "the lease is for activation 2, and activation 1 is in force")
	if roles := l.roles(); len(roles) != 1 {
		t.Errorf("login roles were left: %v", roles)
	}
}
