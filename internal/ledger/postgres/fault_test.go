package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// execute runs one statement as somebody.
func execute(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	results := conn.PgConn().Exec(t.Context(), sql)
	_, err = results.ReadAll()
	return err
}

// The record cannot be changed by statements: not by a writer, who has no
// right to, and not by a superuser, whom the trigger stops.
func TestInsertOnly(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	url, table := guarded(server)
	store := connect(t, url, table)
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("first")); err != nil {
		t.Fatal(err)
	}
	statements := []string{
		"UPDATE LEDGER SET value = 'x'", "UPDATE LEDGER SET value = 'x' WHERE false", "UPDATE LEDGER SET key = 'x'",
		"DELETE FROM LEDGER", "DELETE FROM LEDGER WHERE false", "TRUNCATE LEDGER",
		"INSERT INTO LEDGER (key, value) VALUES ('grant/a/00000001', 'x') ON CONFLICT (key) DO UPDATE SET value = 'x'",
		"WITH gone AS (DELETE FROM LEDGER RETURNING key) SELECT * FROM gone",
		"MERGE INTO LEDGER USING (SELECT 1) one ON true WHEN MATCHED THEN DELETE",
	}
	structural := []string{
		"DROP TABLE LEDGER", "ALTER TABLE LEDGER DISABLE TRIGGER ALL", "DROP TRIGGER LEDGER_append_only ON LEDGER",
		"CREATE OR REPLACE FUNCTION LEDGER_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
		"CREATE RULE r AS ON INSERT TO LEDGER DO INSTEAD NOTHING", "ALTER TABLE LEDGER OWNER TO CURRENT_USER",
		"CREATE TABLE child () INHERITS (LEDGER)", "SET session_replication_role = replica; DELETE FROM LEDGER",
	}
	for _, sql := range statements {
		sql = strings.ReplaceAll(sql, "LEDGER", table)
		for who, run := range map[string]string{
			"writer": url, "superuser": server.URL(""), "superuser who turns triggers off": server.URL(""),
		} {
			prefix := ""
			if strings.HasSuffix(who, "off") {
				prefix = "SET session_replication_role = replica; "
			}
			err := execute(t, run, prefix+sql)
			if err == nil || !strings.Contains(err.Error(), "append-only") && !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s: %s: %v", who, sql, err)
			}
		}
	}
	for _, sql := range structural {
		if err := execute(t, url, strings.ReplaceAll(sql, "LEDGER", table)); err == nil {
			t.Errorf("writer: %s: done", sql)
		}
	}
	value, err := store.Get(t.Context(), "grant/a/00000001")
	if keys, _ := store.List(t.Context(), ""); err != nil || string(value) != "first" || len(keys) != 1 {
		t.Errorf("now %q, %q, %v", keys, value, err)
	}
}

// Whoever may only read reads, and is told so when they write.
func TestReader(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	url, table := guarded(server)
	if err := connect(t, url, table).Create(t.Context(), "grant/a/00000001", []byte("first")); err != nil {
		t.Fatal(err)
	}
	server.Exec(fmt.Sprintf("CREATE ROLE %[1]s_auditor LOGIN PASSWORD 'pw'; GRANT %[1]s_reader TO %[1]s_auditor", table))
	store := connect(t, server.UserURL(table+"_auditor", "pw"), table)
	if value, err := store.Get(t.Context(), "grant/a/00000001"); err != nil || string(value) != "first" {
		t.Errorf("%q, %v", value, err)
	}
	for _, key := range []string{"grant/a/00000001", "grant/a/00000002"} {
		if err := store.Create(t.Context(), key, nil); err == nil || errors.Is(err, ledger.ErrExists) || !strings.Contains(err.Error(), "grants") {
			t.Errorf("create %s: %v", key, err)
		}
	}
}

// The answer to an INSERT is lost, before it or in the middle of it: that is no
// success, and reading finds the entry.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	url, table := guarded(testserver.Postgres(t))
	inserted := []byte("INSERT 0 1\x00")
	for name, cut := range map[string]func(said []byte) int{
		"all of it": func([]byte) int { return 0 },
		// The server says that it has inserted before it has committed.
		"behind the tag": func(said []byte) int { return bytes.Index(said, inserted) + len(inserted) },
	} {
		var once sync.Once
		lossy := through(t, url, func(said []byte) int {
			end := -1
			if bytes.Contains(said, inserted) {
				once.Do(func() { end = cut(said) })
			}
			return end
		})
		store, key := connect(t, lossy, table), "grant/"+strings.ReplaceAll(name, " ", "-")+"/00000001"
		if err := store.Create(t.Context(), key, []byte("first")); err == nil || errors.Is(err, ledger.ErrExists) {
			t.Errorf("%s: %v, want an error", name, err)
		}
		if value, err := store.Get(t.Context(), key); err != nil || string(value) != "first" {
			t.Errorf("%s: get: %q, %v", name, value, err)
		}
		if err := store.Create(t.Context(), key, []byte("second")); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("%s: create again: %v, want ErrExists", name, err)
		}
	}
}

// All sessions end, as when the server starts again: whoever reads does not
// notice, and whoever writes after that neither.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	url, table := guarded(server)
	store := connect(t, url, table)
	everyConnection(t, server, store, url, table)
	for i := range 5 {
		key := fmt.Sprintf("grant/a/%08d", i+1)
		server.Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", table+"_login")
		if _, err := store.Now(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := store.Create(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
		server.Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", table+"_login")
		if _, err := store.Get(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

// everyConnection has the store open all the connections that it may have.
func everyConnection(t *testing.T, server *testserver.PostgresServer, store ledger.Store, url, table string) {
	t.Helper()
	const most = 4
	commit := held(t, url, table, "grant/held/00000001")
	var wg sync.WaitGroup
	for range most {
		wg.Go(func() {
			if err := store.Create(t.Context(), "grant/held/00000001", nil); !errors.Is(err, ledger.ErrExists) {
				t.Errorf("%v, want ErrExists", err)
			}
		})
	}
	waiting(t, server, most)
	commit()
	wg.Wait()
}

// held is another writer, who has inserted a key and not committed.
func held(t *testing.T, url, table, key string) (commit func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "INSERT INTO public."+table+" (key, value) VALUES ($1, 'held')", key); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(tx.Commit(t.Context()), conn.Close(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// waiting returns when so many sessions wait for another one.
func waiting(t *testing.T, server *testserver.PostgresServer, sessions int) {
	t.Helper()
	testserver.Wait(t, wait, "writers wait for another one", func() bool {
		return server.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")[0][0] == strconv.Itoa(sessions)
	})
}

// A write that waits for another one ends with its context, and is not done.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	url, table := guarded(server)
	store := connect(t, url, table)
	commit := held(t, url, table, "a/1")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- store.Create(ctx, "a/1", []byte("y")) }()
	waiting(t, server, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrExists) {
		t.Errorf("%v, want context.Canceled", err)
	}
	commit()
	if err := store.Create(t.Context(), "a/2", nil); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// The defaults of a role, a database and the server change nothing: entries are
// synced to disk, and of two writers one is told that it came late.
func TestDefaultsOfOthers(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	url, table := guarded(server)
	server.Exec(fmt.Sprintf(`CREATE TABLE seen (how text, key text); GRANT INSERT ON seen TO PUBLIC;
		CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO public.seen VALUES (current_setting('synchronous_commit'), NEW.key); RETURN NEW; END $$;
		CREATE TRIGGER see BEFORE INSERT ON %[1]s FOR EACH ROW EXECUTE FUNCTION see();
		CREATE SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO PUBLIC; CREATE TABLE elsewhere.%[1]s (key text, value bytea);
		ALTER ROLE %[1]s_login SET search_path = elsewhere; ALTER ROLE %[1]s_login SET bytea_output = escape;
		ALTER ROLE %[1]s_login SET client_encoding = LATIN1; ALTER ROLE %[1]s_login SET DateStyle = German;
		ALTER ROLE %[1]s_login SET synchronous_commit = off; ALTER ROLE %[1]s_login SET default_transaction_isolation = serializable`, table))
	store := connect(t, url, table)
	// Where transactions are serializable, a second writer is at first told that
	// its own could not be put in order.
	commit, result := held(t, url, table, "held/1"), make(chan error, 1)
	go func() { result <- store.Create(t.Context(), "held/1", nil) }()
	waiting(t, server, 1)
	commit()
	if err := <-result; !errors.Is(err, ledger.ErrExists) {
		t.Errorf("the second writer: %v, want ErrExists", err)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			switch err := store.Create(t.Context(), "日本/1", []byte{byte(i), 0, 0xff, '\\'}); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ledger.ErrExists):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	value, err := store.Get(t.Context(), "日本/1")
	if won.Load() != 1 || err != nil || len(value) != 4 || value[3] != '\\' {
		t.Errorf("%d winners, %q, %v", won.Load(), value, err)
	}
	if keys, err := store.List(t.Context(), "日"); err != nil || len(keys) != 1 || keys[0] != "日本/1" {
		t.Errorf("%q, %v", keys, err)
	}
	if how := server.Query("SELECT DISTINCT how FROM seen WHERE key <> 'held/1'"); len(how) != 1 || how[0][0] != "on" {
		t.Errorf("synchronous_commit was %v", how)
	}
	if now, err := store.Now(t.Context()); err != nil || time.Since(now).Abs() > time.Minute {
		t.Errorf("%s, %v", now, err)
	}
}
