package provider_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// rawLedger opens the ledger's database past everything that guards it.
func (w *world) rawLedger() *sql.DB {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.Dir, ".nhi", local.FileName))
	must(w.t, err)
	for _, guard := range []string{"entry_create", "entry_update", "entry_delete"} {
		_, err := db.Exec("DROP TRIGGER IF EXISTS " + guard)
		must(w.t, err)
	}
	return db
}

// tamper puts other entries in the place of a chain's. What is nil is missing.
func (w *world) tamper(chain string, change func(entries [][]byte) [][]byte) {
	w.t.Helper()
	db := w.rawLedger()
	defer func() { must(w.t, db.Close()) }()
	const below = "key >= ?1 || '/' AND key < ?1 || '0'" // '0' follows '/'
	rows, err := db.Query("SELECT value FROM entry WHERE "+below+" ORDER BY key", chain)
	must(w.t, err)
	defer func() { _ = rows.Close() }()
	var entries [][]byte
	for rows.Next() {
		var value []byte
		must(w.t, rows.Scan(&value))
		entries = append(entries, value)
	}
	must(w.t, rows.Err())
	must(w.t, rows.Close())
	if len(entries) == 0 {
		w.t.Fatalf("chain %s is empty", chain)
	}
	_, err = db.Exec("DELETE FROM entry WHERE "+below, chain)
	must(w.t, err)
	for i, value := range change(entries) {
		if value != nil {
			_, err := db.Exec("INSERT INTO entry (key, value) VALUES (?, ?)", fmt.Sprintf("%s/%08d", chain, i+1), value)
			must(w.t, err)
		}
	}
}

// rewritten changes one entry, from 1, and stores it as a ledger would.
func rewritten(t testing.TB, number int, change func(*ledger.Entry)) func([][]byte) [][]byte {
	return func(entries [][]byte) [][]byte {
		entry, err := ledger.DecodeEntry(entries[number-1])
		must(t, err)
		change(&entry)
		entries[number-1], err = entry.Encode()
		must(t, err)
		return entries
	}
}

// tamperings are the ways in which a chain of five entries or more can be
// changed behind the ledger's back.
func tamperings(t testing.TB) map[string]func([][]byte) [][]byte {
	return map[string]func([][]byte) [][]byte{
		"edited":       rewritten(t, 1, func(e *ledger.Entry) { e.Writer = "somebody" }),
		"one-byte":     func(e [][]byte) [][]byte { e[2][len(e[2])/2] ^= 1; return e },
		"deleted":      func(e [][]byte) [][]byte { e[1] = nil; return e },
		"inserted":     func(e [][]byte) [][]byte { return slices.Insert(e, 1, e[len(e)-1]) },
		"reordered":    func(e [][]byte) [][]byte { e[1], e[2] = e[2], e[1]; return e },
		"duplicated":   func(e [][]byte) [][]byte { return append(e, e[len(e)-1]) },
		"other-ledger": rewritten(t, 2, func(e *ledger.Entry) { e.Ledger = "ffeeddccbbaa99887766554433221100" }),
		"shortened":    func(e [][]byte) [][]byte { return e[:len(e)-1] },
		"yesterdays":   func(e [][]byte) [][]byte { return e[:1] },
		"emptied":      func([][]byte) [][]byte { return nil },
		"forked": func(e [][]byte) [][]byte {
			return rewritten(t, len(e), func(e *ledger.Entry) { e.Body = ledger.BlockBody{Reason: "forged", By: "nobody"} })(e)
		},
	}
}

// stripped takes the signature off every decision, and links what follows anew:
// each link is right, and nobody has signed.
func stripped(t testing.TB) func([][]byte) [][]byte {
	return func(entries [][]byte) [][]byte {
		var prev nhi.Digest
		for i := range entries {
			entry, err := ledger.DecodeEntry(entries[i])
			must(t, err)
			entry.Prev = prev
			if decision, ok := entry.Body.(ledger.DecisionBody); ok {
				decision.Signature = ""
				entry.Body = decision
			}
			entries[i], err = entry.Encode()
			must(t, err)
			prev = entry.Hash()
		}
		return entries
	}
}
