package postgres_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// owner returns who owns a table.
func (b *bench) owner(table string) string {
	b.t.Helper()
	return b.Query("SELECT tableowner FROM pg_tables WHERE tablename = $1", table)[0][0]
}

// withHeir gives the bench a system that hands things over, and makes the heir.
func (b *bench) withHeir(url string) string {
	b.t.Helper()
	heir := b.Prefix() + `heir"s`
	b.Exec("CREATE ROLE " + quote(heir))
	b.system = b.openWith(url, heir)
	return heir
}

// TestRevokeHandsOver: tables, schemas and functions go to the heir with what is
// in them; privileges, also by default, go away.
func TestRevokeHandsOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	heir := b.withHeir(b.URL(""))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	login, role := quote(credential.Handle), quote(account.Principal)
	b.Exec("CREATE TABLE by_account AS SELECT 7 AS n; ALTER TABLE by_account OWNER TO " + role +
		"; CREATE TABLE by_login AS SELECT 8 AS n; ALTER TABLE by_login OWNER TO " + login +
		"; CREATE SCHEMA its AUTHORIZATION " + role + "; GRANT SELECT ON orders TO " + login +
		"; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO " + role +
		"; ALTER DEFAULT PRIVILEGES FOR ROLE " + role + " GRANT SELECT ON TABLES TO PUBLIC")
	outcome := b.revoke(account)
	if outcome.Err != nil || outcome.State != connector.Absent || !outcome.Verified {
		t.Fatalf("revoke: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
	}
	for table, want := range map[string]string{"by_account": "7", "by_login": "8"} {
		if got := b.owner(table); got != heir {
			t.Errorf("%s belongs to %s, want %s", table, got, heir)
		}
		if got := b.Query("SELECT n FROM " + table)[0][0]; got != want {
			t.Errorf("%s holds %s, want %s", table, got, want)
		}
	}
	if b.roleExists(account.Principal) || b.roleExists(credential.Handle) {
		t.Error("a role is left")
	}
}

// TestOtherDatabasesAreNotHandedOver: they are named, the rest is settled.
func TestOtherDatabasesAreNotHandedOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	elsewhere := testserver.Postgres(t)
	heir := b.withHeir(b.URL(""))
	account := b.active()
	own := "CREATE TABLE its (n int); ALTER TABLE its OWNER TO " + quote(account.Principal)
	b.Exec(own)
	elsewhere.Exec(own)
	outcome := b.revoke(account)
	want := "role " + account.Principal + " owns 1 objects in database " + elsewhere.Database()
	if !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || !strings.Contains(outcome.Err.Error(), want) || strings.Contains(outcome.Err.Error(), "table its") {
		t.Errorf("revoke: %v, want %q alone", outcome.Err, want)
	}
	if got := b.owner("its"); got != heir {
		t.Errorf("the table belongs to %s, want %s", got, heir)
	}
	elsewhere.Exec("DROP TABLE its")
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke after settling: %s, %v", outcome.State, outcome.Err)
	}
}

// TestHeirThatWouldGainPower: a SECURITY DEFINER function runs as its owner, so
// it must not become a superuser's, or the admin's own.
func TestHeirThatWouldGainPower(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	p := b.Prefix()
	b.Exec("CREATE ROLE " + p + "super SUPERUSER; CREATE ROLE " + p + "hides; GRANT " + p + "super TO " + p + "hides")
	ours, account := b.active(), b.active()
	b.Exec("CREATE FUNCTION trap() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT'; ALTER FUNCTION trap() OWNER TO " + quote(account.Principal))
	for _, heir := range []string{p + "super", p + "hides", "nhi_admin", ours.Principal, account.Principal, p + "missing"} {
		b.system = b.openWith(b.URL(""), heir)
		outcome := b.revoke(account)
		if !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || !strings.Contains(outcome.Err.Error(), "reassign_owned_to") {
			t.Errorf("revoke with %s as heir: %s, %v, want ErrUnconfirmed", heir, outcome.State, outcome.Err)
		}
		if got := b.Query("SELECT proowner::regrole FROM pg_proc WHERE proname = 'trap'")[0][0]; got != quote(account.Principal) {
			t.Errorf("the function belongs to %s", got)
		}
	}
}

// TestHandoverWithoutSuperuser: CREATEROLE is enough, and no membership stays.
func TestHandoverWithoutSuperuser(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	admin := b.Prefix() + "admin"
	b.Exec("CREATE ROLE " + admin + " LOGIN CREATEROLE PASSWORD 'pw'; GRANT pg_signal_backend TO " + admin +
		"; GRANT " + b.readers + " TO " + admin + " WITH ADMIN OPTION")
	heir := b.withHeir(b.UserURL(admin, "pw"))
	b.Exec("GRANT CREATE ON SCHEMA public TO " + quote(heir))
	account := b.active()
	b.Exec("CREATE TABLE its (n int); ALTER TABLE its OWNER TO " + quote(account.Principal))
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Fatalf("revoke: %s, %v", outcome.State, outcome.Err)
	}
	taken := b.existing("svc", "CREATEDB")
	b.Exec("CREATE TABLE old (n int); ALTER TABLE old OWNER TO " + taken.Principal + "; GRANT INSERT ON orders TO " + taken.Principal)
	taken = b.prepared(taken)
	outcome := b.enable(taken)
	if want := "holds privileges on table orders"; outcome.Err == nil || !strings.Contains(outcome.Err.Error(), want) || strings.Contains(outcome.Err.Error(), "table old") {
		t.Errorf("enable: %v, want %q alone", outcome.Err, want)
	}
	if b.owner("old") != taken.Principal || !b.letsIn(taken.Principal) {
		t.Errorf("after a handover that failed the table belongs to %s, logs in %v", b.owner("old"), b.letsIn(taken.Principal))
	}
	b.Exec("REVOKE INSERT ON orders FROM " + taken.Principal)
	_ = b.take(taken)
	for _, table := range []string{"its", "old"} {
		if got := b.owner(table); got != heir {
			t.Errorf("%s belongs to %s, want %s", table, got, heir)
		}
	}
	held := b.Query("SELECT string_agg(roleid::regrole::text, ',' ORDER BY 1) FROM pg_auth_members WHERE member = $1::regrole", admin)[0][0]
	if held != "pg_signal_backend,"+b.readers {
		t.Errorf("the admin is a member of %s", held)
	}
}

// TestTakeoverHandsOver: what the role owned and was given goes at Enable; a
// session that goes on making tables loses none of them.
func TestTakeoverHandsOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.existing("svc", "")
	b.Exec("CREATE TABLE its AS SELECT 7 AS n; ALTER TABLE its OWNER TO " + account.Principal + "; GRANT INSERT ON orders TO " + account.Principal +
		"; CREATE SCHEMA busy AUTHORIZATION " + account.Principal)
	b.changedNothing(func() {
		outcome := b.prepare(account)
		for _, want := range []string{"owns table its", "owns schema busy", "holds privileges on table orders", "reassign_owned_to"} {
			if outcome.Err == nil || !strings.Contains(outcome.Err.Error(), want) {
				t.Errorf("prepare without an heir: %v, want %q in it", outcome.Err, want)
			}
		}
	})
	heir := b.withHeir(b.URL(""))
	session := b.loggedIn(account.Principal)
	made := make(chan int)
	go func() {
		n := 0
		for ; n < 1000; n++ {
			if _, err := session.Exec(t.Context(), "CREATE TABLE busy.t"+strings.Repeat("x", n%50)+" AS SELECT 1; ALTER TABLE busy.t"+
				strings.Repeat("x", n%50)+" RENAME TO made_"+strconv.Itoa(n)); err != nil {
				break
			}
		}
		made <- n
	}()
	account = b.take(account)
	if got, want := b.Query("SELECT count(*) FROM pg_tables WHERE schemaname = 'busy' AND tableowner = $1", heir)[0][0], strconv.Itoa(<-made); got != want {
		t.Errorf("%s of %s tables are there and belong to %s", got, want, heir)
	}
	if b.owner("its") != heir || !b.letsIn(account.Principal) {
		t.Errorf("its table belongs to %s, logs in %v", b.owner("its"), b.letsIn(account.Principal))
	}
	if canRead(t, b.UserURL(account.Principal, "always had it"), "its") {
		t.Error("it can still read what it owned")
	}
	// Later tables are its own, and a repair leaves them; what it was given
	// meanwhile goes.
	b.Exec("CREATE TABLE later (n int); ALTER TABLE later OWNER TO " + account.Principal)
	if account = b.take(account); b.owner("later") != account.Principal {
		t.Errorf("a later table belongs to %s", b.owner("later"))
	}
	b.Exec("GRANT INSERT ON orders TO " + account.Principal)
	if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 || !b.letsIn(account.Principal) {
		t.Errorf("enable: %q, %v", outcome.Findings, outcome.Err)
	}
	outcome := b.release(account)
	if outcome.Err != nil || !hasFinding(outcome.Findings, "belong to another role now") || !hasFinding(outcome.Findings, "were taken away") {
		t.Errorf("release: %q, %v", outcome.Findings, outcome.Err)
	}
}

// TestTakeoverNamesOtherDatabases, where nothing can be handed over from here.
func TestTakeoverNamesOtherDatabases(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	elsewhere := testserver.Postgres(t)
	b.withHeir(b.URL(""))
	account := b.existing("svc", "")
	elsewhere.Exec("CREATE TABLE its (n int); ALTER TABLE its OWNER TO " + account.Principal)
	b.changedNothing(func() {
		want := "owns 1 objects in database " + elsewhere.Database()
		if outcome := b.prepare(account); outcome.Err == nil || !strings.Contains(outcome.Err.Error(), want) {
			t.Errorf("prepare: %v, want %q", outcome.Err, want)
		}
	})
}

// TestEndpointIsWithoutHeir: who gets what is left is no other place.
func TestEndpointIsWithoutHeir(t *testing.T) {
	t.Parallel()
	with := settings("postgres://a:b@db.example.com/shop")
	with.Values["reassign_owned_to"] = nhi.Text("owner")
	if got, err := postgres.Kind().Endpoint(with); err != nil || got != "db.example.com:5432/shop" {
		t.Errorf("endpoint %q, %v", got, err)
	}
}
