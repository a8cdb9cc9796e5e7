package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// allUnreachable wants every call to end in nhi.ErrUnreachable (a removal also
// in nhi.ErrUnconfirmed), never in an answer, and without a password.
func (b *bench) allUnreachable(what string, account connector.Account, passwords ...string) {
	b.t.Helper()
	_, readErr := b.system.Read(b.t.Context(), []connector.Account{account})
	_, listErr := b.system.Read(b.t.Context(), nil)
	_, issueErr := issuer(b.t, b.system).Issue(b.t.Context(), account, account.NotAfter, nil)
	_, appraiseErr := b.adopter().Appraise(b.t.Context(), b.readers)
	_, surveyErr := b.surveyor().Survey(b.t.Context())
	taken := account
	taken.Access = access(b.readers)
	taken.Access["adopt"], taken.Access["on_revoke"] = nhi.Text(account.Principal), nhi.Text("disable")
	for name, err := range map[string]error{
		"appraise": appraiseErr, "survey": surveyErr, "release": b.release(taken).Err, "take over": b.prepare(taken).Err,
		"enable what was taken over": b.enable(taken).Err, "shut": b.revoke(taken).Err, "read": readErr, "list": listErr, "prepare": b.prepare(account).Err, "enable": b.enable(account).Err,
		"revoke": b.revoke(account).Err, "probe": b.probe(account).Err, "issue": issueErr,
		"withdraw": issuer(b.t, b.system).Withdraw(b.t.Context(), account, account.Principal+"-zzzzzzzz"),
	} {
		b.mustBeUnreachable(what+": "+name, err, passwords...)
	}
}

func (b *bench) mustBeUnreachable(what string, err error, passwords ...string) {
	b.t.Helper()
	if !errors.Is(err, nhi.ErrUnreachable) {
		b.t.Errorf("%s: %v, want ErrUnreachable", what, err)
		return
	}
	for _, password := range append(passwords, b.Password()) {
		if strings.Contains(err.Error(), password) {
			b.t.Errorf("%s: the error holds a password", what)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		b.t.Errorf("%s: the error has more than one line: %q", what, err)
	}
}

func TestServerDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.PrivatePostgres(t))
	account := b.active()
	b.Stop()
	b.allUnreachable("stopped", account)
	b.Start()
	if seen := b.observe(account); seen.State != connector.Active || len(seen.Findings) > 0 {
		t.Errorf("after the restart: %s %q", seen.State, seen.Findings)
	}
	if outcome := b.revoke(account); outcome.Err != nil {
		t.Errorf("revoke after the restart: %v", outcome.Err)
	}
}

func TestRefusedAdmin(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	weak := b.Prefix() + "weak"
	b.Exec("CREATE ROLE " + weak + " LOGIN PASSWORD 'weak-pw'")

	b.system = b.open(b.UserURL("nhi_admin", "wrong-pw"))
	b.allUnreachable("wrong password", account, "wrong-pw")

	b.system = b.open(strings.Replace(b.URL(""), b.Database(), "no_such_database", 1))
	b.allUnreachable("no such database", account)

	b.system = b.open(b.UserURL(weak, "weak-pw"))
	for name, outcome := range map[string]connector.Outcome{
		"prepare": b.prepare(b.account()), "revoke": b.revoke(account), "enable": b.enable(b.withNarrowerEnd(account)),
	} {
		b.mustBeUnreachable("no rights: "+name, outcome.Err, "weak-pw")
		if !strings.Contains(outcome.Err.Error(), "CREATEROLE") {
			t.Errorf("%s does not say which right is missing: %v", name, outcome.Err)
		}
	}
	if seen := b.observe(account); seen.State != connector.Active || len(seen.Findings) > 0 {
		t.Errorf("the account was changed: %s %q", seen.State, seen.Findings)
	}
}

func (b *bench) withNarrowerEnd(account connector.Account) connector.Account {
	account.NotAfter = account.NotAfter.Add(-time.Minute)
	return account
}

// TestReadOnlyByDefault: a database that is careful by default still takes a
// removal.
func TestReadOnlyByDefault(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	// Our transactions ask for READ WRITE, so the default alone changes nothing.
	b.Exec("ALTER DATABASE " + b.Database() + " SET default_transaction_read_only = on")
	b.system = b.open(b.URL(""))
	if outcome := b.revoke(account); outcome.Err != nil {
		t.Errorf("revoke: %v", outcome.Err)
	}
}

// TestDeadlineIsHonoured: somebody holds the lock under which roles change.
func TestDeadlineIsHonoured(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.account()
	holder := b.login(connector.Credential{Values: map[string]nhi.Secret{"url": nhi.NewSecret(b.URL(""))}})
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(0x6e6869726f6c65)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	outcome := b.system.Prepare(ctx, []connector.Account{account})[0]
	b.mustBeUnreachable("prepare", outcome.Err)
	if !errors.Is(outcome.Err, context.DeadlineExceeded) {
		t.Errorf("prepare: %v, want the deadline in it", outcome.Err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a call with 300 ms took %s", took)
	}
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if outcome := b.prepare(account); outcome.Err != nil {
		t.Errorf("prepare when the lock is free: %v", outcome.Err)
	}
}

// TestEnvironmentDoesNotLeak: not parallel, since the environment belongs to
// the process.
func TestEnvironmentDoesNotLeak(t *testing.T) {
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".postgresql"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"root.crt", "postgresql.crt", "postgresql.key"} {
		if err := os.WriteFile(filepath.Join(home, ".postgresql", name), []byte("no certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	services := filepath.Join(home, "services")
	if err := os.WriteFile(services, []byte("[other]\nhost=192.0.2.1\nuser=mallory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"HOME": home, "PGHOST": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "elsewhere", "PGUSER": "mallory", "PGPASSWORD": "from-env",
		"PGPASSFILE": "/dev/null", "PGAPPNAME": "leaked", "PGCONNECT_TIMEOUT": "x", "PGSSLMODE": "verify-full", "PGSSLKEY": "/x",
		"PGSSLCERT": "/x", "PGSSLCERTMODE": "require", "PGSSLSNI": "0", "PGSSLROOTCERT": "/x", "PGSSLPASSWORD": "x",
		"PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "standby", "PGSERVICE": "missing", "PGSERVICEFILE": services,
		"PGTZ": "Mars/Olympus", "PGOPTIONS": "-c default_transaction_read_only=on", "PGMINPROTOCOLVERSION": "9", "PGMAXPROTOCOLVERSION": "9",
		"PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none",
	} {
		t.Setenv(name, value)
	}
	b.system = b.open(b.URL(""))
	if seen := b.observe(account); seen.State != connector.Active {
		t.Errorf("read: %s", seen.State)
	}
	if outcome := b.revoke(account); outcome.Err != nil {
		t.Errorf("revoke: %v", outcome.Err)
	}
	if strings.Contains(b.StatementLog(), "leaked") {
		t.Error("the environment reached the server")
	}
}
