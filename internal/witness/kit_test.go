package witness_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/witness"
)

// auditor is a witness beside a ledger in a store that a test can tamper with.
type auditor struct {
	t     testing.TB
	store *storetest.Memory
	book  *ledger.Ledger
	disk  *witness.Disk
	dir   string
	now   time.Time
}

var dawn = time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)

func newAuditor(t testing.TB) *auditor {
	t.Helper()
	a := &auditor{t: t, store: &storetest.Memory{}, dir: filepath.Join(t.TempDir(), "memory"), now: dawn}
	a.store.SetClock(func() time.Time { return dawn })
	var err error
	a.book, err = ledger.Create(t.Context(), a.store, storetest.Root(t), "test")
	must(t, err)
	a.disk, err = witness.Create(a.dir, a.book.ID(), a.now)
	must(t, err)
	t.Cleanup(func() { _ = a.disk.Close() })
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// grow appends n entries to the end of a chain.
func (a *auditor) grow(name string, n int) {
	a.t.Helper()
	chain, err := a.book.Read(context.Background(), name)
	for i := 0; i < n && err == nil; i++ {
		chain, err = a.book.Append(context.Background(), chain, ledger.BlockBody{Reason: fmt.Sprint("entry ", len(chain.Entries)+1)})
	}
	must(a.t, err)
}

// swap puts another store where the ledger was.
func (a *auditor) swap(store *storetest.Memory) {
	a.t.Helper()
	book, err := ledger.Open(context.Background(), store, "test")
	must(a.t, err)
	a.store, a.book = store, book
}

func (a *auditor) seen() witness.Look {
	a.t.Helper()
	look, err := witness.At(context.Background(), a.book)
	must(a.t, err)
	return look
}

// look lets the witness look an hour later.
func (a *auditor) look() witness.Report {
	a.t.Helper()
	a.now = a.now.Add(time.Hour)
	report, records := a.disk.Memory.Compare(a.seen(), a.now)
	must(a.t, a.disk.Commit(records, a.now))
	return report
}

// accept lets a person accept what is there.
func (a *auditor) accept(reason string) bool {
	a.t.Helper()
	a.now = a.now.Add(time.Hour)
	records, err := a.disk.Memory.Accept(a.seen(), reason, a.now)
	must(a.t, err)
	must(a.t, a.disk.Commit(records, a.now))
	return len(records) > 0
}

// reopen forgets all that is not on the disk.
func (a *auditor) reopen() {
	a.t.Helper()
	must(a.t, a.disk.Close())
	disk, err := witness.Open(a.dir)
	must(a.t, err)
	a.disk = disk
}

// wantFound requires that every text stands in a finding of its own, and that
// there are no others.
func wantFound(t testing.TB, report witness.Report, texts ...string) {
	t.Helper()
	if len(report.Findings) != len(texts) {
		t.Fatalf("%d findings, want %d: %v", len(report.Findings), len(texts), report.Findings)
	}
	for i, text := range texts {
		if got := report.Findings[i].String(); !strings.Contains(got, text) {
			t.Errorf("finding %d is %q, want %q", i+1, got, text)
		}
	}
}

func key(chain string, seq int) string { return fmt.Sprintf("%s/%08d", chain, seq) }

func wantDamaged(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, witness.ErrDamaged) {
		t.Errorf("%s: %v, want ErrDamaged", what, err)
	}
}
