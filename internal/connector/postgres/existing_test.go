package postgres_test

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// existing makes a role of somebody's, with a password and the readers' role.
func (b *bench) existing(name, options string) connector.Account {
	b.t.Helper()
	name = b.Prefix() + name
	b.Exec("CREATE ROLE " + quote(name) + " LOGIN PASSWORD 'always had it' " + options + "; GRANT " + b.readers + " TO " + quote(name))
	return b.takingOver(name, "disable")
}

// takingOver is the account of a grant that takes the role over.
func (b *bench) takingOver(name, onRevoke string) connector.Account {
	b.t.Helper()
	account := b.account()
	account.Access["adopt"], account.Access["on_revoke"] = nhi.Text(name), nhi.Text(onRevoke)
	account.Principal = name
	account.ID = b.oid(name)
	return account
}

func (b *bench) oid(name string) string {
	b.t.Helper()
	return b.Query("SELECT oid FROM pg_roles WHERE rolname = $1", name)[0][0]
}

func (b *bench) adopter() connector.Adopter {
	b.t.Helper()
	adopter, ok := b.system.(connector.Adopter)
	if !ok {
		b.t.Fatal("the connector takes nothing over")
	}
	return adopter
}

func (b *bench) surveyor() connector.Surveyor {
	b.t.Helper()
	surveyor, ok := b.system.(connector.Surveyor)
	if !ok {
		b.t.Fatal("the connector lists nothing")
	}
	return surveyor
}

// take prepares and enables a role that is taken over.
func (b *bench) take(account connector.Account) connector.Account {
	b.t.Helper()
	account = b.prepared(account)
	enabled := b.enable(account)
	if enabled.Err != nil || enabled.State != connector.Active || len(enabled.Findings) > 0 {
		b.t.Fatalf("enable: %s %q, %v", enabled.State, enabled.Findings, enabled.Err)
	}
	account.Evidence = enabled.Evidence
	return account
}

func (b *bench) prepared(account connector.Account) connector.Account {
	b.t.Helper()
	prepared := b.prepare(account)
	if prepared.Err != nil || len(prepared.Findings) > 0 && !account.Enabled {
		b.t.Fatalf("prepare: %s %q, %v", prepared.State, prepared.Findings, prepared.Err)
	}
	account.Evidence, account.Enabled = prepared.Evidence, true
	return account
}

func (b *bench) release(account connector.Account) connector.Outcome {
	return b.adopter().Release(b.t.Context(), []connector.Account{account})[0]
}

// loggedIn opens a session of a role with the password that it always had.
func (b *bench) loggedIn(name string) *pgx.Conn {
	b.t.Helper()
	return b.login(connector.Credential{Values: map[string]nhi.Secret{"url": nhi.NewSecret(b.UserURL(name, "always had it"))}})
}

func (b *bench) letsIn(name string) bool {
	b.t.Helper()
	return canRead(b.t, b.UserURL(name, "always had it"), "pg_catalog.pg_class")
}

// whole is all that the server knows of a role, password verifier included.
func (b *bench) whole(name string) string {
	b.t.Helper()
	return strings.Join(b.Query(`SELECT a.*, coalesce(a.rolvaliduntil, 'infinity') = 'infinity', shobj_description(a.oid, 'pg_authid'),
		(SELECT string_agg(m.roleid || ' ' || m.admin_option, ',' ORDER BY m.roleid) FROM pg_auth_members m WHERE m.member = a.oid),
		(SELECT string_agg(m.member || ' ' || m.admin_option, ',' ORDER BY m.member) FROM pg_auth_members m WHERE m.roleid = a.oid)
		FROM pg_authid a WHERE a.rolname = $1`, name)[0], "|")
}
