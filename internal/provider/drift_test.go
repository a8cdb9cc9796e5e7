package provider_test

import (
	"fmt"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestDrift: what was changed by hand is shown, and put back.
func TestDrift(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	principal, admin := nhi.Principal(l.etl, "db"), l.db.Prefix()+"admin"
	l.db.Exec(fmt.Sprintf(`CREATE ROLE %s; GRANT %s TO %q`, admin, admin, principal))
	planned := l.Plan(t)
	wants(t, planned, 2, `~ status = "drifted" -> "active"`, "role "+admin+" was added by hand", `- "role `+admin+`"`)
	t.Log(planned.Stdout)
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "No changes")
	l.db.Exec(fmt.Sprintf(`DROP ROLE %q`, principal))
	wants(t, l.Plan(t), 2, `"drifted" -> "active"`, "it was removed by hand")
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "No changes")
	if roles := l.roles(); len(roles) != 1 {
		t.Errorf("roles: %v", roles)
	}
}
