package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

const writer = "ledger_test"

var errDown = errors.New("the store is down")

// newLedger returns a new ledger whose store tells noon, and its store.
func newLedger(t testing.TB) (*ledger.Ledger, *storetest.Memory) {
	t.Helper()
	store := &storetest.Memory{}
	store.SetClock(func() time.Time { return noon })
	l, err := ledger.Create(t.Context(), store, storetest.Root(t), writer)
	if err != nil {
		t.Fatal(err)
	}
	return l, store
}

// reopen opens another store as its ledger.
func reopen(t testing.TB, store ledger.Store) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), store, writer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// grow appends n entries to the end of a chain.
func grow(t testing.TB, l *ledger.Ledger, name string, n int) ledger.Chain {
	t.Helper()
	chain, err := l.Read(t.Context(), name)
	for i := 0; i < n && err == nil; i++ {
		chain, err = l.Append(t.Context(), chain, ledger.BlockBody{Reason: fmt.Sprint("entry ", len(chain.Entries)+1)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

func key(chain string, seq int) string { return fmt.Sprintf("%s/%08d", chain, seq) }

func TestCreateAndOpen(t *testing.T) {
	t.Parallel()
	store := &storetest.Memory{}
	store.SetClock(func() time.Time { return noon })
	if _, err := ledger.Open(t.Context(), store, writer); !errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("open of nothing: %v, want ErrNoLedger", err)
	}
	l, err := ledger.Create(t.Context(), store, storetest.Root(t), writer)
	if err != nil {
		t.Fatal(err)
	}
	if err := nhi.CheckLedgerID(l.ID()); err != nil {
		t.Error(err)
	}
	opened := reopen(t, store)
	if opened.ID() != l.ID() || opened.RootText() != storetest.Root(t).Root || opened.RootText() != l.RootText() {
		t.Errorf("opened %s, %q, created %s, %q", opened.ID(), opened.RootText(), l.ID(), l.RootText())
	}
	chain, err := opened.Read(t.Context(), ledger.RootChain)
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.RootBody{Root: storetest.Root(t).Root, Signatures: []string{}}
	if len(chain.Entries) != 1 || !cmp.Equal(chain.Entries[0].Body, ledger.Body(want)) || chain.Entries[0].Writer != writer {
		t.Errorf("root chain %+v", chain.Entries)
	}
	if _, err := ledger.Create(t.Context(), store, storetest.Root(t), writer); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("create again: %v, want ErrExists", err)
	}
	other, _ := newLedger(t)
	if other.ID() == l.ID() {
		t.Error("two ledgers have one id")
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	good := storetest.Root(t)
	tests := map[string]struct {
		root   ledger.RootBody
		writer string
		keys   []string
		want   error
	}{
		"no root":        {ledger.RootBody{}, writer, nil, nhi.ErrInvalid},
		"a changed root": {ledger.RootBody{Root: good.Root + "\n"}, writer, nil, nhi.ErrInvalid},
		"signatures":     {ledger.RootBody{Root: good.Root, Signatures: []string{"x"}}, writer, nil, nhi.ErrInvalid},
		"no writer":      {good, "", nil, nhi.ErrInvalid},
		"a forged line":  {good, "nhi\nblock", nil, nhi.ErrInvalid},
		"a lost root":    {good, writer, []string{key("grant/a", 1)}, ledger.ErrBroken},
		"another's keys": {good, writer, []string{"holiday.jpg"}, ledger.ErrBroken},
	}
	for name, test := range tests {
		store := &storetest.Memory{}
		for _, key := range test.keys {
			store.Set(key, []byte("x"))
		}
		if _, err := ledger.Create(t.Context(), store, test.root, test.writer); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if keys, _ := store.List(t.Context(), ""); !slices.Equal(keys, append([]string{}, test.keys...)) {
			t.Errorf("%s: wrote %q", name, keys)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	first := func(body ledger.Body, change func(*ledger.Entry)) []byte {
		entry := ledger.Entry{Ledger: ledgerID, Chain: ledger.RootChain, Seq: 1, Time: noon, Writer: writer, Body: body}
		change(&entry)
		return encode(t, entry)
	}
	same := func(*ledger.Entry) {}
	tests := map[string]struct {
		root, second []byte
		want         error
	}{
		"garbage":       {[]byte("x"), nil, ledger.ErrBroken},
		"not a root":    {first(ledger.BlockBody{}, same), nil, ledger.ErrBroken},
		"a bad root":    {first(ledger.RootBody{Root: "nhi root 1\n"}, same), nil, ledger.ErrBroken},
		"a bad id":      {first(storetest.Root(t), func(e *ledger.Entry) { e.Ledger = "../x" }), nil, ledger.ErrBroken},
		"no id":         {first(storetest.Root(t), func(e *ledger.Entry) { e.Ledger = "" }), nil, ledger.ErrBroken},
		"another place": {first(storetest.Root(t), func(e *ledger.Entry) { e.Chain = ledger.PolicyChain }), nil, ledger.ErrBroken},
		"a newer root":  {[]byte(`{"type":"root@2"}`), nil, ledger.ErrUnknownEntry},
		"a gap":         {nil, first(storetest.Root(t), same), ledger.ErrBroken},
	}
	for name, test := range tests {
		store := &storetest.Memory{}
		store.SetClock(func() time.Time { return noon })
		if test.root != nil {
			store.Set(key(ledger.RootChain, 1), test.root)
		}
		if test.second != nil {
			store.Set(key(ledger.RootChain, 2), test.second)
		}
		_, err := ledger.Open(t.Context(), store, writer)
		var fault *ledger.ChainError
		if !errors.Is(err, test.want) || !errors.As(err, &fault) || fault.Chain != ledger.RootChain {
			t.Errorf("%s: %v, want a ChainError of %v", name, err, test.want)
		}
	}
}

// What is wrong behind the first root stops nobody who takes access away: the
// ledger opens, and Roots says what there is and what is wrong with it.
func TestOpenHandsOutTheRoots(t *testing.T) {
	t.Parallel()
	next := func(t *testing.T, l *ledger.Ledger, _ *storetest.Memory) {
		chain, err := l.Read(t.Context(), ledger.RootChain)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), chain, ledger.BaseBody{Base: "x"}, storetest.Root(t)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(*testing.T, *ledger.Ledger, *storetest.Memory)
		want   int
		err    error
	}{
		"a successor, and a base": {next, 3, nil},
		"a copy": {func(_ *testing.T, _ *ledger.Ledger, s *storetest.Memory) {
			s.Set(key(ledger.RootChain, 2), s.Value(key(ledger.RootChain, 1)))
		}, 1, ledger.ErrBroken},
		"an unknown entry": {func(t *testing.T, l *ledger.Ledger, s *storetest.Memory) {
			next(t, l, s)
			s.Set(key(ledger.RootChain, 3), []byte(`{"type":"root@2"}`))
		}, 2, ledger.ErrUnknownEntry},
		"a gap": {func(t *testing.T, l *ledger.Ledger, s *storetest.Memory) {
			next(t, l, s)
			s.Drop(key(ledger.RootChain, 2))
		}, 1, ledger.ErrBroken},
		"the future": {func(_ *testing.T, _ *ledger.Ledger, s *storetest.Memory) {
			s.SetClock(func() time.Time { return noon.Add(-time.Hour) })
		}, 1, ledger.ErrAhead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, store := newLedger(t)
			test.change(t, l, store)
			chain, err := reopen(t, store).Roots()
			if !errors.Is(err, test.err) || len(chain.Entries) != test.want {
				t.Errorf("%d roots, %v; want %d, %v", len(chain.Entries), err, test.want, test.err)
			}
		})
	}
}
