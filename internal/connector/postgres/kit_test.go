package postgres_test

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// bench is a server, a role "readers" of this test that may read its table
// orders, and an open connector. It does without the guard, to see what the
// connector itself answers.
type bench struct {
	*testserver.PostgresServer
	t       *testing.T
	readers string
	system  connector.Connector
}

func newBench(t *testing.T, server *testserver.PostgresServer) *bench {
	t.Helper()
	b := &bench{PostgresServer: server, t: t, readers: server.Prefix() + "readers"}
	server.Exec("CREATE ROLE " + b.readers + "; CREATE TABLE orders (n int); GRANT SELECT ON orders TO " + b.readers)
	b.system = b.open(server.URL(""))
	return b
}

func (b *bench) open(url string) connector.Connector {
	b.t.Helper()
	return openSystem(b.t, url)
}

// openWith opens the system with a role that gets what ours own.
func (b *bench) openWith(url, heir string) connector.Connector {
	b.t.Helper()
	with := settings(url)
	with.Values["reassign_owned_to"] = nhi.Text(heir)
	system, err := postgres.Kind().Open(b.t.Context(), with)
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.t.Cleanup(func() { _ = system.Close() })
	return system
}

func openSystem(t *testing.T, url string) connector.Connector {
	t.Helper()
	system, err := postgres.Kind().Open(t.Context(), settings(url))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = system.Close() })
	return system
}

// account returns a new account with these roles, readers for none.
func (b *bench) account(roles ...string) connector.Account {
	b.t.Helper()
	if len(roles) == 0 {
		roles = []string{b.readers}
	}
	grant := nhi.ApprovalID("test/postgres/etl-" + randomHex(b.t, 4) + ":default")
	now := time.Now().UTC().Truncate(time.Second)
	return connector.Account{
		Mark:      nhi.Mark{Ledger: strings.Repeat("0", 32), Grant: grant, Target: "db", Nonce: randomHex(b.t, 16)},
		Principal: nhi.Principal(grant, "db"),
		Access:    access(roles...),
		NotBefore: now,
		NotAfter:  now.Add(time.Hour),
	}
}

func (b *bench) active(roles ...string) connector.Account {
	b.t.Helper()
	return activate(b.t, b.system, b.account(roles...))
}

func activate(t *testing.T, system connector.Connector, account connector.Account) connector.Account {
	t.Helper()
	prepared := system.Prepare(t.Context(), []connector.Account{account})[0]
	if prepared.Err != nil || prepared.State != connector.Inert {
		t.Fatalf("prepare: %s %q, %v", prepared.State, prepared.Findings, prepared.Err)
	}
	account.ID, account.Enabled = prepared.ID, true
	enabled := system.Enable(t.Context(), []connector.Account{account})[0]
	if enabled.Err != nil || enabled.State != connector.Active || len(enabled.Findings) > 0 {
		t.Fatalf("enable: %s %q, %v", enabled.State, enabled.Findings, enabled.Err)
	}
	return account
}

func (b *bench) issue(account connector.Account, notAfter time.Time) connector.Credential {
	b.t.Helper()
	credential, err := issuer(b.t, b.system).Issue(b.t.Context(), account, notAfter, nil)
	if err != nil {
		b.t.Fatalf("issue: %v", err)
	}
	return credential
}

func issuer(t *testing.T, system connector.Connector) connector.Issuer {
	t.Helper()
	issuer, ok := system.(connector.Issuer)
	if !ok {
		t.Fatal("the connector issues nothing")
	}
	return issuer
}

func (b *bench) prepare(account connector.Account) connector.Outcome {
	return b.system.Prepare(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) enable(account connector.Account) connector.Outcome {
	return b.system.Enable(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) revoke(account connector.Account) connector.Outcome {
	return b.system.Revoke(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) probe(account connector.Account) connector.Outcome {
	return b.system.Probe(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) observe(account connector.Account) connector.Observation {
	b.t.Helper()
	holdings, err := b.system.Read(b.t.Context(), []connector.Account{account})
	if err != nil {
		b.t.Fatalf("read: %v", err)
	}
	return holdings.Of(account)
}

// login opens a session with a credential, which ends with the test.
func (b *bench) login(credential connector.Credential) *pgx.Conn {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), credential.Values["url"].Reveal())
	if err != nil {
		b.t.Fatalf("log in with the credential: %v", err)
	}
	b.t.Cleanup(func() { _ = conn.Close(b.t.Context()) })
	return conn
}

// roleExists asks the server.
func (b *bench) roleExists(name string) bool {
	b.t.Helper()
	return b.Query("SELECT count(*) FROM pg_roles WHERE rolname = $1", name)[0][0] == "1"
}

// changing matches a statement that changes roles or ends sessions.
var changing = regexp.MustCompile(`(?i)(CREATE|ALTER|DROP) ROLE|COMMENT ON|GRANT |REVOKE |REASSIGN|terminate_backend|INSERT|UPDATE|DELETE`)

// changedNothing runs what must not run one changing statement on the server.
func (b *bench) changedNothing(run func()) {
	b.t.Helper()
	before := len(b.StatementLog())
	run()
	for line := range strings.Lines(b.StatementLog()[before:]) {
		if changing.MatchString(line) {
			b.t.Errorf("a changing statement ran: %s", line)
		}
	}
}

func hasFinding(findings []string, part string) bool {
	return slices.ContainsFunc(findings, func(finding string) bool { return strings.Contains(finding, part) })
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func randomHex(t *testing.T, n int) string {
	t.Helper()
	random := make([]byte, n)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(random)
}

func replaceAll(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}
