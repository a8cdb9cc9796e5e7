package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

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

// TestPromise07OnlyOurs: a namesake without our mark, or with a copied one, or
// with another id than was recorded, is reported and never touched.
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
	t.Run("another id", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		principal := nhi.Principal(l.etl, "db")
		mark := l.db.Query("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", principal)[0][0]
		l.db.Exec(fmt.Sprintf(`DROP ROLE "%[1]s"; CREATE ROLE "%[1]s"; COMMENT ON ROLE "%[1]s" IS '%[2]s'`, principal, mark))
		check := l.untouchedRoles()
		wants(t, l.Destroy(t), 1, "not confirmed as removed", "db (", principal)
		check("destroy")
		l.db.Exec(fmt.Sprintf(`DROP ROLE %q`, principal))
		wants(t, l.Destroy(t), 0)
	})
}

// untouchedRoles remembers the roles of ours, and returns a check that
// PostgreSQL was told to change nothing since.
func (l *landscape) untouchedRoles() func(what string) {
	l.t.Helper()
	roles, log := strings.Join(l.roles(), ","), len(l.db.StatementLog())
	return func(what string) {
		l.t.Helper()
		if now := strings.Join(l.roles(), ","); now != roles {
			l.t.Errorf("%s: the roles were %q and are %q", what, roles, now)
		}
		if changes := changingStatements(l.db.StatementLog()[log:]); len(changes) > 0 {
			l.t.Errorf("%s: PostgreSQL was told to change something: %q", what, changes)
		}
	}
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
// nothing again, whatever is replayed; more access or a later end needs a new
// one, and less does not.
func TestPromise11OneApprovalOneActivation(t *testing.T) {
	t.Parallel()
	t.Run("replayed", func(t *testing.T) {
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
		wants(t, l.applySaved("plan"), 1, "Access not granted")
		check("yesterday's plan with yesterday's state")
		l.Write(t, "terraform.tfstate", state)
		wants(t, l.Plan(t), 0, "its approval was used")
		wants(t, l.Apply(t), 0, "active = false")
		check("an old state")
		if l.used() != 1 {
			t.Errorf("%d activations recorded", l.used())
		}
	})
	t.Run("more and less", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		config := l.providerBlock(l.systems()) + variables
		l.Write(t, "main.tf", config+grantOf("700h", l.access()))
		wants(t, l.Apply(t), 0)
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 0, "active = true")
		check, end := l.untouched(), l.attribute("nhi_grant.etl", "expires_at")
		wider := strings.Replace(l.boxAccess(), "principals = [", `principals = ["root-too", `, 1)
		for what, asked := range map[string]string{
			"a later end": grantOf("720h", l.access()), "another principal": grantOf("700h", l.dbAccess()+wider+externalAccess),
		} {
			l.Write(t, "main.tf", config+asked)
			wants(t, l.Apply(t), 0)
			wants(t, l.Plan(t), 0, "No changes", "Waiting for approval")
			check(what)
		}
		l.Write(t, "main.tf", config+grantOf("700h", l.access()))
		wants(t, l.Apply(t), 0, "active = true")
		check("what is in force")
		if now := l.attribute("nhi_grant.etl", "expires_at"); now != end || l.used() != 1 {
			t.Errorf("the end was %v and is %v, after %d activations", end, now, l.used())
		}
		l.Write(t, "main.tf", config+grantOf("600h", l.boxAccess()))
		wants(t, l.Apply(t), 0, "active = true")
		if roles := l.roles(); len(roles) > 0 || l.attribute("nhi_grant.etl", "expires_at") == end {
			t.Errorf("less was asked for, and the targets hold %v", roles)
		}
	})
}
