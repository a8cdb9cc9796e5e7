package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// FuzzExcerpt opens an excerpt of any two chains, one entry a line: what is
// read of a chain is stored as the same bytes.
func FuzzExcerpt(f *testing.F) {
	l, _ := newLedger(f)
	lines := func(name string) string {
		chain, err := l.Read(f.Context(), name)
		if err != nil {
			f.Fatal(err)
		}
		stored, err := chain.Stored()
		if err != nil {
			f.Fatal(err)
		}
		return strings.Join(stored, "\n")
	}
	grow(f, l, "grant/a", 3)
	f.Add(lines("root"), "grant/a", lines("grant/a"))
	f.Add(lines("root"), "grant/b", lines("grant/a"))
	f.Add(lines("root")+"\n", "root", "")
	f.Fuzz(func(t *testing.T, root, name, entries string) {
		x := &ledger.Excerpt{Clock: func() time.Time { return noon }}
		if err := x.Add(ledger.RootChain, strings.Split(root, "\n")); err != nil {
			t.Fatal(err)
		}
		if err := x.Add(name, strings.Split(entries, "\n")); err != nil {
			return
		}
		book, err := ledger.Open(t.Context(), x, "test")
		if err != nil {
			return
		}
		chain, err := book.Read(t.Context(), name)
		stored, stores := chain.Stored()
		if stores != nil || err == nil && strings.Join(stored, "\n") != entries {
			t.Errorf("read %q and stored %q, %v", entries, stored, stores)
		}
	})
}
