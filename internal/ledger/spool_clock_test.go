package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// The clock was a year ahead when the first record was put there, and is right
// again: what came later still stands behind it.
func TestSpoolKeepsItsOrderWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, dir := newSpool(t, l)
	put(t, spool, "grant/a", begun)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	_, rest, _ := strings.Cut(files[0].Name(), "-")
	if err := os.Rename(filepath.Join(dir, files[0].Name()), filepath.Join(dir, "20990101T000000.000000000Z-"+rest)); err != nil {
		t.Fatal(err)
	}
	put(t, ledger.NewSpool(filepath.Dir(dir), l.ID()), "grant/a", removal)
	put(t, ledger.NewSpool(filepath.Dir(dir), l.ID()), "grant/a", removed)
	flush(t, spool, l, 3)
	wantBodies(t, l, "grant/a", begun, removal, removed)
}
