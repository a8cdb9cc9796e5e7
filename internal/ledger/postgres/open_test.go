package postgres_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// Without Create nothing is made, with it the table is made once, whoever else
// does the same.
func TestOpenCreates(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	there := func() string { return server.Query("SELECT count(*) FROM pg_class WHERE relname = 'nhi_ledger'")[0][0] }
	if _, err := opens(server.URL(""), "", false); !errors.Is(err, ledger.ErrNoLedger) || !strings.Contains(err.Error(), "nhi init") {
		t.Errorf("%v, want ErrNoLedger and `nhi init`", err)
	}
	if there() != "0" {
		t.Error("opening made a table")
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			store, err := opens(server.URL(""), "", true)
			if err != nil {
				t.Error(err)
				return
			}
			if err := store.Create(t.Context(), "root/00000001", []byte("x")); err != nil && !errors.Is(err, ledger.ErrExists) {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys, err := connect(t, server.URL(""), "public.nhi_ledger").List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("%q, %v", keys, err)
	}
	// What the guide says may be run later, and again.
	for range 2 {
		guarding.Lock()
		server.Exec(postgres.Kind().Guard(settings("", "")))
		guarding.Unlock()
	}
	if keys, err := connect(t, server.URL(""), "").List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("after the guard: %q, %v", keys, err)
	}
	if _, err := opens(server.URL(""), "missing.nhi_ledger", true); err == nil || errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("a schema that is not there: %v", err)
	}
}

// A table of another program, or of ours and changed, is refused as it is, and
// left as it is.
func TestOthersTables(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	const ours = `CREATE TABLE t (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL)`
	const trigger = `; CREATE FUNCTION t_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
		CREATE TRIGGER t_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION t_append_only()`
	const always = "; ALTER TABLE t ENABLE ALWAYS TRIGGER t_append_only"
	for name, c := range map[string]struct{ sql, want string }{
		"other columns":         {"CREATE TABLE t (id int)", "another program's"},
		"one column more":       {strings.Replace(ours, ")", ", x int)", 1), "another program's"},
		"a value that may lack": {strings.Replace(ours, "bytea NOT NULL", "bytea", 1), "another program's"},
		"another order of keys": {strings.Replace(ours, `COLLATE "C"`, "", 1), "another program's"},
		"keys more than once":   {strings.Replace(ours, "PRIMARY KEY", "NOT NULL", 1), "another program's"},
		"lost at a crash":       {strings.Replace(ours, "CREATE", "CREATE UNLOGGED", 1), "another program's"},
		"hidden rows":           {ours + trigger + always + "; ALTER TABLE t ENABLE ROW LEVEL SECURITY", "another program's"},
		"a view":                {`CREATE VIEW t AS SELECT '' COLLATE "C" AS key, ''::bytea AS value`, "another program's"},
		"no trigger":            {ours, "not append-only"},
		"a trigger for some":    {ours + trigger, "not append-only"},
		"a trigger turned off":  {ours + trigger + always + "; ALTER TABLE t DISABLE TRIGGER t_append_only", "not append-only"},
		"a trigger for less":    {strings.Replace(ours+trigger+always, " OR TRUNCATE", "", 1), "not append-only"},
		"as it should be":       {ours + trigger + always, ""},
	} {
		server.Exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public; " + c.sql)
		for _, create := range []bool{false, true} {
			store, err := opens(server.URL(""), "t", create)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ledger.ErrNoLedger)):
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			if err == nil {
				_ = store.Close()
			}
		}
	}
	if log := server.StatementLog(); strings.Contains(log, "CREATE TABLE IF NOT EXISTS") {
		t.Error("a table was made where there was one")
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	check := postgres.Kind().Settings[1].Check
	for _, name := range []string{
		"", ".", "a.", ".a", "a.b.c", "A", "a-b", "a b", `a"b`, `"a"`, "a;b", "a; DROP TABLE b", "a'b", "1a", "é", "a\x00", "pg_catalog.a", "pg_toast.a",
		"information_schema.a", strings.Repeat("a", 41), strings.Repeat("a", 64) + ".a", "a\n",
	} {
		if err := check(name); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("check %q: %v, want ErrInvalid", name, err)
		}
		if name == "" {
			continue // the default
		}
		if _, err := opens("postgres://a:s3cr3t@127.0.0.1:1/d", name, true); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("open %q: %v, want ErrInvalid", name, err)
		}
		if text := postgres.Kind().Guard(settings("", name)); text != "" {
			t.Errorf("guard of %q: %s", name, text)
		}
	}
	for _, name := range []string{"nhi_ledger", "a.b", "_", strings.Repeat("a", 63) + "." + strings.Repeat("b", 40), "select.from"} {
		if err := check(name); err != nil {
			t.Errorf("check %q: %v", name, err)
		}
	}
	// Words of SQL are names like others.
	server := testserver.Postgres(t)
	server.Exec(`CREATE SCHEMA "select"`)
	store, err := opens(server.URL(""), "select.from", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), "a/1", nil); err != nil {
		t.Error(err)
	}
	_ = store.Close()
}

// Whatever is wrong with the way to the server, its password is in no error.
func TestNoPasswordInErrors(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-pass"
	server := testserver.Postgres(t)
	url, table := guarded(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	garbage := through(t, url, func(said []byte) int { copy(said, "<html>garbage"); return len(said) })
	for name, bad := range map[string]string{
		"refused":    "postgres://a:" + secret + "@" + closed + "/d?sslmode=disable",
		"no login":   server.UserURL("nobody", secret),
		"wrong":      server.UserURL(table+"_login", secret),
		"no TLS":     strings.Replace(strings.Replace(url, "disable", "require", 1), ":pw@", ":"+secret+"@", 1),
		"no CA":      strings.Replace(strings.Replace(url, "disable", "verify-full&sslrootcert=/no/such", 1), ":pw@", ":"+secret+"@", 1),
		"prefer":     "postgres://a:" + secret + "@h/d?sslmode=prefer",
		"two hosts":  "postgres://a:" + secret + "@h1,h2/d",
		"no URL":     "host=h password=" + secret,
		"garbage":    strings.Replace(garbage, ":pw@", ":"+secret+"@", 1),
		"no storage": strings.Replace(server.UserURL(table+"_login", secret), server.Database(), "missing", 1),
	} {
		if _, err := opens(bad, table, true); err == nil || errors.Is(err, ledger.ErrNoLedger) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The guide shows what is in force: the very text of the guard.
func TestGuideShowsTheGuard(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../templates/guides/ledger-postgres.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guide), "```sql\n"+postgres.Kind().Guard(settings("", ""))+"```\n") {
		t.Error("templates/guides/ledger-postgres.md.tmpl does not show the guard as it is")
	}
}
