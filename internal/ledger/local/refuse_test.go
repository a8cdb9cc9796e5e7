package local_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	write := func(data string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(path, local.FileName), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"a file for a folder": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is a file"},
		"a folder for a file": {func(t *testing.T, path string) {
			if err := os.MkdirAll(filepath.Join(path, local.FileName), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is not a file"},
		"no database":        {write(strings.Repeat("not a database\n", 1000)), "not a ledger's database"},
		"a short file":       {write("x"), "is damaged"},
		"another's database": {func(t *testing.T, path string) { write("")(t, path); run(t, path, "CREATE TABLE x (y)") }, "another program's"},
		"another's number":   {func(t *testing.T, path string) { write("")(t, path); run(t, path, "PRAGMA application_id = 7") }, "another program's"},
		"of a newer release": {func(t *testing.T, path string) {
			mustClose(t, mustOpen(t, path, false))
			run(t, path, "PRAGMA user_version = 2")
		}, "use a newer one"},
		"a database cut short": {func(t *testing.T, path string) { mustClose(t, mustOpen(t, path, false)); cut(t, path) }, "damaged"},
	}
	for name, test := range tests {
		for _, mustExist := range []bool{true, false} {
			path := filepath.Join(t.TempDir(), ".nhi")
			test.make(t, path)
			before := tree(t, filepath.Dir(path))
			store, err := local.Open(path, time.Now, mustExist)
			if err == nil {
				// SQLite may notice only when it reads.
				_, err = store.List(t.Context(), "")
				mustClose(t, store)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ledger.ErrNoLedger) {
				t.Errorf("%s, mustExist=%t: %v, want %q", name, mustExist, err, test.want)
			}
			if after := tree(t, filepath.Dir(path)); after != before {
				t.Errorf("%s, mustExist=%t: the file was changed", name, mustExist)
			}
		}
	}
}

// run executes statements on the database, past the store.
func run(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(path, local.FileName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), statements)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// cut removes the second half of the database.
func cut(t *testing.T, path string) {
	t.Helper()
	file := filepath.Join(path, local.FileName)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// A process that ended while it made the database leaves an empty one: no
// ledger yet, and the next one makes it.
func TestOpenAfterAnUnfinishedInit(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, local.FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(path, time.Now, true); !errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("%v, want ErrNoLedger", err)
	}
	run(t, path, "PRAGMA journal_mode = WAL")
	if _, err := local.Open(path, time.Now, true); !errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("with a write-ahead log: %v, want ErrNoLedger", err)
	}
	mustClose(t, mustOpen(t, path, false))
	mustClose(t, mustOpen(t, path, true))
}

func TestManyOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".nhi")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			store, err := local.Open(path, time.Now, false)
			if err != nil {
				t.Error(err)
				return
			}
			if err := store.Create(context.WithoutCancel(t.Context()), "grant/a/00000001", []byte("x")); err != nil && !errors.Is(err, ledger.ErrExists) {
				t.Error(err)
			}
			mustClose(t, store)
		})
	}
	wg.Wait()
	store := mustOpen(t, path, true)
	defer mustClose(t, store)
	if keys, err := store.List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("%q, %v", keys, err)
	}
}

// A path is a path, whatever it means in the address of a database.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	names := []string{"a?mode=memory", "a#b", "a%20b", "a b", "a&b=c", "é😀", "file:x", ":memory:", "a;b", "'", "%2e%2e", "?_pragma=x"}
	if runtime.GOOS == "windows" {
		names = []string{"a b", "é", "a%20b", "a#b"}
	}
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name, ".nhi")
		store := mustOpen(t, path, false)
		if err := store.Create(t.Context(), "grant/a/00000001", []byte(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		mustClose(t, store)
		store = mustOpen(t, path, true)
		if value, err := store.Get(t.Context(), "grant/a/00000001"); err != nil || string(value) != name {
			t.Errorf("%s: %q, %v", name, value, err)
		}
		mustClose(t, store)
		if _, err := os.Stat(filepath.Join(path, local.FileName)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != len(names) {
		t.Errorf("%d folders, %v, want %d", len(entries), err, len(names))
	}
	if _, err := local.Open("", time.Now, false); err == nil {
		t.Error("an empty path was opened")
	}
}

func TestNowIsTheClockGiven(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	store, err := local.Open(t.TempDir(), func() time.Time { return at }, false)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, store)
	if now, err := store.Now(t.Context()); err != nil || !now.Equal(at) {
		t.Errorf("%s, %v", now, err)
	}
}

// A file that is damaged where an entry is says so, through the ledger too.
func TestDamagedEntry(t *testing.T) {
	t.Parallel()
	path := made(t)
	file := filepath.Join(path, local.FileName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(data), `"type":"root@1"`)
	if at < 0 {
		t.Fatal("the entry is not in the file")
	}
	data[at+10] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	store := mustOpen(t, path, true)
	defer mustClose(t, store)
	if _, err := ledger.Open(t.Context(), store, "test"); !errors.Is(err, ledger.ErrBroken) && !errors.Is(err, ledger.ErrUnknownEntry) || errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("%v, want ErrBroken", err)
	}
}
