package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
)

// mustOpen opens the store, and leaves closing it to the caller.
func mustOpen(t *testing.T, path string, mustExist bool) *local.Store {
	t.Helper()
	store, err := local.Open(path, time.Now, mustExist)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func mustClose(t *testing.T, store *local.Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// made returns a folder with a closed ledger of one more entry.
func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".nhi")
	store := mustOpen(t, path, false)
	if _, err := ledger.Create(t.Context(), store, storetest.Root(t), "test"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, store)
	return path
}

// tree lists what is below path, with modes and contents.
func tree(t *testing.T, path string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(path, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		out.WriteString(path + " " + info.Mode().String() + "\n")
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			out.Write(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestOpenCreates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", ".nhi")
	store := mustOpen(t, path, false)
	defer mustClose(t, store)
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	want := map[string]os.FileMode{"": 0o700, "ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info, err, mode)
		}
	}
}

func TestMustExistCreatesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"missing", "missing/deeper", "folder"} {
		before := tree(t, root)
		_, err := local.Open(filepath.Join(root, name), time.Now, true)
		if !errors.Is(err, ledger.ErrNoLedger) || !strings.Contains(err.Error(), "nhi init") {
			t.Errorf("%s: %v, want ErrNoLedger and `nhi init`", name, err)
		}
		if after := tree(t, root); after != before {
			t.Errorf("%s: it changed\n%s\nto\n%s", name, before, after)
		}
	}
}

// Opening and reading leave the folder as it was, to the byte.
func TestReadingDoesNotWrite(t *testing.T) {
	t.Parallel()
	path := made(t)
	before := tree(t, path)
	for _, mustExist := range []bool{true, false} {
		store := mustOpen(t, path, mustExist)
		l, err := ledger.Open(t.Context(), store, "test")
		if err != nil {
			t.Fatal(err)
		}
		if faults, err := l.Verify(t.Context()); err != nil || len(faults) != 0 {
			t.Errorf("%v, %v", faults, err)
		}
		mustClose(t, store)
		if after := tree(t, path); after != before {
			t.Errorf("mustExist=%t: the folder changed", mustExist)
		}
	}
}
