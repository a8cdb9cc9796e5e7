package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	removal = ledger.IntentBody{Verb: ledger.VerbRevoke, Activation: 1, Reason: "expired", Targets: map[string]ledger.Target{"db": target}}
	removed = ledger.VerificationBody{Epoch: 4, Targets: map[string]ledger.Verified{"db": {State: "absent", Verified: true}}}
)

func newSpool(t *testing.T, l *ledger.Ledger) (*ledger.Spool, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state", "nhi")
	return ledger.NewSpool(dir, l.ID()), filepath.Join(dir, l.ID())
}

func put(t *testing.T, spool *ledger.Spool, chain string, bodies ...ledger.Body) {
	t.Helper()
	if err := spool.Put(chain, bodies...); err != nil {
		t.Fatal(err)
	}
}

func flush(t *testing.T, spool *ledger.Spool, l *ledger.Ledger, want int) {
	t.Helper()
	if n, err := spool.Flush(t.Context(), l); n != want || err != nil {
		t.Fatalf("flushed %d records, %v, want %d", n, err, want)
	}
}

func wantBodies(t *testing.T, l *ledger.Ledger, name string, want ...ledger.Body) {
	t.Helper()
	chain, err := l.Read(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, entry := range chain.Entries {
		got = append(got, line(t, entry.Body))
	}
	lines := []string{}
	for _, body := range want {
		lines = append(lines, line(t, body))
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", name, diff)
	}
}

// line is a body as it is stored.
func line(t *testing.T, body ledger.Body) string {
	t.Helper()
	_, text, _ := strings.Cut(string(encode(t, ledger.Entry{Body: body})), `"type":`)
	return text
}

func wantPending(t *testing.T, spool *ledger.Spool, want int) {
	t.Helper()
	if n, err := spool.Pending(); n != want || err != nil {
		t.Errorf("%d records wait, %v, want %d", n, err, want)
	}
}

func TestSpool(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, dir := newSpool(t, l)
	wantPending(t, spool, 0)
	flush(t, spool, l, 0)
	grow(t, l, "grant/a", 1)
	put(t, spool, "grant/a", removal, removed)
	put(t, spool, "grant/b", removal)
	put(t, spool, "grant/a", ledger.BlockBody{Reason: "x"})
	wantPending(t, spool, 3)
	// The ledger may have gone on since.
	grow(t, l, "grant/a", 1)
	flush(t, ledger.NewSpool(filepath.Dir(dir), l.ID()), l, 3)
	wantBodies(t, l, "grant/a", ledger.BlockBody{Reason: "entry 1"}, ledger.BlockBody{Reason: "entry 2"}, removal, removed, ledger.BlockBody{Reason: "x"})
	wantBodies(t, l, "grant/b", removal)
	wantPending(t, spool, 0)
	flush(t, spool, l, 0)
	chain, _ := l.Read(t.Context(), "grant/b")
	if got := chain.Entries[0].Writer; !strings.HasPrefix(got, writer+", spooled ") {
		t.Errorf("writer %q does not say that the record was spooled", got)
	}
}

func TestSpoolIsPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	l, _ := newLedger(t)
	spool, dir := newSpool(t, l)
	put(t, spool, "grant/a", removal)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v, want the record alone", len(files), err)
	}
	for path, want := range map[string]os.FileMode{filepath.Dir(dir): 0o700, dir: 0o700, filepath.Join(dir, files[0].Name()): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestSpoolOrder(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, _ := newSpool(t, l)
	want := []ledger.Body{}
	for i := range 50 {
		want = append(want, ledger.BlockBody{Reason: fmt.Sprint(i)})
		put(t, spool, "grant/a", want[i])
	}
	flush(t, spool, l, 50)
	wantBodies(t, l, "grant/a", want...)
}

func TestSpoolRefuses(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, dir := newSpool(t, l)
	other, _ := newLedger(t)
	long := ledger.PolicyBody{Document: strings.Repeat("x", ledger.MaxEntry)}
	errs := map[string]error{
		"no chain":     spool.Put("grants/a", removal),
		"no body":      spool.Put("grant/a"),
		"a nil body":   spool.Put("grant/a", removal, nil),
		"too long":     spool.Put("grant/a", removal, long),
		"a bad ledger": ledger.NewSpool(t.TempDir(), "../x").Put("grant/a", removal),
	}
	_, errs["another ledger"] = spool.Flush(t.Context(), other)
	for name, err := range errs {
		if !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}

func TestSpoolCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ledger.NewSpool(file, ledgerID).Put("grant/a", removal); err == nil {
		t.Error("a record was kept in a file")
	}
}
