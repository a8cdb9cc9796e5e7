package storetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

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
	measure("verify", func() error {
		_, err := l.Verify(b.Context())
		return err
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

func benchLedger(b *testing.B, open Open, chains int) *ledger.Ledger {
	b.Helper()
	l, err := ledger.Create(b.Context(), connect(b, open), Root(b), "storetest")
	if err != nil {
		b.Fatal(err)
	}
	bodies := make([]ledger.Body, chainLength)
	for i := range bodies {
		bodies[i] = benchBody()
	}
	for i := range chains {
		if _, err := l.Append(b.Context(), ledger.Chain{Name: benchChain(i)}, bodies...); err != nil {
			b.Fatal(err)
		}
	}
	return l
}
