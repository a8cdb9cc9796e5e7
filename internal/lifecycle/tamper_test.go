package lifecycle

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// rows is the database of a local ledger, in the hands of somebody who may
// write to its folder.
type rows struct {
	t  *testing.T
	db *sql.DB
}

func (w *world) rows() *rows {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.folder, local.FileName))
	must(w.t, err)
	w.t.Cleanup(func() { _ = db.Close() })
	r := &rows{w.t, db}
	for _, trigger := range []string{"entry_create", "entry_update", "entry_delete"} {
		r.exec("DROP TRIGGER IF EXISTS " + trigger)
	}
	return r
}

func (r *rows) exec(statement string, args ...any) {
	r.t.Helper()
	_, err := r.db.ExecContext(r.t.Context(), statement, args...)
	must(r.t, err)
}

func (r *rows) get(chain string, seq int) (value string) {
	r.t.Helper()
	must(r.t, r.db.QueryRowContext(r.t.Context(), "SELECT value FROM entry WHERE key = ?", entryKey(chain, uint64(seq))).Scan(&value))
	return value
}

func (r *rows) put(chain string, seq int, value string) {
	r.t.Helper()
	r.exec("DELETE FROM entry WHERE key = ?", entryKey(chain, uint64(seq)))
	r.exec("INSERT INTO entry (key, value) VALUES (?, CAST(? AS BLOB))", entryKey(chain, uint64(seq)), value)
}

func (r *rows) drop(chain string, from, to int) {
	r.t.Helper()
	for seq := from; seq <= to; seq++ {
		r.exec("DELETE FROM entry WHERE key = ?", entryKey(chain, uint64(seq)))
	}
}

// newer is an entry of a type that this release does not know, in its right
// place behind the last one.
func newer(t *testing.T, last string) string {
	t.Helper()
	var entry map[string]any
	must(t, json.Unmarshal([]byte(last), &entry))
	seq, _ := entry["seq"].(float64)
	return fmt.Sprintf(`{"ledger":%q,"chain":%q,"seq":%d,"prev":%q,"time":%q,"writer":"test","type":"future@1","body":{}}`,
		entry["ledger"], entry["chain"], int(seq)+1, nhi.DigestOf(last), entry["time"])
}

// old is a world with some history, and n entries or more in each of the
// chains that a grant rests on. The grant of wide is active under text; what
// would make it wider is approved.
type old struct {
	*world
	text, wide string
	known      Record
	yesterday  map[string]int // how long each chain was then
	chains     map[string]int // and is
}

func newOld(t *testing.T) *old {
	t.Helper()
	o := &old{world: newWorld(t), yesterday: map[string]int{}, chains: map[string]int{}}
	narrow := o.request(environment, access("one", "reader"))
	o.rotate(2, "new1")
	o.text = o.approved(narrow)
	for version := 2; version <= 4; version++ {
		o.policy(version)
		o.resign("root", "new1", "new2")
		must(t, o.run(nil).PublishPolicy(t.Context()))
		o.identify(narrow, nhi.IdentityDisabled, noon.Add(time.Duration(version)*time.Hour*1000))
		if version == 2 {
			o.measure(o.yesterday)
		}
	}
	o.identify(narrow, nhi.IdentityActive, time.Time{})
	o.rotate(3, "new2")
	o.known = o.activate(o.text)
	o.wide = o.approved(o.three())
	block, err := signature.Sign(signerOf("eve"), signature.NamespaceRequest, o.wide)
	must(t, err)
	must(t, o.run(nil).RecordRequest(t.Context(), o.wide, "CHG-2", Signed{SSH: block}))
	o.known = o.look(o.wide, o.known, true).Record
	o.measure(o.chains)
	return o
}

// rotate puts the next root in force, of one key.
func (w *world) rotate(version int, name string) {
	w.t.Helper()
	before := map[int]string{2: "root", 3: "new1"}[version]
	text := rootText(w.t, rootOf(version, 1, name))
	w.resign("root", "new1", "new2")
	must(w.t, w.run(nil).Succeed(w.t.Context(), text, sealed(w.t, signature.NamespaceRoot, text, before, name)))
}

func (o *old) measure(into map[string]int) {
	for _, name := range []string{ledger.RootChain, ledger.PolicyChain, ledger.IdentityChain(etlGrant.Identity()), ledger.ApprovalChain(etlGrant), ledger.GrantChain(etlGrant)} {
		chain, err := o.book.Read(o.t.Context(), name)
		must(o.t, err)
		into[name] = len(chain.Entries)
	}
}

// linked returns entry seq with another writer, as whoever forks a chain writes it.
func linked(t *testing.T, value string) string {
	t.Helper()
	if !strings.Contains(value, `"writer":"test"`) {
		t.Fatal(value)
	}
	return strings.Replace(value, `"writer":"test"`, `"writer":"fork"`, 1)
}

// tamperings are the ways to change a chain of n entries; each returns the
// number of the entry at which that shows.
var tamperings = map[string]func(t *testing.T, r *rows, o *old, chain string, n int) int{
	"an entry edited": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		r.put(chain, n-1, strings.Replace(r.get(chain, n-1), `"writer":"test"`, `"writer":"tEst"`, 1))
		return n
	},
	"a byte broken": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		r.put(chain, n, strings.Replace(r.get(chain, n), `"body":`, `"bodY":`, 1))
		return n
	},
	"the last entry edited": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		r.put(chain, n, linked(r.t, r.get(chain, n)))
		return n
	},
	"deleted": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		r.drop(chain, 2, 2)
		return 2
	},
	"inserted": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		for seq := n; seq >= 2; seq-- {
			r.put(chain, seq+1, r.get(chain, seq))
		}
		r.put(chain, 2, linked(r.t, r.get(chain, 2)))
		return 3
	},
	"reordered": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		second, third := r.get(chain, 2), r.get(chain, 3)
		r.put(chain, 2, third)
		r.put(chain, 3, second)
		return 2
	},
	"duplicated": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		r.put(chain, n+1, r.get(chain, n))
		return n + 1
	},
	"shortened": func(_ *testing.T, r *rows, _ *old, chain string, n int) int {
		r.drop(chain, n, n)
		return n
	},
	"forked": func(t *testing.T, r *rows, _ *old, chain string, n int) int {
		r.put(chain, n-1, linked(t, r.get(chain, n-1)))
		r.drop(chain, n, n)
		return n
	},
	"yesterday's": func(_ *testing.T, r *rows, o *old, chain string, n int) int {
		r.drop(chain, o.yesterday[chain]+1, n)
		return n
	},
	"another ledger's": func(t *testing.T, r *rows, _ *old, chain string, n int) int {
		value := r.get(chain, n)
		var entry struct{ Ledger string }
		must(t, json.Unmarshal([]byte(value), &entry))
		r.put(chain, n, strings.Replace(value, entry.Ledger, strings.Repeat("0", 32), 1))
		return n
	},
	"an entry of a newer release": func(t *testing.T, r *rows, _ *old, chain string, n int) int {
		r.put(chain, n+1, newer(t, r.get(chain, n)))
		return n + 1
	},
}

// TestTampering changes the database of a real ledger, in each of the chains
// that a grant rests on. Whatever needs the chain then names the entry and gives
// nothing; what rests on other chains goes on; and access is removed.
func TestTampering(t *testing.T) {
	t.Parallel()
	for name, tamper := range tamperings {
		for _, kind := range []string{"root", "policy", "identity", "approval", "grant"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				o := newOld(t)
				chain := kindChain(o, kind)
				at := tamper(t, o.rows(), o, chain, o.chains[chain])
				run := func() *Engine {
					e := o.run(nil)
					e.PolicyFile = "" // it would mend the policy's chain
					return e
				}
				_, err := run().Activate(t.Context(), Ask{Text: o.wide}, o.known)
				wantNamed(t, err, chain, at)
				wish := Wish{Request: nhi.DigestOf(o.wide), Identity: nhi.IdentityActive}
				if view := run().Look(t.Context(), o.wide, o.known, wish, true); view.Step == Activate || view.Step == Repair || len(view.Warnings) == 0 {
					t.Errorf("a plan shows %s and warns of %v", view.Step, view.Warnings)
				}
				if _, err := run().Repair(t.Context(), o.known); err == nil {
					t.Error("it was repaired")
				}
				o.wantHoldings("one: reader")
				o.elsewhere(kind)
				removal, err := run().Revoke(t.Context(), o.known, "test")
				must(t, err)
				o.wantHoldings()
				if open := len(removal.Record.Targets); open > 0 {
					t.Errorf("%d targets stay open", open)
				}
			})
		}
	}
}

// Nothing is wrong with the history itself: untouched, it is activated.
func TestUntampered(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	for chain, n := range o.chains {
		if n < 3 || o.yesterday[chain] >= n && chain != ledger.RootChain {
			t.Errorf("%s has %d entries, and had %d", chain, n, o.yesterday[chain])
		}
	}
	record, err := o.run(nil).Activate(t.Context(), Ask{Text: o.wide}, o.known)
	must(t, err)
	wantPhase(t, record, PhaseActive)
	o.wantThree()
}

func kindChain(o *old, kind string) string {
	for chain := range o.chains {
		if of, _, _ := ledger.Subject(chain); of == kind {
			return chain
		}
	}
	o.t.Fatal(kind)
	return ""
}

// elsewhere gives access on other chains, where the one that is broken is a
// subject's own.
func (o *old) elsewhere(kind string) {
	o.t.Helper()
	if kind == "root" || kind == "policy" {
		return
	}
	other := o.request("sandbox", access("one", "reader"))
	other.Approval = "sandbox/payments/etl/other:default"
	text := o.ask(other)
	record := o.activate(text)
	_, err := o.run(nil).Revoke(o.t.Context(), record, "test")
	must(o.t, err)
}

// wantNamed wants an error that says which entry of which chain.
func wantNamed(t *testing.T, err error, chain string, seq int) {
	t.Helper()
	var fault *ledger.ChainError
	if errors.As(err, &fault) && fault.Chain == chain && int(fault.Seq) == seq {
		return
	}
	if !errors.Is(err, ErrShortened) || !strings.Contains(err.Error(), chain) || !strings.Contains(err.Error(), fmt.Sprintf("entry %d", seq)) {
		t.Errorf("the error is %v; want one that names entry %d of %s", err, seq, chain)
	}
}
