package provider_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestUnknownValues: a system's URL that another resource of the same run
// makes: no crash, no false error, no effect on a guess.
func TestUnknownValues(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	unknownURL := strings.Replace(l.providerBlock(l.systems()), "var.orders_url", "terraform_data.url.output", 1) + variables
	made := fmt.Sprintf("resource \"terraform_data\" \"url\" {\n  input = %q\n}\n", l.db.URL(""))
	l.Write(t, "main.tf", unknownURL+made+grantOf("720h", l.access()))
	check := l.untouched()
	planned := l.Plan(t, "-out=plan")
	wants(t, planned, 2, `+ status = "pending"`, "+ active = false")
	wants(t, l.applySaved("plan"), 0, "active = false")
	check("unknown at plan")
	l.decide("approve", l.etl, ana, ben)
	wants(t, l.Plan(t), 2, `"approved" -> "active"`)
	wants(t, l.Apply(t), 0, "active = true")
	// The URL is made anew: the grant stays, and nothing is concluded.
	l.Write(t, "main.tf", unknownURL+strings.Replace(made, "input", "triggers_replace = \"again\"\n  input", 1)+grantOf("720h", l.access()))
	wants(t, l.Plan(t), 2, "terraform_data.url must be replaced")
	refuses(t, l.Plan(t), "nhi_grant.etl will be destroyed", `-> "revoked"`, "drifted")
	wants(t, l.Apply(t), 0, "active = true")
	if len(l.roles()) != 1 {
		t.Errorf("roles: %v", l.roles())
	}
}

// TestUnknownAndAssured: access that would be active at once must be known at
// plan; what would have to be guessed is a clear error.
func TestUnknownAndAssured(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", strings.Replace(l.providerBlock(l.systems()), "var.orders_url", "terraform_data.url.output", 1)+variables+
		fmt.Sprintf("resource \"terraform_data\" \"url\" {\n  input = %q\n}\n", l.db.URL(""))+
		strings.Replace(grantOf("720h", l.access()), "justification =", "on_pending = \"error\"\n  justification =", 1))
	planned := l.Plan(t)
	wants(t, planned, 1, "Access not known yet", "access = {")
	refuses(t, planned, "This is a bug")
}
