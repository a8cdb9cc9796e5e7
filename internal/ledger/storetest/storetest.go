// Package storetest holds the one suite that every kind of store passes, the
// benchmarks that compare them, and a store in memory for the tests of what is
// above.
//
// A store's own test is these lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Open {
//			dir := t.TempDir() // one empty place
//			return func() (ledger.Store, error) { return local.Open(dir, time.Now, false) }
//		})
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Open connects to one place where a ledger can be, any number of times: each
// call is what another process would do. What one connection stored, every
// other sees.
type Open func() (ledger.Store, error)

// Run runs the suite. Each of its tests calls place once, for an empty place
// of its own that is gone after the test.
func Run(t *testing.T, place func(t *testing.T) Open) {
	tests := []struct {
		name string
		test func(t *testing.T, open Open)
	}{
		{"an empty place", testEmpty},
		{"create once", testCreateOnce},
		{"keys in order", testOrder},
		{"prefixes", testPrefixes},
		{"values", testValues},
		{"one winner of forty", testOneWinner},
		{"many writers on many keys", testManyKeys},
		{"connections see each other", testConnections},
		{"reopened", testReopened},
		{"a cancelled context", testCancelled},
		{"the time", testTime},
		{"a ledger", testLedger},
		{"two ledgers at once", testCreateLedgerOnce},
		{"writers of one chain", testOneChain},
		{"linearizable", testLinearizable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.test(t, place(t))
		})
	}
}

// connect opens the place, and closes it when the test ends.
func connect(t testing.TB, open Open) ledger.Store {
	t.Helper()
	store, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

func create(t testing.TB, store ledger.Store, key, value string) {
	t.Helper()
	if err := store.Create(t.Context(), key, []byte(value)); err != nil {
		t.Fatalf("create %q: %v", key, err)
	}
}

func wantValue(t testing.TB, store ledger.Store, key, want string) {
	t.Helper()
	got, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	if !bytes.Equal(got, []byte(want)) {
		t.Fatalf("get %q: got %d bytes %.60q, want %d bytes %.60q", key, len(got), got, len(want), want)
	}
}

func wantKeys(t testing.TB, store ledger.Store, prefix string, want ...string) {
	t.Helper()
	got, err := store.List(t.Context(), prefix)
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("list %q:\n got %.2000q\nwant %.2000q", prefix, got, want)
	}
}

func testEmpty(t *testing.T, open Open) {
	store := connect(t, open)
	if value, err := store.Get(t.Context(), "root/00000001"); !errors.Is(err, ledger.ErrNotFound) || value != nil {
		t.Errorf("get of nothing: %q, %v, want ErrNotFound", value, err)
	}
	wantKeys(t, store, "")
	wantKeys(t, store, "grant/")
	if _, err := ledger.Open(t.Context(), store, "storetest"); !errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("open: %v, want ErrNoLedger", err)
	}
}

func testCreateOnce(t *testing.T, open Open) {
	store := connect(t, open)
	create(t, store, "grant/a/00000001", "first")
	for _, again := range []string{"second", "first", ""} {
		if err := store.Create(t.Context(), "grant/a/00000001", []byte(again)); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("create with %q again: %v, want ErrExists", again, err)
		}
	}
	wantValue(t, store, "grant/a/00000001", "first")
	wantKeys(t, store, "", "grant/a/00000001")
	if _, err := store.Get(t.Context(), "grant/a/00000002"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("get of another key: %v, want ErrNotFound", err)
	}
	if _, err := store.Get(t.Context(), "grant/a"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("get of a folder: %v, want ErrNotFound", err)
	}
}

// longest is the longest key that a ledger can ask for.
func longest() string {
	scope := strings.TrimSuffix(strings.Repeat("s/", nhi.MaxScope/2), "/")
	name := strings.Repeat("n", nhi.MaxName)
	return ledger.GrantChain(nhi.ApprovalID(name+"/"+scope+"/"+name+":"+name)) + "/00000001"
}

// hostile are keys that a store with patterns, quoting, folders or another
// alphabet gets wrong, and the longest key of all.
func hostile() []string {
	return []string{
		"h/%", "h/%25", "h/%2F", "h/%2f", "h/%_", "h/*", "h/?", "h/[a]", "h/_", "h/A", "h/a", "h/a%", "h/a*", "h/ab",
		"h/'", "h/''; DROP TABLE entry; --", `h/"`, "h/`", `h/\`, `h/\_`, "h/#", "h/&=+", "h/ ", "h/a b", "h/a:b", "h/a;b", "h/~",
		"h/é", "h/e\u0301", "h/日本", "h/😀", "h/\U0010FFFF", "h/\u202e",
		longest(),
	}
}

func testOrder(t *testing.T, open Open) {
	store := connect(t, open)
	keys := hostile()
	for i, key := range keys {
		create(t, store, key, fmt.Sprint("value ", i))
	}
	for i, key := range keys {
		wantValue(t, store, key, fmt.Sprint("value ", i))
		if err := store.Create(t.Context(), key, []byte("again")); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("create %q again: %v, want ErrExists", key, err)
		}
	}
	slices.Sort(keys)
	wantKeys(t, store, "", keys...)
}

func testPrefixes(t *testing.T, open Open) {
	store := connect(t, open)
	keys := append(hostile(), "g/1", "i/1", "p/%/00000001", "p/%/00000002", "p/%x/00000001", "p/_/00000001", "p/ab/00000001")
	for _, key := range keys {
		create(t, store, key, key)
	}
	slices.Sort(keys)
	prefixes := append([]string{"", "h", "h/", "i", "z", "p/%", "p/%/", "p/_/", "p/*", "h/😀/", "grant/", longest()[:len(longest())-8]}, keys...)
	for _, prefix := range prefixes {
		want := []string{}
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		wantKeys(t, store, prefix, want...)
	}
}

func testValues(t *testing.T, open Open) {
	store := connect(t, open)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	values := []string{"x", "\x00", "null", "\r\n", string(every), "\xff\xfe", strings.Repeat("v", 64<<10), strings.Repeat(string(every), ledger.MaxEntry/len(every))}
	for i, value := range values {
		create(t, store, fmt.Sprint("grant/v/", i), value)
	}
	other := connect(t, open)
	for i, value := range values {
		wantValue(t, store, fmt.Sprint("grant/v/", i), value)
		wantValue(t, other, fmt.Sprint("grant/v/", i), value)
	}
}

func testReopened(t *testing.T, open Open) {
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	create(t, first, "grant/a/00000001", "one")
	create(t, first, "grant/a/00000002", "two")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	store := connect(t, open)
	wantKeys(t, store, "", "grant/a/00000001", "grant/a/00000002")
	wantValue(t, store, "grant/a/00000002", "two")
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("other")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("create again: %v, want ErrExists", err)
	}
	create(t, store, "grant/a/00000003", "three")
}

func testCancelled(t *testing.T, open Open) {
	store := connect(t, open)
	create(t, store, "grant/a/00000001", "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCancelled := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrExists) || errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: %v, want context.Canceled", what, err)
		}
	}
	wantCancelled("create", store.Create(ctx, "grant/a/00000002", []byte("two")))
	_, err := store.Get(ctx, "grant/a/00000001")
	wantCancelled("get", err)
	_, err = store.List(ctx, "")
	wantCancelled("list", err)
	_, err = store.Now(ctx)
	wantCancelled("now", err)
	wantKeys(t, store, "", "grant/a/00000001")
}

func testTime(t *testing.T, open Open) {
	store := connect(t, open)
	first, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A store may tell whole seconds, and its clock may be corrected meanwhile.
	if second.Before(first.Add(-2 * time.Second)) {
		t.Errorf("time goes back, from %s to %s", first, second)
	}
	if off := time.Since(first).Abs(); off > ledger.MaxAhead {
		t.Errorf("time is %s away from this machine's", off)
	}
}
