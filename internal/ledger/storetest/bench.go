package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// BenchEntries are the sizes of the ledgers that the stores are compared with.
var BenchEntries = []int{1_000, 100_000}

// chainLength is how many entries each chain of a benchmark has.
const chainLength = 10

// Bench measures a ledger of so many entries, ten in each chain: append, a
// hundred appends to different chains at once, open, read of one chain, and
// verify. Only the last may grow with the number of entries.
func Bench(b *testing.B, entries int, place func(b *testing.B) Open) {
	open := place(b)
	l := benchLedger(b, open, entries/chainLength)
	fresh := func() error {
		chain := ledger.GrantChain(nhi.ApprovalID("bench/new/" + rand.Text() + ":default"))
		_, err := l.Append(b.Context(), ledger.Chain{Name: chain}, benchBody())
		return err
	}
	measure := func(name string, run func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	measure("append", fresh)
	measure("append 100 at once", func() error {
		return errors.Join(together(100, func(int) error { return fresh() })...)
	})
	measure("open", func() error {
		store, err := open()
		if err != nil {
			return err
		}
		opened, err := ledger.Open(b.Context(), store, "storetest")
		if err != nil {
			return err
		}
		return opened.Close()
	})
	measure("read one chain", func() error {
		_, err := l.Read(b.Context(), benchChain(entries/chainLength/2))
		return err
	})
	b.Run("verify", func(b *testing.B) {
		took := verified(b, l) // once, whatever -benchtime says: it reads everything
		b.ReportMetric(float64(took.Nanoseconds()), "ns/op")
	})
}

func benchChain(i int) string {
	return ledger.GrantChain(nhi.ApprovalID(fmt.Sprintf("bench/team/robot-%d:default", i)))
}

// benchBody is an intent of the usual size.
func benchBody() ledger.Body {
	targets := map[string]ledger.Target{}
	for _, name := range []string{"db", "box", "queue"} {
		targets[name] = ledger.Target{
			System: name, Kind: "postgres", Endpoint: "db.example.com:5432/orders", Principal: "robot-k3x9ab",
			Nonce: "00112233445566778899aabbccddeeff", Access: nhi.Values{"roles": nhi.List("orders_ro", "audit_ro")},
		}
	}
	return ledger.IntentBody{Verb: ledger.VerbActivate, Activation: 1, Request: nhi.DigestOf("bench"), Targets: targets}
}

// benchLedger makes a ledger in memory and copies it, many chains side by side:
// what is measured comes later.
func benchLedger(b *testing.B, open Open, chains int) *ledger.Ledger {
	b.Helper()
	memory := &Memory{}
	made, err := ledger.Create(b.Context(), memory, Root(b), "storetest")
	if err != nil {
		b.Fatal(err)
	}
	bodies := make([]ledger.Body, chainLength)
	for i := range bodies {
		bodies[i] = benchBody()
	}
	store := connect(b, open)
	began := time.Now()
	err = sideBySide(b.Context(), chains, func(ctx context.Context, i int) error {
		chain, err := made.Append(ctx, ledger.Chain{Name: benchChain(i)}, bodies...)
		if err != nil {
			return err
		}
		stored, err := chain.Stored()
		if err != nil {
			return err
		}
		for n, data := range stored {
			if err := store.Create(ctx, fmt.Sprintf("%s/%08d", chain.Name, n+1), []byte(data)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	root := "root/00000001"
	if err := store.Create(b.Context(), root, memory.Value(root)); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d entries were loaded in %s", chains*chainLength, time.Since(began).Round(time.Millisecond))
	l, err := ledger.Open(b.Context(), store, "storetest")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// verified is how long it takes to verify the ledger, measured once for each.
func verified(b *testing.B, l *ledger.Ledger) time.Duration {
	b.Helper()
	if took, known := verifications.Load(l); known {
		return took.(time.Duration)
	}
	began := time.Now()
	if faults, err := l.Verify(b.Context()); err != nil || len(faults) > 0 {
		b.Fatal(faults, err)
	}
	took := time.Since(began)
	verifications.Store(l, took)
	return took
}

var verifications sync.Map // of *ledger.Ledger

// sideBySide runs do for 0 to n-1, a few at a time; the first error ends it.
func sideBySide(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	const width = 16
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(width)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}
