package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestPromise05AllOrNothing: one target that fails undoes the step on all
// others, verified, and consumes nothing.
func TestPromise05AllOrNothing(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	missing := l.db.Prefix() + "not_there"
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+
		grantOf("720h", strings.Replace(l.access(), l.role(), missing, 1))+l.job())
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	failed := l.Apply(t)
	wants(t, failed, 1, "Access not granted", missing, "undone")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("roles after the undo: %v", roles)
	}
	if l.read("stolen-cert") != "" || l.used() != 0 {
		t.Error("a credential was issued, or the approval was consumed")
	}
	for _, certificate := range l.certificates() {
		if l.sshWorks(certificate) {
			t.Error("a certificate of the undone step still lets in")
		}
	}
	l.db.Exec("CREATE ROLE " + missing + "; GRANT SELECT ON orders TO " + missing)
	wants(t, l.Apply(t), 0, "active = true")
	if l.read("answer.txt") != "42\n" || l.used() != 1 {
		t.Error("the same approval did not serve after the undo")
	}
}

// certificates returns every SSH certificate that the ledger knows of.
func (w *world) certificates() []string {
	var found []string
	for _, entry := range w.chain(ledger.GrantChain(w.etl)).Entries {
		if effect, ok := entry.Body.(ledger.EffectBody); ok {
			for _, target := range effect.Targets {
				if target.Kind == "ssh" && target.Evidence != "" {
					found = append(found, target.Evidence)
				}
			}
		}
	}
	return found
}

// TestPromise07OnlyOurs: a namesake without our mark, or with a copied one, is
// reported and never touched.
func TestPromise07OnlyOurs(t *testing.T) {
	t.Parallel()
	for name, comment := range map[string]string{
		"no mark":     "made by hand",
		"copied mark": "nhi:1 %s %s db 0123456789abcdef0123456789abcdef",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := approvedLandscape(t, false)
			principal := nhi.Principal(l.etl, "db")
			if strings.Contains(comment, "%s") {
				comment = fmt.Sprintf(comment, l.ledger, l.etl)
			}
			l.db.Exec(fmt.Sprintf(`CREATE ROLE "%[1]s" LOGIN PASSWORD 'known'; COMMENT ON ROLE "%[1]s" IS '%[2]s'`, principal, comment))
			before := l.db.Query("SELECT oid, rolcanlogin, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", principal)
			log := len(l.db.StatementLog())
			wants(t, l.Apply(t), 1, "Access not granted", principal)
			wants(t, l.Destroy(t), 0)
			after := l.db.Query("SELECT oid, rolcanlogin, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", principal)
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("the namesake was %v and is %v", before, after)
			}
			if changes := changingStatements(l.db.StatementLog()[log:]); len(changes) > 0 {
				t.Errorf("PostgreSQL was told to change something: %q", changes)
			}
		})
	}
}

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

func (w *world) readFile(path string) string {
	w.t.Helper()
	data, err := os.ReadFile(path)
	must(w.t, err)
	return string(data)
}

// TestPromise10RemovalNeverWaits: without ledger, policy and root, destroy
// still revokes, from what is remembered beside the state; and the record
// follows when the ledger is back.
func TestPromise10RemovalNeverWaits(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	certificate := l.certificates()[0]
	must(t, os.Rename(filepath.Join(l.Dir, ".nhi"), filepath.Join(l.Dir, "away")))
	l.remove("policy.hcl")
	wants(t, l.Destroy(t), 0, "The ledger is away")
	if roles := l.roles(); len(roles) > 0 || l.sshWorks(certificate) {
		t.Errorf("after destroy: roles %v", roles)
	}
	must(t, os.Rename(filepath.Join(l.Dir, "away"), filepath.Join(l.Dir, ".nhi")))
	l.policy(2, l.policySystems(), twoOfSecurity)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+strings.Replace(grantOf("720h", l.access()), "orders-etl", "another", 1))
	wants(t, l.Apply(t), 0)
	entries := l.chain(ledger.GrantChain(l.etl)).Entries
	if last, ok := entries[len(entries)-1].Body.(ledger.VerificationBody); !ok || last.Targets["db"].State != "absent" {
		t.Errorf("the ledger's last word is %#v", entries[len(entries)-1].Body)
	}
}

// TestPromise11OneApprovalOneActivation: an approval that was used grants
// nothing again, whatever is replayed.
func TestPromise11OneApprovalOneActivation(t *testing.T) {
	t.Parallel()
	l := approvedLandscape(t, false)
	wants(t, l.Plan(t, "-out=plan"), 2)
	state := l.read("terraform.tfstate")
	wants(t, l.Apply(t), 0, "active = true")
	wants(t, l.Destroy(t), 0)
	check := l.untouched()
	wants(t, l.applySaved("plan"), 1)
	wants(t, l.Apply(t), 0, "active = false")
	wants(t, l.Plan(t), 0, "No changes", "its approval was used")
	check("apply again")
	l.Write(t, "terraform.tfstate", state) // yesterday's state
	wants(t, l.Plan(t), 0, "its approval was used")
	wants(t, l.Apply(t), 0, "active = false")
	check("an old state")
	if l.used() != 1 {
		t.Errorf("%d activations recorded", l.used())
	}
}
