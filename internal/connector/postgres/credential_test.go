package postgres_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// patience is how long a test waits for any one thing.
const patience = 30 * time.Second

func TestCredentialHoldsWhatItSays(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	for _, field := range postgres.Kind().Credential {
		if credential.Values[field.Name].IsZero() {
			t.Errorf("%s is empty", field.Name)
		}
	}
	if len(credential.Values) != len(postgres.Kind().Credential) {
		t.Errorf("%d values for %d fields", len(credential.Values), len(postgres.Kind().Credential))
	}
	parts := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(credential.Values["username"].Reveal(), credential.Values["password"].Reveal()),
		Host:     credential.Values["host"].Reveal() + ":" + credential.Values["port"].Reveal(),
		Path:     "/" + credential.Values["database"].Reveal(),
		RawQuery: "sslmode=disable",
	}
	if got := credential.Values["url"].Reveal(); got != parts.String() {
		t.Error("the URL and the parts do not agree")
	}
	if credential.Values["port"].Reveal() != strconv.Itoa(b.Port()) || credential.Handle != credential.Values["username"].Reveal() {
		t.Error("port or handle is not the server's")
	}
	if !strings.HasPrefix(credential.Handle, account.Principal+"-") || len(credential.Handle) != len(account.Principal)+9 {
		t.Errorf("handle %s is not the principal and 8 characters", credential.Handle)
	}
	conn := b.login(credential)
	var session, current string
	if err := conn.QueryRow(t.Context(), "SELECT session_user, current_user").Scan(&session, &current); err != nil {
		t.Fatal(err)
	}
	if session != credential.Handle || current != account.Principal {
		t.Errorf("the session is of %s as %s, want %s as %s", session, current, credential.Handle, account.Principal)
	}
}

// TestValidUntilIsEnforced waits for real seconds to pass.
func TestValidUntilIsEnforced(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, time.Now().Add(3*time.Second))
	if !canRead(t, credential.Values["url"].Reveal(), "orders") {
		t.Fatal("the credential does not work before its end")
	}
	testserver.Wait(t, patience, "the server refuses an ended credential", func() bool {
		return !canRead(t, credential.Values["url"].Reveal(), "orders")
	})
	if time.Now().Before(credential.ExpiresAt) {
		t.Error("the credential ended too early")
	}
	if _, err := issuer(t, b.system).Issue(t.Context(), account, time.Now().Add(-time.Minute), nil); err == nil {
		t.Error("a credential that has ended was issued")
	}
}

// TestWithdrawEndsSessions, and leaves other credentials alone. What a session
// made belongs to the account, so that the login role can always go.
func TestWithdrawEndsSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	b.Exec("GRANT CREATE ON SCHEMA public TO " + b.readers)
	account := b.active()
	first, second := b.issue(account, account.NotAfter), b.issue(account, account.NotAfter)
	one, two := b.login(first), b.login(second)
	if _, err := one.Exec(t.Context(), "CREATE TABLE made (n int); CREATE TEMP TABLE passing (n int)"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := issuer(t, b.system).Withdraw(t.Context(), account, first.Handle); err != nil {
			t.Fatalf("withdraw: %v", err)
		}
	}
	if one.Ping(t.Context()) == nil || b.roleExists(first.Handle) {
		t.Error("a withdrawn credential lives on")
	}
	if two.Ping(t.Context()) != nil {
		t.Error("another credential's session was ended")
	}
	if got := b.Query("SELECT tableowner FROM pg_tables WHERE tablename = 'made'")[0][0]; got != account.Principal {
		t.Errorf("the table is owned by %s, want %s", got, account.Principal)
	}
	if seen := b.observe(account); len(seen.Findings) > 0 {
		t.Errorf("what the access allows is no drift: %q", seen.Findings)
	}
}

// TestPasswordIsNeverInTheStatementLog: with log_statement = all, a password
// in a statement would be in the server's log.
func TestPasswordIsNeverInTheStatementLog(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	password := credential.Values["password"].Reveal()
	if len(password) != 32 {
		t.Errorf("the password has %d characters, want the 32 of 192 bits", len(password))
	}
	_ = canRead(t, credential.Values["url"].Reveal(), "orders")
	_ = b.revoke(account)
	log := b.StatementLog()
	if !strings.Contains(log, "CREATE ROLE "+quote(credential.Handle)) {
		t.Fatal("the log does not show statements")
	}
	if strings.Contains(log, password) || strings.Contains(log, b.Password()) {
		t.Error("a password is in the statement log")
	}
	if strings.Contains(log, "PASSWORD '") && !strings.Contains(log, "PASSWORD 'SCRAM-SHA-256$4096:") {
		t.Error("something else than a verifier was sent as password")
	}
}

// TestIssueDuringRevoke: whatever order the server gives them, no credential
// survives the revocation.
func TestIssueDuringRevoke(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	other := b.open(b.URL("postgres"))
	issued := make(chan connector.Credential, 20)
	go func() {
		defer close(issued)
		for range cap(issued) {
			credential, err := issuer(t, other).Issue(t.Context(), account, account.NotAfter, nil)
			if err != nil {
				return
			}
			issued <- credential
		}
	}()
	first := <-issued
	outcome := b.revoke(account)
	for try := 0; outcome.Err != nil && try < 10; try++ {
		t.Logf("revoke again: %v", outcome.Err)
		outcome = b.revoke(account)
	}
	handles := []string{first.Handle}
	for credential := range issued {
		handles = append(handles, credential.Handle)
	}
	for _, handle := range handles {
		if b.roleExists(handle) {
			t.Errorf("login role %s survived the revocation", handle)
		}
	}
	if conn, err := pgx.Connect(t.Context(), first.Values["url"].Reveal()); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a credential survived the revocation")
	}
}
