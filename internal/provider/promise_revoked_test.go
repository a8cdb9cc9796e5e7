package provider_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestPromise09RevokedMeansChecked: what could not be confirmed stays in state
// as revoking, with an error that names it, and the others are revoked.
func TestPromise09RevokedMeansChecked(t *testing.T) {
	t.Parallel()
	t.Run("system down", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, true)
		certificate := l.certificates()[0]
		l.db.Stop()
		wants(t, l.Destroy(t), 1, "not confirmed as removed", "db (", "stays in state as revoking")
		if l.sshWorks(certificate) {
			t.Error("the certificate works although its host was up")
		}
		if state := l.Run(t, "state", "show", "-no-color", "nhi_grant.etl"); !strings.Contains(state.Stdout, `"revoking"`) {
			t.Errorf("the state does not show revoking:\n%s", state.Stdout)
		}
		if list := l.Run(t, "state", "list").Stdout; !strings.Contains(list, "nhi_identity.etl") {
			t.Error("the identity went before its grant")
		}
		l.db.Start()
		wants(t, l.Destroy(t), 0)
		if roles := l.roles(); len(roles) > 0 {
			t.Errorf("roles after destroy: %v", roles)
		}
	})
	t.Run("wrong host key", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		good := l.readFile(l.sshd.KnownHostsFile)
		other := testserver.SSHD(t, testserver.SSHDOptions{CA: l.sshd})
		forged := strings.Fields(l.readFile(other.KnownHostsFile))
		lines := strings.Fields(good)
		lines[2] = forged[2]
		must(t, os.WriteFile(l.sshd.KnownHostsFile, []byte(strings.Join(lines, " ")+"\n"), 0o600))
		wants(t, l.Destroy(t), 1, "box (")
		must(t, os.WriteFile(l.sshd.KnownHostsFile, []byte(good), 0o600))
		wants(t, l.Destroy(t), 0)
	})
	t.Run("a host that does not listen", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		deaf := testserver.SSHD(t, testserver.SSHDOptions{CA: l.sshd, Config: []string{"RevokedKeys none"}})
		l.Write(t, "main.tf", l.providerBlock(l.sshSystem(l.probing(deaf)))+grantOf("720h", l.boxAccess()))
		wants(t, l.Apply(t), 0)
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 0, "active = true")
		wants(t, l.Destroy(t), 1, "box (", "still accepted by "+deaf.Address)
		if l.sshWorks(l.certificates()[0]) {
			t.Error("the host that listens lets in")
		}
		deaf.Stop()
		wants(t, l.Destroy(t), 1, "box (")
		l.advance(721 * time.Hour)
		wants(t, l.Destroy(t), 0)
	})
	t.Run("without a probe", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		l.Write(t, "main.tf", l.providerBlock(l.sshSystem(""))+grantOf("720h", l.boxAccess()))
		wants(t, l.Apply(t), 0)
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 0, "active = true")
		wants(t, l.Destroy(t), 1, "box (")
		if state := l.Run(t, "state", "show", "-no-color", "nhi_grant.etl").Stdout; !strings.Contains(state, "usable_until = \"20") {
			t.Errorf("usable_until does not tell:\n%s", state)
		}
		l.advance(721 * time.Hour)
		wants(t, l.Destroy(t), 0)
	})
	t.Run("told to do without", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		l.Write(t, "main.tf", l.providerBlock(l.sshSystem(`confirm = "krl"`))+grantOf("720h", l.boxAccess()))
		wants(t, l.Apply(t), 0)
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 0, "active = true")
		wants(t, l.Destroy(t), 0)
		if l.sshWorks(l.certificates()[0]) {
			t.Error("the certificate still lets in")
		}
	})
}
