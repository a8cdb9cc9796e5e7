package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// What the ledger holds already is not written again: its answer was lost, or
// the process ended before it could remove the file.
func TestSpoolWritesOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, record, after []ledger.Body
	}{
		"all of it":        {[]ledger.Body{removal, removed}, []ledger.Body{removal, removed}, []ledger.Body{removal, removed}},
		"the first":        {[]ledger.Body{removal}, []ledger.Body{removal, removed}, []ledger.Body{removal, removed}},
		"all at the end":   {[]ledger.Body{removed, removal}, []ledger.Body{removal}, []ledger.Body{removed, removal}},
		"not at the end":   {[]ledger.Body{removal, removed}, []ledger.Body{removal}, []ledger.Body{removal, removed, removal}},
		"the last only":    {[]ledger.Body{removed}, []ledger.Body{removal, removed}, []ledger.Body{removed, removal, removed}},
		"twice in one":     {[]ledger.Body{removal}, []ledger.Body{removal, removal}, []ledger.Body{removal, removal}},
		"nothing of it":    {nil, []ledger.Body{removal, removed}, []ledger.Body{removal, removed}},
		"another's before": {[]ledger.Body{ledger.LiftBody{}}, []ledger.Body{removal}, []ledger.Body{ledger.LiftBody{}, removal}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _ := newLedger(t)
			spool, _ := newSpool(t, l)
			if _, err := l.Append(t.Context(), ledger.Chain{Name: "grant/a"}, test.before...); err != nil {
				t.Fatal(err)
			}
			put(t, spool, "grant/a", test.record...)
			flush(t, spool, l, 1)
			wantBodies(t, l, "grant/a", test.after...)
		})
	}
}

// A process ends after any of its steps, another appends to the chain, and the
// next one finishes what the first began: each body is written once.
func TestSpoolAfterACrash(t *testing.T) {
	t.Parallel()
	for written := range 3 {
		l, store := newLedger(t)
		spool, dir := newSpool(t, l)
		put(t, spool, "grant/a", removal, removed)
		files, _ := os.ReadDir(dir)
		path := filepath.Join(dir, files[0].Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		creates := 0
		store.Before(func(op, _ string) error {
			if op == "create" {
				if creates++; creates > written {
					return errDown
				}
			}
			return nil
		})
		n, err := spool.Flush(t.Context(), l)
		if killed := written < 2; killed != errors.Is(err, nhi.ErrUnreachable) || killed != (n == 0) {
			t.Fatalf("%d written: flushed %d, %v", written, n, err)
		}
		store.Before(nil)
		// Killed before the file was removed.
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		grow(t, l, "grant/a", 1)
		flush(t, spool, l, 1)
		chain, err := l.Read(t.Context(), "grant/a")
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, entry := range chain.Entries {
			count[entry.Body.Type()]++
		}
		if want := map[string]int{"intent@1": 1, "verification@1": 1, "block@1": 1}; !cmp.Equal(count, want) {
			t.Errorf("%d written: %v, want %v", written, count, want)
		}
	}
}

func TestSpoolConflict(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	rival := reopen(t, store)
	spool, _ := newSpool(t, l)
	put(t, spool, "grant/a", removal, removed)
	rivals := 0
	busy := false
	store.Before(func(op, _ string) error {
		if op == "create" && !busy && rivals < 3 {
			busy = true
			grow(t, rival, "grant/a", 1)
			busy = false
			rivals++
		}
		return nil
	})
	flush(t, spool, l, 1)
	store.Before(nil)
	block := func(n int) ledger.Body { return ledger.BlockBody{Reason: fmt.Sprint("entry ", n)} }
	wantBodies(t, l, "grant/a", block(1), block(2), block(3), removal, removed)
}

func TestSpoolOfABrokenChain(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	grow(t, l, "grant/a", 3)
	intact := store.Value(key("grant/a", 2))
	store.Set(key("grant/a", 2), []byte("x"))
	spool, _ := newSpool(t, l)
	put(t, spool, "grant/a", removal)
	put(t, spool, "grant/b", removal)
	put(t, spool, "grant/a", removed)
	n, err := spool.Flush(t.Context(), l)
	var fault *ledger.ChainError
	if n != 1 || !errors.Is(err, ledger.ErrBroken) || !errors.As(err, &fault) || fault.Seq != 2 {
		t.Fatalf("flushed %d, %v, want one and a ChainError", n, err)
	}
	wantBodies(t, l, "grant/b", removal)
	wantPending(t, spool, 2)
	store.Set(key("grant/a", 2), intact) // restored from a copy
	flush(t, spool, l, 2)
	block := func(n int) ledger.Body { return ledger.BlockBody{Reason: fmt.Sprint("entry ", n)} }
	wantBodies(t, l, "grant/a", block(1), block(2), block(3), removal, removed)
}

func TestSpoolLeavesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, dir := newSpool(t, l)
	put(t, spool, "grant/a", removal)
	files, _ := os.ReadDir(dir)
	good, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"0-empty.json":   "",
		"1-garbage.json": "x",
		"2-cut.json":     string(good[:len(good)-1]),
		"3-more.json":    string(good) + "\n",
		"4-type.json":    strings.Replace(string(good), "intent@1", "intent@2", 1),
		"5-ledger.json":  strings.Replace(string(good), l.ID(), ledgerID, 1),
		"6-field.json":   strings.Replace(string(good), `"chain":`, `"more":1,"chain":`, 1),
		"7-chain.json":   strings.Replace(string(good), `grant/a`, `grant/a/b`, 1),
		"8-none.json":    `{"format":"spooled@1","ledger":"` + l.ID() + `","chain":"grant/a","bodies":[]}`,
	}
	for name, data := range bad {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "9-folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	// What a crash left of a Put was never promised.
	if err := os.WriteFile(filepath.Join(dir, "put-1.tmp"), good[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := spool.Flush(t.Context(), l)
	if n != 1 || err == nil {
		t.Fatalf("flushed %d, %v, want the good one and an error", n, err)
	}
	for name := range bad {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	wantBodies(t, l, "grant/a", removal)
}

func TestSpoolWhileTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	spool, _ := newSpool(t, l)
	for i := range 5 {
		put(t, spool, fmt.Sprint("grant/", i), removal)
	}
	asked := 0
	store.Before(func(string, string) error { asked++; return errDown })
	if n, err := spool.Flush(t.Context(), l); n != 0 || !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("flushed %d, %v, want ErrUnreachable", n, err)
	}
	if asked != 1 {
		t.Errorf("asked %d times a store that does not answer", asked)
	}
	store.Before(nil)
	flush(t, spool, l, 5)
}

// Two processes flush one folder at once, while others write.
func TestSpoolTwoAtOnce(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	spool, dir := newSpool(t, l)
	const records, chains = 60, 3
	for i := range records {
		put(t, spool, fmt.Sprint("grant/", i%chains), ledger.BlockBody{Reason: fmt.Sprint("a", i)}, ledger.LiftBody{Reason: fmt.Sprint("b", i)})
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			other := ledger.NewSpool(filepath.Dir(dir), l.ID())
			if _, err := other.Flush(t.Context(), reopen(t, store)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := storetest.AppendAtEnd(t.Context(), l, "grant/0", ledger.UseBody{}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	wantPending(t, spool, 0)
	for c := range chains {
		chain, err := l.Read(t.Context(), fmt.Sprint("grant/", c))
		if err != nil {
			t.Fatal(err)
		}
		got, want := []string{}, []string{}
		for _, entry := range chain.Entries {
			if entry.Body != (ledger.Body)(ledger.UseBody{}) {
				got = append(got, line(t, entry.Body))
			}
		}
		for i := c; i < records; i += chains {
			want = append(want, line(t, ledger.BlockBody{Reason: fmt.Sprint("a", i)}), line(t, ledger.LiftBody{Reason: fmt.Sprint("b", i)}))
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("chain %d: (-want +got)\n%s", c, diff)
		}
	}
}
