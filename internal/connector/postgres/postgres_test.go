package postgres_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/connectortest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestConnector runs the suite on a server of its own, since it compares
// fingerprints of the whole server.
func TestConnector(t *testing.T) {
	t.Parallel()
	server := testserver.PrivatePostgres(t)
	server.Exec("CREATE ROLE orders_ro; CREATE ROLE orders_rw; CREATE TABLE orders (n int); GRANT SELECT ON orders TO orders_ro; " +
		"GRANT SELECT, UPDATE ON orders TO orders_rw")
	connectortest.Run(t, connectortest.Setup{
		Kind:     postgres.Kind(),
		Settings: settings(server.URL("")),
		Access:   func(*testing.T) nhi.Values { return access("orders_ro", "orders_rw") },
		Narrower: func(*testing.T) nhi.Values { return access("orders_ro") },
		Works: func(t *testing.T, account connector.Account, credential connector.Credential) bool {
			url := credential.Values["url"].Reveal()
			if url == "" {
				url = server.UserURL(account.Principal, "a guess")
			}
			return canRead(t, url, "orders")
		},
		Fingerprint: func(*testing.T) string { return fingerprint(server) },
		Unreachable: func(t *testing.T) setting.Settings {
			return settings("postgres://nhi_admin:" + server.Password() + "@127.0.0.1:" + strconv.Itoa(testserver.FreePort(t)) +
				"/" + server.Database() + "?sslmode=disable")
		},
		Foreign: func(t *testing.T, account connector.Account) func() bool {
			server.Exec("CREATE ROLE " + pgx.Identifier{account.Principal}.Sanitize() + " LOGIN")
			before := fingerprint(server)
			return func() bool { return fingerprint(server) == before }
		},
		Existing: func(t *testing.T) connectortest.Existing { return existing(t, server) },
		FreeText: map[string]string{
			"roles": "a role can really be called so; names are quoted, never spliced",
			"adopt": "a role can really be called so; names are quoted, never spliced",
		},
	})
}

// existing makes a role with a password that may do more than read orders, and
// whose name no statement may splice.
func existing(t *testing.T, server *testserver.PostgresServer) connectortest.Existing {
	name := `svc"; DROP ROLE orders_ro; --ü ` + randomHex(t, 4)
	role := quote(name)
	made := func(comment string) {
		server.Exec("CREATE ROLE " + role + " LOGIN CREATEDB PASSWORD 'always had it'; GRANT orders_ro, orders_rw TO " + role +
			" WITH ADMIN OPTION; COMMENT ON ROLE " + role + " IS " + comment)
	}
	made(`'orders of ana@example.com: it''s \old'`)
	url := server.UserURL(name, "always had it")
	return connectortest.Existing{
		Name: name,
		Access: func(disable bool) nhi.Values {
			end := map[bool]string{true: "disable", false: "delete"}[disable]
			return nhi.Values{"roles": nhi.List("orders_ro"), "adopt": nhi.Text(name), "on_revoke": nhi.Text(end)}
		},
		Works:  func(t *testing.T) bool { return canRead(t, url, "orders") },
		Excess: func(t *testing.T) bool { return canRead(t, url, "orders FOR UPDATE") },
		Fingerprint: func(*testing.T) string {
			return strings.Join(server.Query(`SELECT a.oid, a.rolpassword, a.rolsuper, a.rolinherit, a.rolcreaterole, a.rolcreatedb, a.rolcanlogin,
				coalesce(a.rolvaliduntil, 'infinity'), coalesce(shobj_description(a.oid, 'pg_authid'), ''),
				(SELECT string_agg(m.roleid || ' ' || m.admin_option, ',' ORDER BY m.roleid) FROM pg_auth_members m WHERE m.member = a.oid)
				FROM pg_authid a WHERE a.rolname = $1`, name)[0], "|")
		},
		Replace: func(*testing.T) { server.Exec("DROP ROLE " + role); made("NULL") },
		Mark: func(_ *testing.T, mark nhi.Mark) {
			server.Exec("COMMENT ON ROLE " + role + " IS '" + mark.String() + "'")
		},
	}
}

func settings(url string) setting.Settings {
	return setting.Settings{Values: nhi.Values{}, Secrets: map[string]nhi.Secret{"url": nhi.NewSecret(url)}}
}

func access(roles ...string) nhi.Values { return nhi.Values{"roles": nhi.List(roles...)} }

// fingerprint holds every role, password verifier, comment, membership and
// role setting of the server.
func fingerprint(server *testserver.PostgresServer) string {
	return server.Query(`SELECT pg_catalog.md5(
		(SELECT string_agg(a::text, '|' ORDER BY oid) FROM pg_authid a) ||
		(SELECT string_agg(m::text, '|' ORDER BY m::text) FROM pg_auth_members m) ||
		(SELECT coalesce(string_agg(d::text, '|' ORDER BY d::text), '') FROM pg_shdescription d) ||
		(SELECT coalesce(string_agg(s::text, '|' ORDER BY s::text), '') FROM pg_db_role_setting s))`)[0][0]
}

// canRead logs in and reads a table; false is a clear refusal by the server,
// and any other error fails the test.
func canRead(t *testing.T, url, table string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, "SELECT * FROM "+table)
	}
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && (refusal.Code == "28P01" || refusal.Code == "28000" || refusal.Code == "42501") {
		return false
	}
	if err != nil {
		t.Fatalf("neither let in nor refused: %v", err)
	}
	return true
}
