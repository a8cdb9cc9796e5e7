package provider_test

import (
	"strings"
	"testing"
)

// TestIdentity: disabled takes its grants along in the same plan, and it
// cannot go while a grant of its is live in another workspace.
func TestIdentity(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	active := l.read("main.tf")
	l.Write(t, "main.tf", strings.Replace(active, "  ttl     = \"2160h\"", "  ttl     = \"2160h\"\n  enabled = false", 1))
	wants(t, l.Plan(t, "-out=plan"), 2, `~ enabled = true -> false`, `~ status = "active" -> "revoked"`, `~ identity_status = "active" -> "disabled"`)
	wants(t, l.applySaved("plan"), 0, "active = false")
	if roles := l.roles(); len(roles) > 0 || l.sshWorks(l.certificates()[0]) {
		t.Errorf("after disabling: roles %v", roles)
	}
	wants(t, l.Plan(t), 0, "No changes")

	other := activeLandscape(t, false)
	wants(t, other.Run(t, "state", "rm", "nhi_grant.etl", "nhi_approval.etl"), 0)
	wants(t, other.Destroy(t), 1, "still holds access", string(other.etl))
}
