package provider_test

import (
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestEndsUnderAnotherName: a change that disables an identity, gives its approval
// another name and asks for too much takes the access away; what the new name asks
// for fails behind that.
func TestEndsUnderAnotherName(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	l.edit(`ttl     = "2160h"`, "ttl     = \"2160h\"\n  enabled = false")
	l.edit(`ttl           = "720h"`, "ttl           = \"9000h\"\n  name = \"other\"")
	result := l.Apply(t)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("after the end: %v\n%v", roles, result)
	}
	l.edit("enabled = false", "enabled = true")
	wants(t, l.Plan(t), 1, "9000h is longer than 720h")
}
