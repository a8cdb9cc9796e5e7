package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// veteran is a landscape with two accounts from before our time: a role with a
// password, and an AppRole with a secret id that never ends. Both may do more
// than anybody would approve now.
type veteran struct {
	*landscape
	admin    string // a role that the old role is a member of, beside the approved one
	owner    string // what it owned goes there
	roleID   string
	secretID string
}

const oldPassword = "always had it"

func newVeteran(t testing.TB) *veteran {
	t.Helper()
	v := &veteran{landscape: newLandscape(t, false)}
	v.admin, v.owner = v.db.Prefix()+"admin", v.db.Prefix()+"owner"
	v.db.Exec(fmt.Sprintf("CREATE ROLE %s; CREATE ROLE %s; CREATE TABLE payroll (id int)", v.admin, v.owner))
	v.makeRole()
	must(t, v.vaultRoot().Sys().PutPolicy(v.vaultPolicy("admin"), v.reading("payroll")))
	v.makeAppRole()
	return v
}

// makeRole makes the old role, anew where it was there.
func (v *veteran) makeRole() {
	v.t.Helper()
	v.db.Exec(fmt.Sprintf("DROP ROLE IF EXISTS %[1]s; CREATE ROLE %[1]s LOGIN CREATEDB PASSWORD '%[2]s' IN ROLE %[3]s, %[4]s; COMMENT ON ROLE %[1]s IS 'ask ana@example.com'",
		v.svc(), oldPassword, v.role(), v.admin))
}

// makeAppRole makes the old AppRole, anew where it was there.
func (v *veteran) makeAppRole() {
	v.t.Helper()
	v.vaultDrop(v.appRole("svc-orders"))
	v.vaultPut(v.appRole("svc-orders"), map[string]any{"token_policies": []string{v.vaultPolicy("read"), v.vaultPolicy("admin")}, "token_ttl": "2h"})
	v.roleID, _ = v.vaultGet(v.appRole("svc-orders") + "/role-id")["role_id"].(string)
	v.secretID, _ = v.vaultPut(v.appRole("svc-orders")+"/secret-id", nil)["secret_id"].(string)
}

func (v *veteran) svc() string { return v.db.Prefix() + "svc_orders" }

func (v *veteran) oldAccess(onRevoke string) string {
	return fmt.Sprintf("    db = { system = \"orders\", postgres = { roles = [%q], adopt = %q, on_revoke = %q } }\n", v.role(), v.svc(), onRevoke) +
		fmt.Sprintf("    kv = { system = \"secrets\", vault = { policies = [%q], adopt = \"svc-orders\", on_revoke = %q } }\n", v.vaultPolicy("read"), onRevoke)
}

// oldSystems hand over what the old role owns, and end with more.
func (v *veteran) oldSystems(more string) string {
	return fmt.Sprintf("    orders = { postgres = { url = var.orders_url, reassign_owned_to = %q } }\n", v.owner) + v.vaultSystem() + more
}

// token logs in with the secret id that was always there; "" is a refusal.
func (v *veteran) token() string {
	v.t.Helper()
	return v.vaultLogin(v.roleID, v.secretID)
}

// passwordWorks says whether the old role still logs in with its password, and
// reads the orders.
func (v *veteran) passwordWorks() bool {
	v.t.Helper()
	return v.postgresWorks(v.db.UserURL(v.svc(), oldPassword))
}

// whole is all that the targets know of the old accounts, the password's
// verifier included.
func (v *veteran) whole() string {
	v.t.Helper()
	role := v.db.Query(`SELECT a.*, coalesce(a.rolvaliduntil, 'infinity') = 'infinity', shobj_description(a.oid, 'pg_authid'),
		(SELECT string_agg(m.roleid || ' ' || m.admin_option, ',' ORDER BY m.roleid) FROM pg_auth_members m WHERE m.member = a.oid)
		FROM pg_authid a WHERE a.rolname = $1`, v.svc())
	appRole := v.vaultGet(v.appRole("svc-orders"))
	if appRole != nil && appRole["secret_id_bound_cidrs"] == nil { // what is not set, and what is set to nothing
		appRole["secret_id_bound_cidrs"] = []any{}
	}
	return fmt.Sprint(role, appRole, v.vaultGet(v.appRole("svc-orders")+"/role-id"))
}

// asked has the takeover asked for, with what was observed on the record, and
// nothing changed.
func (v *veteran) asked(onRevoke, systems string) {
	v.t.Helper()
	check, before := v.untouched(), v.whole()
	v.Write(v.t, "main.tf", v.providerBlock(systems)+variables+grantOf("720h", v.oldAccess(onRevoke)+externalAccess))
	wants(v.t, v.Plan(v.t), 2, `+ status = "pending"`, "Waiting for approval")
	wants(v.t, v.Apply(v.t), 0, "active = false")
	wants(v.t, v.Plan(v.t), 0, "No changes")
	check("asked")
	if v.whole() != before {
		v.t.Fatalf("asking changed\n%s\nto\n%s", before, v.whole())
	}
}

// TestTakeover: approvers see what an old account can do; taking it over takes
// away what they did not sign, and nothing else: password and secret id go on.
// At the end it is shut, or removed, as was said.
func TestTakeover(t *testing.T) {
	t.Parallel()
	for _, onRevoke := range []string{"disable", "delete"} {
		t.Run(onRevoke, func(t *testing.T) {
			t.Parallel()
			v := newVeteran(t)
			v.db.Exec("GRANT SELECT ON payroll TO " + v.svc())
			v.asked(onRevoke, v.oldSystems(""))
			end := map[string]string{"disable": "at the end it is shut and kept", "delete": "at the end it is removed"}[onRevoke]
			wants(t, v.tool("show", string(v.etl)), 0, `take over the account "`+v.svc()+`"`, end, "ana@example.com",
				"- role "+v.admin+" on orders", "role "+v.role()+" on orders", `take over the account "svc-orders"`, "- policy "+v.vaultPolicy("admin")+" on secrets")
			if old := v.token(); !v.vaultReads(old, "payroll") || !v.passwordWorks() {
				t.Fatal("the old accounts do not work before they are taken over")
			}
			v.decide(nhi.VerdictApprove, v.etl, ana, ben)
			early := v.token()
			v.follow("approved", "active", "db: takes over "+v.svc()+" as it is, which loses ", "role "+v.admin,
				"kv: takes over svc-orders as it is, which loses ", "policy "+v.vaultPolicy("admin"), "approved by ana@example.com and ben@example.com (2 of 2)")
			if v.vaultReads(early, "payroll") {
				t.Error("a token that has more than was approved lives on")
			}
			if token := v.token(); !v.vaultReads(token, "orders") || v.vaultReads(token, "payroll") {
				t.Error("the old secret id does not read what was approved, or it reads more")
			}
			got := fmt.Sprint(v.db.Query(`SELECT rolcreatedb, rolcanlogin, has_table_privilege(oid, 'payroll', 'SELECT'),
				(SELECT string_agg(m.roleid::regrole::text, ',') FROM pg_auth_members m WHERE m.member = r.oid) FROM pg_roles r WHERE rolname = $1`, v.svc()))
			if want := fmt.Sprintf("[[f t f %s]]", v.role()); !v.passwordWorks() || strings.NewReplacer("false", "f", "true", "t").Replace(got) != want {
				t.Errorf("the old role is %s, want %s, and its password works: %t", got, want, v.passwordWorks())
			}
			token := v.token()
			wants(t, v.Destroy(t), 0)
			if v.passwordWorks() || v.vaultReads(token, "orders") || v.token() != "" {
				t.Error("after the end an old credential works")
			}
			v.ended(onRevoke)
		})
	}
}

// ended checks what stands of the old accounts after the end.
func (v *veteran) ended(onRevoke string) {
	v.t.Helper()
	role := v.db.Query(`SELECT rolcanlogin::text, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1`, v.svc())
	appRole := v.vaultGet(v.appRole("svc-orders"))
	if onRevoke == "delete" {
		if len(role) > 0 || appRole != nil {
			v.t.Errorf("left over: %v, %v", role, appRole)
		}
		return
	}
	if len(role) != 1 || role[0][0] != "false" || role[0][1] != "ask ana@example.com" {
		v.t.Errorf("the role that was to be kept is %v", role)
	}
	if appRole == nil || v.policiesOf(v.appRole("svc-orders")) != "[]" {
		v.t.Errorf("the AppRole that was to be kept is %v", appRole)
	}
}

// TestTakeoverFails: a target that cannot be served gives the old accounts back
// as they were, working, and the same approval serves once the cause is mended.
func TestTakeoverFails(t *testing.T) {
	t.Parallel()
	v := newVeteran(t)
	missing := v.db.Prefix() + "not_there"
	report := fmt.Sprintf("    report = { system = \"orders\", postgres = { roles = [%q] } }\n", missing)
	v.asked("disable", v.oldSystems(""))
	v.edit("  access = {\n", "  access = {\n"+report)
	wants(t, v.Apply(t), 0)
	v.decide(nhi.VerdictApprove, v.etl, ana, ben)
	before := v.whole()
	wants(t, v.Apply(t), 1, "Access not granted", missing, "undone")
	if v.whole() != before {
		t.Errorf("what was taken over was given back as\n%s\nwant\n%s", v.whole(), before)
	}
	if token := v.token(); !v.vaultReads(token, "payroll") || !v.passwordWorks() || v.used() != 0 {
		t.Errorf("the old accounts do not work as they did, or an activation was used (%d)", v.used())
	}
	v.db.Exec("CREATE ROLE " + missing)
	v.follow("approved", "active")
	if token := v.token(); !v.vaultReads(token, "orders") || v.vaultReads(token, "payroll") || !v.passwordWorks() {
		t.Error("the old accounts are not what was approved")
	}
}

// TestTakeoverOfAnother: an account that was made anew under the name between
// the approval and the apply is not what approvers saw: it is refused, and not
// touched.
func TestTakeoverOfAnother(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*veteran){"role": (*veteran).makeRole, "AppRole": (*veteran).makeAppRole} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVeteran(t)
			v.asked("delete", v.oldSystems(""))
			v.decide(nhi.VerdictApprove, v.etl, ana, ben)
			wants(t, v.Plan(t, "-out=plan"), 2, `"approved" -> "active"`)
			again(v)
			before, log, mark := v.whole(), len(v.db.StatementLog()), v.vault.Mark()
			wants(t, v.applySaved("plan"), 1, "Access not granted")
			wants(t, v.Apply(t), 1, "Access not granted")
			v.onlyMentions(name, log, mark)
			wants(t, v.Destroy(t), 0)
			v.onlyMentions(name, log, mark)
			if v.whole() != before || v.used() != 0 {
				t.Errorf("after %d activations the accounts are\n%s\nand were\n%s", v.used(), v.whole(), before)
			}
		})
	}
}

// onlyMentions checks by the target's own log that the account which was made
// anew was not changed.
func (v *veteran) onlyMentions(name string, log, mark int) {
	v.t.Helper()
	changes := changingStatements(v.db.StatementLog()[log:])
	account := v.svc()
	if name == "AppRole" {
		changes, account = v.vault.Changes(mark), "svc-orders"
	}
	for _, change := range changes {
		if strings.Contains(change, account) {
			v.t.Errorf("the account that was made anew was changed: %s", change)
		}
	}
}
