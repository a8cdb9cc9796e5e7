package local_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Open {
		dir := t.TempDir()
		return func() (ledger.Store, error) { return local.Open(dir, time.Now, false) }
	})
}

func BenchmarkStore(b *testing.B) {
	for _, entries := range storetest.BenchEntries {
		b.Run(fmt.Sprint(entries, " entries"), func(b *testing.B) {
			storetest.Bench(b, entries, func(b *testing.B) storetest.Open {
				dir := b.TempDir()
				return func() (ledger.Store, error) { return local.Open(dir, time.Now, false) }
			})
		})
	}
}

// SQLite lets one writer in at a time, so writers queue; none of them fails, and
// readers do not wait.
func TestWritersQueue(t *testing.T) {
	t.Parallel()
	const writers = 40
	dir := t.TempDir()
	stores := []*local.Store{mustOpen(t, dir, false), mustOpen(t, dir, false)}
	release := hold(t, dir)
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			errs <- stores[i%2].Create(context.WithoutCancel(t.Context()), fmt.Sprintf("grant/s%02d/00000001", i), []byte("x"))
		}()
	}
	if keys, err := stores[0].List(t.Context(), ""); err != nil || len(keys) != 0 {
		t.Errorf("while a writer is held: %q, %v", keys, err)
	}
	if len(errs) > 0 {
		t.Errorf("a writer did not wait: %v", <-errs)
	}
	release()
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, store := range stores {
		if keys, err := store.List(t.Context(), ""); err != nil || len(keys) != writers {
			t.Errorf("%d keys, %v, want %d", len(keys), err, writers)
		}
		mustClose(t, store)
	}
}

// hold is another process that is in the middle of a write.
func hold(t *testing.T, dir string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, local.FileName)+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}
