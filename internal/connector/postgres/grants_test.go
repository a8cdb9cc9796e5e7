package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestFiftyGrantsAtOnce: fifty connectors, half of them on another database
// of the cluster, where the advisory lock of the first does not reach.
func TestFiftyGrantsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	const many = 50
	accounts := make([]connector.Account, many)
	systems := make([]connector.Connector, many)
	for i := range many {
		database := ""
		if i%2 == 1 {
			database = "postgres"
		}
		accounts[i], systems[i] = b.account(), b.open(b.URL(database))
	}
	together := func(what string, call func(int) connector.Outcome) {
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				outcome := call(i)
				if outcome.Err != nil {
					t.Errorf("%s %d: %v", what, i, outcome.Err)
				}
				accounts[i].ID = outcome.ID
			})
		}
		all.Wait()
	}
	one := func(i int) []connector.Account { return accounts[i : i+1] }
	together("prepare", func(i int) connector.Outcome { return systems[i].Prepare(t.Context(), one(i))[0] })
	together("enable", func(i int) connector.Outcome { return systems[i].Enable(t.Context(), one(i))[0] })

	members := "SELECT count(*) FROM pg_auth_members WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = $1)"
	if got := b.Query(members, b.readers)[0][0]; got != "50" {
		t.Errorf("%s has %s members, want 50", b.readers, got)
	}
	together("revoke", func(i int) connector.Outcome { return systems[i].Revoke(t.Context(), one(i))[0] })
	if got := b.Query(members, b.readers)[0][0]; got != "0" {
		t.Errorf("after revoke %s has %s members", b.readers, got)
	}
}

// TestOneAccountFromManySides: several runs prepare and enable the same
// account at the same moment; one role comes of it.
func TestOneAccountFromManySides(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.account()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		system := b.open(b.URL([]string{"", "postgres"}[i%2]))
		all.Go(func() {
			outcome := system.Prepare(t.Context(), []connector.Account{account})[0]
			if outcome.Err != nil {
				t.Errorf("prepare: %v", outcome.Err)
			}
			ids[i] = outcome.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("the ids differ: %q", ids)
		}
	}
}

func TestRolesThatNoApprovalCanGive(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	p := b.Prefix()
	b.Exec("CREATE ROLE " + p + "super SUPERUSER; CREATE ROLE " + p + "hides; GRANT " + p + "super TO " + p + "hides;" +
		"CREATE ROLE " + p + "files; GRANT pg_read_server_files TO " + p + "files;" +
		"CREATE ROLE " + p + "admin; GRANT nhi_admin TO " + p + "admin")
	other := b.active()
	for _, role := range []string{p + "super", p + "hides", p + "files", p + "admin", p + "missing", other.Principal, "public", "none"} {
		account := b.account(b.readers, role)
		b.changedNothing(func() {
			if outcome := b.prepare(account); !errors.Is(outcome.Err, nhi.ErrInvalid) || !strings.Contains(outcome.Err.Error(), role) {
				t.Errorf("prepare with role %s: %q, %v, want ErrInvalid", role, outcome.State, outcome.Err)
			}
		})
		if b.roleExists(account.Principal) {
			t.Errorf("role %s was refused, and the account exists", role)
		}
	}
	account := b.active()
	account.Access = access(b.readers, p+"hides")
	b.changedNothing(func() {
		if outcome := b.enable(account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
			t.Errorf("enable with a role that leads to a superuser: %v", outcome.Err)
		}
	})
}

// TestHostileRoleNames: a role can really be called so. Nothing but the
// membership comes of it.
func TestHostileRoleNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	for _, name := range []string{
		`x"; ALTER ROLE nhi_admin NOLOGIN; --`, `'; DROP TABLE orders; --`, `Ünïcödé Rolle 角色`, `$$;SELECT 1;$$`, `a,b`, `E'\\'`, `%I %L`,
	} {
		name = b.Prefix() + name
		b.Exec("CREATE ROLE " + quote(name))
		account := b.active(name)
		got := b.Query(`SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
			WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = $1)`, account.Principal)
		if len(got) != 1 || got[0][0] != name {
			t.Errorf("member of %q, want %q alone", got, name)
		}
		if outcome := b.revoke(account); outcome.Err != nil {
			t.Errorf("revoke: %v", outcome.Err)
		}
	}
	b.Query("SELECT count(*) FROM orders") // the admin can log in, and the table is there
	for _, name := range []string{"", "x\x00y", strings.Repeat("ä", 32), "a\nb", " x", "pg_execute_server_program", "pg_new_in_some_version"} {
		b.changedNothing(func() {
			if outcome := b.prepare(b.account(b.readers, name)); !errors.Is(outcome.Err, nhi.ErrInvalid) {
				t.Errorf("role %q: %v, want ErrInvalid", name, outcome.Err)
			}
		})
	}
}

// TestLongPrincipalIsRefused: PostgreSQL would cut it, and take another role.
func TestLongPrincipalIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	for _, principal := range []string{strings.Repeat("a", 64), "pg_something", "a\x00b"} {
		account := b.account()
		account.Principal = principal
		b.changedNothing(func() {
			if outcome := b.prepare(account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
				t.Errorf("prepare %q: %v, want ErrInvalid", principal, outcome.Err)
			}
		})
	}
}

// TestAdminWithoutSuperuser: CREATEROLE and pg_signal_backend are enough.
func TestAdminWithoutSuperuser(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	admin := b.Prefix() + "admin"
	b.Exec("CREATE ROLE " + admin + " LOGIN CREATEROLE PASSWORD 'pw'; GRANT pg_signal_backend TO " + admin +
		"; GRANT " + b.readers + " TO " + admin + " WITH ADMIN OPTION")
	b.system = b.open(b.UserURL(admin, "pw"))
	if outcome := b.prepare(b.account(admin)); !errors.Is(outcome.Err, nhi.ErrInvalid) {
		t.Errorf("prepare with the admin's own role: %v, want ErrInvalid", outcome.Err)
	}
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	if !canRead(t, credential.Values["url"].Reveal(), "orders") {
		t.Error("the credential does not work")
	}
	session := b.login(credential)
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Fatalf("revoke: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
	}
	if err := session.Ping(t.Context()); err == nil {
		t.Error("a session outlived the revocation")
	}
}
