package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestRevokeEndsOpenSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	idle, busy := b.login(credential), b.login(credential)
	slept := make(chan error, 1)
	go func() {
		_, err := busy.Exec(t.Context(), "SELECT pg_sleep(60)")
		slept <- err
	}()
	testserver.Wait(t, patience, "the session is busy", func() bool {
		return b.Query("SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'", credential.Handle)[0][0] == "1"
	})

	before := len(b.StatementLog())
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent || !outcome.Verified {
		t.Fatalf("revoke: %s verified %v, %v", outcome.State, outcome.Verified, outcome.Err)
	}
	for _, name := range []string{account.Principal, credential.Handle} {
		if refusal := "authentication failed for user \"" + name + "\""; !strings.Contains(b.StatementLog()[before:], refusal) {
			t.Errorf("revoke did not try to log in as %s", name)
		}
	}
	if err := idle.Ping(t.Context()); err == nil {
		t.Error("an idle session lives on")
	}
	if err := <-slept; err == nil {
		t.Error("a busy session lives on")
	}
	if canRead(t, credential.Values["url"].Reveal(), "orders") {
		t.Error("the credential still works")
	}
	if outcome := b.probe(account); outcome.Err != nil || outcome.State != connector.Absent || !outcome.Verified {
		t.Errorf("probe: %s, %v", outcome.State, outcome.Err)
	}
	for _, name := range []string{account.Principal, credential.Handle} {
		if b.roleExists(name) {
			t.Errorf("role %s is still there", name)
		}
	}
}

// TestRevokeListsWhatIsOwned: memberships and logins go at once; the roles go
// when what they own is settled.
func TestRevokeListsWhatIsOwned(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	other := b.Database() + "_other"
	b.Exec("CREATE DATABASE " + other)
	b.Exec("CREATE TABLE by_account (n int); ALTER TABLE by_account OWNER TO " + quote(account.Principal) +
		"; GRANT SELECT ON orders TO " + quote(credential.Handle) +
		"; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO " + quote(account.Principal) +
		"; ALTER DATABASE " + other + " OWNER TO " + quote(account.Principal))

	outcome := b.revoke(account)
	if !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || outcome.State == connector.Absent || outcome.Verified {
		t.Fatalf("revoke: %s verified %v, %v, want ErrUnconfirmed", outcome.State, outcome.Verified, outcome.Err)
	}
	for _, want := range []string{
		"role " + account.Principal + " owns table by_account in database " + b.Database(),
		"role " + account.Principal + " owns database " + other,
		"role " + credential.Handle + " holds privileges on table orders in database " + b.Database(),
		"holds privileges on default privileges",
	} {
		if !strings.Contains(outcome.Err.Error(), want) || !hasFinding(outcome.Findings, want) {
			t.Errorf("missing %q in %v and %q", want, outcome.Err, outcome.Findings)
		}
	}
	if canRead(t, credential.Values["url"].Reveal(), "orders") {
		t.Error("the credential still works")
	}
	held := "SELECT count(*) FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname = $1)"
	if got := b.Query(held, account.Principal)[0][0]; got != "0" {
		t.Errorf("%s memberships are left", got)
	}

	b.Exec("ALTER DATABASE " + other + " OWNER TO nhi_admin; REASSIGN OWNED BY " + quote(account.Principal) + " TO nhi_admin; DROP OWNED BY " +
		quote(account.Principal) + "; DROP OWNED BY " + quote(credential.Handle))
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke after settling: %s, %v", outcome.State, outcome.Err)
	}
}

// TestObjectsOfOtherDatabasesAreCounted: they cannot be described from here.
func TestObjectsOfOtherDatabasesAreCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	elsewhere := testserver.Postgres(t)
	account := b.active()
	elsewhere.Exec("CREATE TABLE one (n int); CREATE TABLE two (n int); ALTER TABLE one OWNER TO " + quote(account.Principal) +
		"; ALTER TABLE two OWNER TO " + quote(account.Principal))
	credential := b.issue(account, account.NotAfter)
	elsewhere.Exec("CREATE TABLE three (n int); ALTER TABLE three OWNER TO " + quote(credential.Handle))
	outcome := b.revoke(account)
	want := "role " + account.Principal + " owns 2 objects in database " + elsewhere.Database()
	if !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || !strings.Contains(outcome.Err.Error(), want) {
		t.Errorf("revoke: %v, want %q", outcome.Err, want)
	}
	elsewhere.Exec("DROP OWNED BY " + quote(account.Principal))
	if outcome := b.revoke(account); !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || !b.roleExists(account.Principal) {
		t.Errorf("revoke with a login role that stays: %s, %v, want the account to stay too", outcome.State, outcome.Err)
	}
	elsewhere.Exec("DROP OWNED BY " + quote(credential.Handle))
	if outcome := b.revoke(account); outcome.Err != nil {
		t.Errorf("revoke after settling: %v", outcome.Err)
	}
}

// TestRenamedRoleIsRevoked: the OID tells that it is ours.
func TestRenamedRoleIsRevoked(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account, other := b.active(), b.active()
	for i, a := range []connector.Account{account, other} {
		renamed := b.Prefix() + "renamed" + string(rune('0'+i))
		b.Exec("ALTER ROLE " + quote(a.Principal) + " RENAME TO " + renamed)
		if seen := b.observe(a); seen.State != connector.Active || seen.Principal != a.Principal || !hasFinding(seen.Findings, "renamed to "+renamed) {
			t.Errorf("read: %s %q", seen.State, seen.Findings)
		}
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
	}
	if b.roleExists(b.Prefix() + "renamed0") {
		t.Error("the renamed role is still there")
	}
	// Repair gives it its name back, unless somebody else has it.
	b.Exec("CREATE ROLE " + quote(other.Principal))
	b.changedNothing(func() {
		if outcome := b.enable(other); !errors.Is(outcome.Err, nhi.ErrForeign) {
			t.Errorf("enable with the name taken: %v, want ErrForeign", outcome.Err)
		}
	})
	b.Exec("DROP ROLE " + quote(other.Principal))
	if outcome := b.enable(other); outcome.Err != nil || len(outcome.Findings) > 0 {
		t.Errorf("enable: %q, %v", outcome.Findings, outcome.Err)
	}
}

// TestLoginsLeftBehindAreRevoked: somebody dropped the account and left its
// login roles.
func TestLoginsLeftBehindAreRevoked(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	b.Exec("DROP ROLE " + quote(account.Principal))
	if seen := b.observe(account); seen.State == connector.Absent || !hasFinding(seen.Findings, credential.Handle) {
		t.Errorf("read: %s %q, want the login role found", seen.State, seen.Findings)
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
	}
	if b.roleExists(credential.Handle) {
		t.Error("the login role is still there")
	}
}

// TestPrepareStripsAnUnfinishedIntent: what an earlier run left behind of the
// same intent loses its sessions, credentials and memberships.
func TestPrepareStripsAnUnfinishedIntent(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	session := b.login(credential)
	b.Exec("ALTER ROLE " + quote(account.Principal) + " LOGIN CREATEDB PASSWORD 'by hand'")
	byHand := b.UserURL(account.Principal, "by hand")
	if !canRead(t, byHand, "orders") {
		t.Fatal("the login by hand does not work")
	}
	account.ID, account.Enabled = "", false
	outcome := b.prepare(account)
	if outcome.Err != nil || outcome.State != connector.Inert || len(outcome.Privileges)+len(outcome.Findings) > 0 {
		t.Fatalf("prepare: %s %q %q, %v", outcome.State, outcome.Privileges, outcome.Findings, outcome.Err)
	}
	if err := session.Ping(t.Context()); err == nil {
		t.Error("a session lives on")
	}
	if canRead(t, credential.Values["url"].Reveal(), "orders") || canRead(t, byHand, "orders") {
		t.Error("an old credential still works")
	}
	if b.roleExists(credential.Handle) {
		t.Error("the old login role is still there")
	}
}

// TestOldAccessCanStillBeRevoked: what may not be given (any more) can be
// taken away, and its name does not matter for that.
func TestOldAccessCanStillBeRevoked(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	account.Access = access("pg_execute_server_program", "no such role", strings.Repeat("x", 100))
	if seen := b.observe(account); seen.State != connector.Active {
		t.Errorf("read: %s", seen.State)
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
	}
}

// TestRepairEndsSessionsByHand: LOGIN was switched on, and somebody logged in.
func TestRepairEndsSessionsByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	b.Exec("ALTER ROLE " + quote(account.Principal) + " LOGIN PASSWORD 'by hand'")
	session := b.login(connector.Credential{Values: map[string]nhi.Secret{"url": nhi.NewSecret(b.UserURL(account.Principal, "by hand"))}})
	kept := b.login(connector.Credential{Values: map[string]nhi.Secret{"url": nhi.NewSecret(b.URL(""))}})
	if outcome := b.enable(account); outcome.Err != nil {
		t.Fatal(outcome.Err)
	}
	if session.Ping(t.Context()) == nil {
		t.Error("the session lives on")
	}
	if kept.Ping(t.Context()) != nil {
		t.Error("another session was ended")
	}
}
