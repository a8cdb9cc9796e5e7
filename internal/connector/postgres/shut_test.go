package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestShutRole: sessions, logins, password, roles and members are gone, what it
// owns stays, and it carries the comment that it had.
func TestShutRole(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.existing("svc", "")
	b.Exec("COMMENT ON ROLE " + account.Principal + " IS 'owner ana@example.com'")
	account = b.take(account)
	b.Exec("CREATE TABLE its (n int); ALTER TABLE its OWNER TO " + account.Principal)
	credential := b.issue(account, account.NotAfter)
	own, issued := b.loggedIn(account.Principal), b.login(credential)
	outcome := b.revoke(account)
	if outcome.Err != nil || outcome.State != connector.Released || !outcome.Verified || len(outcome.Privileges) > 0 {
		t.Fatalf("revoke: %s %q %q, %v", outcome.State, outcome.Privileges, outcome.Findings, outcome.Err)
	}
	if own.Ping(t.Context()) == nil || issued.Ping(t.Context()) == nil || b.roleExists(credential.Handle) || b.letsIn(account.Principal) {
		t.Error("a session or a login lives on")
	}
	got := b.Query(`SELECT rolcanlogin, rolpassword IS NULL, rolvaliduntil, shobj_description(oid, 'pg_authid'),
		(SELECT count(*) FROM pg_auth_members m WHERE a.oid IN (m.member, m.roleid)) FROM pg_authid a WHERE rolname = $1`, account.Principal)[0]
	if want := []string{"f", "t", "-infinity", "owner ana@example.com", "0"}; !slices.Equal(got, want) {
		t.Errorf("shut as %q, want %q", got, want)
	}
	if got := b.Query("SELECT tableowner FROM pg_tables WHERE tablename = 'its'")[0][0]; got != account.Principal {
		t.Errorf("what it owned belongs to %s", got)
	}
	if seen := b.observe(account); seen.State == connector.Active || len(seen.Privileges) > 0 {
		t.Errorf("read: %s %q", seen.State, seen.Privileges)
	}
	b.changedNothing(func() {
		if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Released {
			t.Errorf("revoke again: %s, %v", outcome.State, outcome.Err)
		}
		if outcome := b.release(account); outcome.Err != nil || outcome.State != connector.Released {
			t.Errorf("release: %s, %v", outcome.State, outcome.Err)
		}
	})
	// Opened by hand: a revocation that is asked for again shuts it again.
	b.Exec("ALTER ROLE " + account.Principal + " LOGIN PASSWORD 'always had it' VALID UNTIL 'infinity'")
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Released || b.letsIn(account.Principal) {
		t.Errorf("revoke of an opened role: %s, %v", outcome.State, outcome.Err)
	}
	// It can be taken over again, without a login of its own.
	b.Exec("DROP TABLE its")
	again := b.takingOver(account.Principal, "delete")
	again = b.take(again)
	if b.letsIn(again.Principal) || !canRead(t, b.issue(again, again.NotAfter).Values["url"].Reveal(), "orders") {
		t.Error("taken over again, it can log in, or its credentials cannot")
	}
}

// TestKilledTakeover: the run was killed after Prepare, before it recorded what
// came back, or after.
func TestKilledTakeover(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	for name, recorded := range map[string]bool{"recorded": true, "lost": false} {
		kill := func(suffix string) connector.Account {
			account := b.existing(name+suffix, "CREATEDB")
			prepared := b.prepare(account)
			if prepared.Err != nil {
				t.Fatal(prepared.Err)
			}
			if recorded {
				account.Evidence = prepared.Evidence
			}
			return account
		}
		account := kill("-released")
		if outcome := b.release(account); outcome.Err != nil || outcome.State != connector.Released || recorded && len(outcome.Findings) > 0 {
			t.Errorf("%s: release: %s %q, %v", name, outcome.State, outcome.Findings, outcome.Err)
		}
		if got := b.Query("SELECT rolcreatedb, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", account.Principal)[0]; got[0] != "t" || got[1] != "" {
			t.Errorf("%s: released as %q", name, got)
		}
		account = kill("-revoked")
		if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Released || b.letsIn(account.Principal) {
			t.Errorf("%s: revoke: %s, %v", name, outcome.State, outcome.Err)
		}
		account = kill("-enabled")
		account = b.take(account)
		if !b.letsIn(account.Principal) {
			t.Errorf("%s: enabled, and it cannot log in", name)
		}
		if outcome := b.release(account); outcome.Err != nil || len(outcome.Findings) > 0 || !b.letsIn(account.Principal) {
			t.Errorf("%s: release after enable: %q, %v", name, outcome.Findings, outcome.Err)
		}
	}
}

// TestReleaseSaysWhatItCannotGiveBack: what is gone meanwhile.
func TestReleaseSaysWhatItCannotGiveBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	extra := b.Prefix() + "extra"
	account := b.existing("svc", "")
	b.Exec("CREATE ROLE " + extra + "; GRANT " + extra + " TO " + account.Principal)
	account = b.take(account)
	credential := b.issue(account, account.NotAfter)
	b.Exec("DROP ROLE " + extra)
	if outcome := b.release(account); outcome.Err != nil || outcome.State != connector.Released || !hasFinding(outcome.Findings, extra) {
		t.Errorf("release: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
	}
	if b.roleExists(credential.Handle) || !b.letsIn(account.Principal) {
		t.Error("a credential was left, or the role cannot log in")
	}
	b.Exec("DROP ROLE " + account.Principal)
	if outcome := b.release(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("release of what is gone: %s, %v", outcome.State, outcome.Err)
	}
	ours := b.active()
	b.changedNothing(func() {
		if outcome := b.release(ours); !errors.Is(outcome.Err, nhi.ErrInvalid) {
			t.Errorf("release of what was never taken over: %s, %v", outcome.State, outcome.Err)
		}
	})
}

// TestLongNameHasNoRoomForCredentials, and says so.
func TestLongNameHasNoRoomForCredentials(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.take(b.existing(strings.Repeat("x", 63-len(b.Prefix())), ""))
	if _, err := issuer(t, b.system).Issue(t.Context(), account, time.Now().Add(time.Minute), nil); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("issue: %v, want ErrInvalid", err)
	}
}
