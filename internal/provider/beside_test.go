package provider_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// configured writes the nhi.hcl that an operator has beside the workspace: the
// same systems, with their secrets from the environment.
func (l *landscape) configured() {
	l.t.Helper()
	l.Write(l.t, "nhi.hcl", fmt.Sprintf(`
environment = "production"
scope       = %q
ledger      = %s
policy_file = "policy.hcl"
systems = {
  orders  = { postgres = { url = env("ORDERS_URL") } }
  secrets = { vault = { url = %q, token = env("VAULT_ADMIN"), approle_mount = %q } }
  bastion = { ssh = { ca_key_file = %q, krl_file = %q, probe = [%q], known_hosts_file = %q } }
}
`, l.scope, l.block, l.vault.Address(), l.mount(), l.sshd.CAKeyFile, l.sshd.KRLFile, l.sshd.Address, l.sshd.KnownHostsFile))
	l.Env = append(l.Env, "ORDERS_URL="+l.db.URL(""), "VAULT_ADMIN="+l.vault.Token())
}

// allGone checks with the targets themselves that nothing of the grant works.
func (l *landscape) allGone() {
	l.t.Helper()
	if roles := l.roles(); len(roles) > 0 {
		l.t.Errorf("roles: %v", roles)
	}
	l.nothingInVault()
	for _, certificate := range l.certificates() {
		if l.sshWorks(certificate) {
			l.t.Error("a certificate still lets in")
		}
	}
}

// TestRevokedBeside: what nhi revoke ended is shown by the next plan with who
// did it, and does not come back before the quorum has lifted the block and
// another term is approved.
func TestRevokedBeside(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.configured()
	identity := string(l.etl.Identity())
	wants(t, l.NHI(t, "verify", "--targets", identity), 0)
	check := l.untouched()
	wants(t, l.NHI(t, "revoke", string(l.etl), "--dry-run"), 0, nhi.Principal(l.etl, "db"), nhi.Principal(l.etl, "kv"))
	check("dry run")
	wants(t, l.NHI(t, "revoke", string(l.etl), "--yes", "--key", l.keyFile(ben), "--reason", "laptop stolen"), 0, "Blocked.", "is gone")
	l.allGone()
	wants(t, l.NHI(t, "verify", "--targets", identity), 0, "gone")

	check = l.untouched()
	l.follow("ended", "revoked", "ended by ben@example.com: laptop stolen", `- "role `+l.role()+`"`, `- "policy `+l.vaultPolicy("read")+`"`)
	wants(t, l.Plan(t), 0, "Access is down", "nhi unblock "+string(l.etl))
	l.edit(`ttl           = "720h"`, "ttl           = \"720h\"\n  renewal = 1")
	wants(t, l.Apply(t), 0, "active = false")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = false")
	wants(t, l.NHI(t, "unblock", string(l.etl), "--yes", "--key", l.keyFile(ana), "--reason", "laptop found"), 0, "it still takes 1 more of security")
	wants(t, l.Apply(t), 0, "active = false")
	check("blocked")
	wants(t, l.NHI(t, "unblock", string(l.etl), "--yes", "--key", l.keyFile(cyd), "--reason", "laptop found"), 0, "the block is lifted")
	l.follow("approved", "active")
	wants(t, l.NHI(t, "verify", "--targets", identity), 0)
	if held := l.holds(); held != "orders_ro" || l.policiesOf(l.appRole("")) != "["+l.vaultPolicy("read")+"]" {
		t.Errorf("it holds %q and %s", held, l.policiesOf(l.appRole("")))
	}
}

// TestSweptBeside: cron ended what was due before anybody applied; the plan
// shows it as what it is, and its apply has nothing left to do on any target.
func TestSweptBeside(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.configured()
	check := l.untouched()
	wants(t, l.NHI(t, "sweep", "--revoke"), 0, "Nothing is due.")
	l.advance(721 * time.Hour)
	wants(t, l.NHI(t, "sweep"), 4, "the term ended", "to be revoked")
	check("dry sweep")
	wants(t, l.NHI(t, "verify", "--targets", string(l.etl.Identity())), 1)
	wants(t, l.NHI(t, "sweep", "--revoke"), 0, "is gone")
	l.allGone()
	wants(t, l.NHI(t, "sweep"), 0, "Nothing is due.")
	wants(t, l.NHI(t, "verify", "--targets", string(l.etl.Identity())), 0, "gone")
	check = l.untouched()
	l.follow("ended", "revoked")
	wants(t, l.Plan(t), 0, "Access is down", "set or raise renewal")
	check("swept already")
	wants(t, l.Destroy(t), 0)
}
