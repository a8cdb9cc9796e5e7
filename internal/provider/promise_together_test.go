package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestPromise05AllOrNothing: one target that fails undoes the step on all
// others, verified, and consumes nothing; privileges come last; and a failed
// repair leaves a live grant alone.
func TestPromise05AllOrNothing(t *testing.T) {
	t.Parallel()
	t.Run("one cannot be prepared", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		missing := l.db.Prefix() + "not_there"
		report := strings.NewReplacer("db =", "report =", l.role(), missing).Replace(l.dbAccess())
		l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", report+l.access())+l.job())
		wants(t, l.Apply(t), 0)
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		log := len(l.db.StatementLog())
		wants(t, l.Apply(t), 1, "Access not granted", missing, "undone")
		l.nothingLeft()
		for _, change := range changingStatements(l.db.StatementLog()[log:]) {
			if strings.Contains(change, ": GRANT ") {
				t.Errorf("a privilege was given before every account was made: %s", change)
			}
		}
		if certificates := l.certificates(); len(certificates) > 0 {
			t.Errorf("%d certificates were signed before every account was made", len(certificates))
		}
		l.db.Exec("CREATE ROLE " + missing + "; GRANT SELECT ON orders TO " + missing)
		l.servesAfterAll()
	})
	t.Run("one is not read back", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		stranger := testserver.SSHD(t, testserver.SSHDOptions{}) // trusts another CA
		rest := variables + grantOf("720h", l.access()) + l.job()
		l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.vaultSystem()+l.sshSystem(l.probing(stranger)))+rest)
		wants(t, l.Apply(t), 0)
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 1, "Access not granted", "the hosts disagree", "undone")
		l.nothingLeft()
		certificates := l.certificates()
		if len(certificates) != 1 {
			t.Fatalf("%d certificates are on record, want the one that was signed", len(certificates))
		}
		if l.sshWorks(certificates[0]) {
			t.Error("a certificate of the undone step still lets in")
		}
		l.Write(t, "main.tf", l.providerBlock(l.systems())+rest)
		l.servesAfterAll()
	})
	t.Run("a repair fails", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		certificate := l.certificates()[0]
		principal, more := nhi.Principal(l.etl, "db"), l.db.Prefix()+"more"
		l.db.Exec(fmt.Sprintf(`ALTER ROLE %s SUPERUSER; CREATE ROLE %s`, l.role(), more))
		for what, byHand := range map[string]string{
			"more was given":     fmt.Sprintf(`GRANT %s TO %q`, more, principal),
			"all was taken away": fmt.Sprintf(`REVOKE %s, %s FROM %q`, more, l.role(), principal),
		} {
			l.db.Exec(byHand)
			wants(t, l.Apply(t), 1, "Access not repaired", "superuser")
			if roles := l.roles(); len(roles) != 1 || !l.sshWorks(certificate) {
				t.Errorf("%s: a failed repair tore down a live grant: roles %v", what, roles)
			}
		}
		l.db.Exec("ALTER ROLE " + l.role() + " NOSUPERUSER")
		wants(t, l.Plan(t), 2, `"drifted" -> "active"`)
		wants(t, l.Apply(t), 0, "active = true")
		wants(t, l.Plan(t), 0, "No changes")
		if !l.sshWorks(certificate) || l.used() != 1 {
			t.Errorf("after the repair: %d activations", l.used())
		}
	})
}

// nothingLeft checks that an undone step left nothing: no role, no credential,
// no activation.
func (l *landscape) nothingLeft() {
	l.t.Helper()
	if roles := l.roles(); len(roles) > 0 {
		l.t.Errorf("roles after the undo: %v", roles)
	}
	if l.read("stolen-cert") != "" || l.used() != 0 {
		l.t.Error("a credential was issued, or the approval was consumed")
	}
}

// servesAfterAll checks that the same approval serves once the cause is mended.
func (l *landscape) servesAfterAll() {
	l.t.Helper()
	wants(l.t, l.Apply(l.t), 0, "active = true")
	if l.read("answer.txt") != "42\n" || l.used() != 1 {
		l.t.Error("the same approval did not serve after the undo")
	}
}

// probing is the confirmation of an SSH system that asks one more host.
func (l *landscape) probing(other *testserver.SSHServer) string {
	l.t.Helper()
	known := filepath.Join(l.Dir, "known_hosts")
	must(l.t, os.WriteFile(known, []byte(l.readFile(l.sshd.KnownHostsFile)+l.readFile(other.KnownHostsFile)), 0o600))
	return fmt.Sprintf("probe = [%q, %q], known_hosts_file = %q", l.sshd.Address, other.Address, known)
}
