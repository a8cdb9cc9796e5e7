package local

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func opened(t *testing.T) *Store {
	t.Helper()
	store, err := Open(t.TempDir(), time.Now, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestInsertOnly(t *testing.T) {
	t.Parallel()
	store := opened(t)
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("first")); err != nil {
		t.Fatal(err)
	}
	statements := []string{
		"UPDATE entry SET value = x'00'",
		"UPDATE entry SET key = 'other'",
		"DELETE FROM entry",
		"DELETE FROM entry WHERE key LIKE 'grant/%'",
		"INSERT OR REPLACE INTO entry (key, value) VALUES ('grant/a/00000001', x'00')",
		"INSERT INTO entry (key, value) VALUES ('grant/a/00000001', x'00') ON CONFLICT DO UPDATE SET value = x'00'",
		"UPDATE OR REPLACE entry SET key = 'grant/a/00000001'",
		"INSERT INTO entry (key, value) VALUES (NULL, x'00')",
		"INSERT INTO entry (key, value) VALUES ('x', NULL)",
		"INSERT INTO entry (key, value) VALUES ('x', 'text')",
	}
	for _, statement := range statements {
		_, err := store.db.ExecContext(t.Context(), statement)
		if err != nil && !strings.Contains(err.Error(), "append-only") && !strings.Contains(err.Error(), "constraint") {
			t.Errorf("%s: %v", statement, err)
		}
		value, err := store.Get(t.Context(), "grant/a/00000001")
		if keys, _ := store.List(t.Context(), ""); err != nil || string(value) != "first" || len(keys) != 1 {
			t.Errorf("%s: now %q, %q, %v", statement, keys, value, err)
		}
	}
}

// Each query walks an index: the cost of one chain does not grow with others.
func TestQueriesUseTheIndex(t *testing.T) {
	t.Parallel()
	store := opened(t)
	plans := map[string]string{
		"SELECT key FROM entry WHERE key >= 'a' AND key < 'b' ORDER BY key": "SEARCH entry USING COVERING INDEX",
		"SELECT value FROM entry WHERE key = 'a'":                           "SEARCH entry USING INDEX",
	}
	for query, want := range plans {
		var id, parent, unused int
		var plan string
		row := store.db.QueryRowContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
		if err := row.Scan(&id, &parent, &unused, &plan); err != nil || !strings.HasPrefix(plan, want) {
			t.Errorf("%s: %q, %v, want %s", query, plan, err, want)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]string{"a": "b", "grant/": "grant0", "a\xff": "b", "\xff\xff": "", "": "", "é": "\xc3\xaa"}
	for prefix, want := range tests {
		if end, ok := prefixEnd(prefix); end != want || ok != (want != "") {
			t.Errorf("%q: %q, %t, want %q", prefix, end, ok, want)
		}
	}
}

// Every connection has the settings that durability rests on.
func TestSettings(t *testing.T) {
	t.Parallel()
	store := opened(t)
	for range maxConns {
		conn, err := store.db.Conn(t.Context()) // kept, so that the next is another
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "30000"} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, %v, want %s", pragma, got, err, want)
			}
		}
	}
}

// The disk is full: nothing is half-written, what is there can be read, and
// the error says so. A limit on the pages of the file looks the same to SQLite.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	store := opened(t)
	store.db.SetMaxOpenConns(1)
	l, err := ledger.Create(t.Context(), store, storetest.Root(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.db.ExecContext(t.Context(), "PRAGMA max_page_count = 10"); err != nil {
		t.Fatal(err)
	}
	document := ledger.PolicyBody{Document: strings.Repeat("x", 1<<20)}
	_, err = l.Append(t.Context(), ledger.Chain{Name: ledger.PolicyChain}, document)
	if !errors.Is(err, nhi.ErrUnreachable) || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("append: %v, want ErrUnreachable: the disk is full", err)
	}
	if faults, err := l.Verify(t.Context()); err != nil || len(faults) != 0 {
		t.Errorf("verify: %v, %v", faults, err)
	}
	if chain, err := l.Read(t.Context(), ledger.PolicyChain); err != nil || len(chain.Entries) != 0 {
		t.Errorf("read: %d entries, %v", len(chain.Entries), err)
	}
	if _, err := store.db.ExecContext(t.Context(), "PRAGMA max_page_count = 10000"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), ledger.Chain{Name: ledger.PolicyChain}, document); err != nil {
		t.Errorf("append with room again: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	store := opened(t)
	if err := store.Create(t.Context(), "", []byte("x")); err == nil {
		t.Error("an empty key was created")
	}
	if err := store.Create(t.Context(), "x", make([]byte, ledger.MaxEntry+1)); err == nil {
		t.Error("a value over MaxEntry was created")
	}
	if keys, err := store.List(t.Context(), ""); err != nil || len(keys) != 0 {
		t.Errorf("%q, %v", keys, err)
	}
}
