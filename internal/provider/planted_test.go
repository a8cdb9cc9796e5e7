package provider_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestPlanted: whoever makes an account under the name that our next one will
// have, and knows its credential, gets nothing of it: the account is refused,
// and not touched.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*landscape){
		"role": func(l *landscape) {
			l.db.Exec(fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD 'known'`, nhi.Principal(l.etl, "db")))
		},
		"AppRole": func(l *landscape) {
			l.vaultPut(l.appRole(""), map[string]any{"token_policies": []string{"default"}})
			l.vaultPut(l.appRole("")+"/custom-secret-id", map[string]any{"secret_id": "known"})
		},
		"entity": func(l *landscape) {
			l.vaultPut("identity/entity", map[string]any{"name": nhi.Principal(l.etl, "kv"), "policies": []string{l.vaultPolicy("read")}})
		},
		"marked entity": func(l *landscape) {
			l.vaultPut("identity/entity", map[string]any{"name": nhi.Principal(l.etl, "kv"),
				"metadata": map[string]string{"nhi": fmt.Sprintf("nhi:1 %s %s kv 0123456789abcdef0123456789abcdef", l.ledger, l.etl)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLandscape(t, false)
			l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.vaultSystem())+variables+grantOf("720h", l.dbAccess()+l.kvAccess()))
			wants(t, l.Apply(t), 0)
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			plant(l)
			before, log, mark := l.planted(), len(l.db.StatementLog()), l.vault.Mark()
			for range 2 {
				wants(t, l.Apply(t), 1, "Access not granted", "undone")
			}
			wants(t, l.Destroy(t), 0)
			if after := l.planted(); after != before {
				t.Errorf("what was planted was\n%s\nand is\n%s", before, after)
			}
			changes := l.vault.Changes(mark)
			if name == "role" {
				changes = changingStatements(l.db.StatementLog()[log:])
			}
			if len(changes) > 0 || l.used() != 0 {
				t.Errorf("its system was told to change %q, and %d activations were used", changes, l.used())
			}
		})
	}
}

// planted is all that stands under the grant's names, as the targets know it.
func (l *landscape) planted() string {
	l.t.Helper()
	role := l.db.Query(`SELECT a.oid::text, rolcanlogin::text, rolpassword, shobj_description(a.oid, 'pg_authid'),
		(SELECT count(*) FROM pg_auth_members m WHERE m.member = a.oid)::text FROM pg_authid a WHERE rolname = $1`, nhi.Principal(l.etl, "db"))
	entity := l.vaultGet("identity/entity/name/" + nhi.Principal(l.etl, "kv"))
	return fmt.Sprint(role, l.vaultGet(l.appRole("")), l.vaultGet(l.appRole("")+"/role-id"), entity)
}

// TestVictims: accounts of somebody else that carry a copy of our mark are not
// touched by sweep, revoke or destroy, which say so for as long as they do.
func TestVictims(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(*landscape){
		"sweep": func(l *landscape) {
			l.advance(721 * time.Hour)
			wants(l.t, l.NHI(l.t, "sweep", "--revoke"), 5, "still open", l.db.Prefix()+"victim")
		},
		"revoke": func(l *landscape) {
			wants(l.t, l.NHI(l.t, "revoke", string(l.etl), "--yes"), 5, "not confirmed", l.db.Prefix()+"victim")
		},
		"destroy": func(l *landscape) {
			wants(l.t, l.Destroy(l.t), 1, "not confirmed as removed", "db (", l.db.Prefix()+"victim")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLandscape(t, false)
			l.configured()
			l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.vaultSystem())+variables+grantOf("720h", l.dbAccess()+l.kvAccess()))
			wants(t, l.Apply(t), 0)
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			wants(t, l.Apply(t), 0, "active = true")
			check := l.victims()
			ends(l)
			check()
			l.nothingInVault()
			if left := l.db.Query("SELECT rolname FROM pg_roles WHERE rolname = $1", nhi.Principal(l.etl, "db")); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

// victims gives somebody's role, entity and AppRole copies of the grant's
// marks, and returns a check that they are as they were, and work.
func (l *landscape) victims() func() {
	l.t.Helper()
	role, app := l.db.Prefix()+"victim", l.vault.Prefix()+"victim"
	mark := l.db.Query("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", nhi.Principal(l.etl, "db"))[0][0]
	l.db.Exec(fmt.Sprintf("CREATE ROLE %[1]s LOGIN PASSWORD 'mine' IN ROLE %[2]s; COMMENT ON ROLE %[1]s IS '%[3]s'", role, l.role(), mark))
	l.vaultPut(l.appRole(app), map[string]any{"token_policies": []string{l.vaultPolicy("read")}})
	roleID, _ := l.vaultGet(l.appRole(app) + "/role-id")["role_id"].(string)
	secretID, _ := l.vaultPut(l.appRole(app)+"/secret-id", nil)["secret_id"].(string)
	token := l.vaultLogin(roleID, secretID)
	self, err := l.vaultRoot().Auth().Token().Lookup(token)
	must(l.t, err)
	entity := "identity/entity/id/" + entityOf(self)
	l.vaultPut(entity, map[string]any{"metadata": l.vaultGet(l.entity())["metadata"]})
	state := func() string {
		now := l.vaultGet(entity)
		return fmt.Sprint(l.db.Query("SELECT oid::text, rolcanlogin::text, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", role),
			l.vaultGet(l.appRole(app)), now["name"], now["disabled"], now["metadata"], now["policies"])
	}
	before, log, since := state(), len(l.db.StatementLog()), l.vault.Mark()
	return func() {
		l.t.Helper()
		for _, change := range append(changingStatements(l.db.StatementLog()[log:]), l.vault.Changes(since)...) {
			if strings.Contains(change, "victim") || strings.Contains(change, entity) {
				l.t.Errorf("a victim was touched: %s", change)
			}
		}
		if after := state(); after != before {
			l.t.Errorf("the victims were\n%s\nand are\n%s", before, after)
		}
		if !l.vaultReads(token, "orders") || l.vaultLogin(roleID, secretID) == "" || !l.postgresWorks(l.db.UserURL(role, "mine")) {
			l.t.Error("a victim does not work any more")
		}
	}
}

func entityOf(token *api.Secret) string {
	id, _ := token.Data["entity_id"].(string)
	return id
}
