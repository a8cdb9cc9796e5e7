package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Key is a public key for roots that are never used to sign.
const Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMlVbqJ1vRjDWPs2qi3jLRiIlxiIYEUmg1tbUS+u8eZ/"

// Root returns a first root entry with one key.
func Root(t testing.TB) ledger.RootBody {
	t.Helper()
	text, err := nhi.Root{Version: 1, Threshold: 1, Keys: []string{Key}}.Text()
	if err != nil {
		t.Fatal(err)
	}
	return ledger.RootBody{Root: text}
}

// together runs n functions at the same moment and returns their errors.
func together(n int, run func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = run(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// half returns one of two connections, so that goroutines and connections are
// both in competition.
func half(t testing.TB, open Open) func(i int) ledger.Store {
	stores := []ledger.Store{connect(t, open), connect(t, open)}
	return func(i int) ledger.Store { return stores[i%len(stores)] }
}

func testOneWinner(t *testing.T, open Open) {
	const writers, rounds = 40, 5
	store := half(t, open)
	for round := range rounds {
		key := fmt.Sprintf("grant/a/%08d", round+1)
		errs := together(writers, func(i int) error {
			return store(i).Create(t.Context(), key, fmt.Append(nil, "writer ", i))
		})
		winners := []int{}
		for i, err := range errs {
			switch {
			case err == nil:
				winners = append(winners, i)
			case !errors.Is(err, ledger.ErrExists):
				t.Errorf("writer %d: %v, want ErrExists", i, err)
			}
		}
		if len(winners) != 1 {
			t.Fatalf("round %d: %d of %d writers won: %v", round, len(winners), writers, winners)
		}
		wantValue(t, store(0), key, fmt.Sprint("writer ", winners[0]))
		wantValue(t, store(1), key, fmt.Sprint("writer ", winners[0]))
	}
}

func testManyKeys(t *testing.T, open Open) {
	const writers, each = 20, 5
	store := half(t, open)
	keys := []string{}
	for i := range writers {
		for n := range each {
			keys = append(keys, fmt.Sprintf("grant/w%02d/%08d", i, n+1))
		}
	}
	errs := together(writers, func(i int) error {
		for _, key := range keys[i*each : (i+1)*each] {
			if err := store(i).Create(t.Context(), key, []byte(key)); err != nil {
				return err
			}
			// Whoever wrote reads what they wrote, over any connection.
			if _, err := store(i+1).Get(t.Context(), key); err != nil {
				return fmt.Errorf("get %s: %w", key, err)
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, store(0), "grant/", keys...)
	for _, key := range keys {
		wantValue(t, store(1), key, key)
	}
}

func testConnections(t *testing.T, open Open) {
	one, two := connect(t, open), connect(t, open)
	create(t, one, "grant/a/00000001", "one")
	wantValue(t, two, "grant/a/00000001", "one")
	create(t, two, "grant/a/00000002", "two")
	wantKeys(t, one, "grant/a/", "grant/a/00000001", "grant/a/00000002")
	if err := one.Create(t.Context(), "grant/a/00000002", []byte("other")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("create: %v, want ErrExists", err)
	}
}

func testLedger(t *testing.T, open Open) {
	first, err := ledger.Create(t.Context(), connect(t, open), Root(t), "storetest")
	if err != nil {
		t.Fatal(err)
	}
	name := ledger.GrantChain("dev/team/robot:default")
	chain, err := first.Append(t.Context(), ledger.Chain{Name: name}, ledger.BlockBody{Reason: "one"}, ledger.LiftBody{Reason: "two"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := ledger.Open(t.Context(), connect(t, open), "storetest")
	if err != nil {
		t.Fatal(err)
	}
	if second.ID() != first.ID() {
		t.Errorf("id %s, want %s", second.ID(), first.ID())
	}
	read, err := second.Read(t.Context(), name)
	if err != nil || read.Head() != chain.Head() || len(read.Entries) != 2 {
		t.Fatalf("read %v, %v, want %v", read.Head(), err, chain.Head())
	}
	if _, err := second.Append(t.Context(), read, ledger.BlockBody{Reason: "three"}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Append(t.Context(), chain, ledger.BlockBody{Reason: "late"}); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("append to an old head: %v, want ErrConflict", err)
	}
	if names, err := first.Chains(t.Context(), "grant/"); err != nil || len(names) != 1 || names[0] != name {
		t.Errorf("chains %q, %v", names, err)
	}
	wantSound(t, first)
}

func wantSound(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	faults, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

func testCreateLedgerOnce(t *testing.T, open Open) {
	store := half(t, open)
	ids := make([]string, 8)
	errs := together(len(ids), func(i int) error {
		l, err := ledger.Create(t.Context(), store(i), Root(t), "storetest")
		if err == nil {
			ids[i] = l.ID()
		}
		return err
	})
	l, err := ledger.Open(t.Context(), store(0), "storetest")
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		if (err == nil) != (ids[i] == l.ID()) || err != nil && !errors.Is(err, ledger.ErrExists) {
			t.Errorf("create %d: id %s, %v; the ledger is %s", i, ids[i], err, l.ID())
		}
	}
}

func testOneChain(t *testing.T, open Open) {
	const writers, each = 8, 5
	store := half(t, open)
	if _, err := ledger.Create(t.Context(), store(0), Root(t), "storetest"); err != nil {
		t.Fatal(err)
	}
	name := ledger.IdentityChain("dev/team/robot")
	errs := together(writers, func(i int) error {
		l, err := ledger.Open(t.Context(), store(i), "storetest")
		for n := 0; n < each && err == nil; n++ {
			err = AppendAtEnd(t.Context(), l, name, ledger.BlockBody{Reason: fmt.Sprintf("%d/%d", i, n)})
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), store(0), "storetest")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := l.Read(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[ledger.Body]bool{}
	for _, entry := range chain.Entries {
		seen[entry.Body] = true
	}
	if len(seen) != writers*each || len(chain.Entries) != writers*each {
		t.Errorf("%d entries, %d of them different, want %d", len(chain.Entries), len(seen), writers*each)
	}
	wantSound(t, l)
}

// AppendAtEnd appends one body to whatever the end of the chain is by then.
func AppendAtEnd(ctx context.Context, l *ledger.Ledger, chain string, body ledger.Body) error {
	for {
		read, err := l.Read(ctx, chain)
		if err != nil {
			return err
		}
		if _, err = l.Append(ctx, read, body); !errors.Is(err, ledger.ErrConflict) {
			return err
		}
	}
}
