package witness_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/witness"
)

func TestAGrowingLedgerIsFine(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	for i, want := range []int{1, 3, 0, 5} {
		if i > 0 && want > 0 {
			a.grow("grant/a", want-1)
			a.grow(fmt.Sprint("grant/b", i), 1)
		}
		if report := a.look(); !report.OK() || report.New != want || len(report.Notes) > 0 {
			t.Errorf("look %d: %+v, want %d new", i, report, want)
		}
		a.reopen()
	}
	if a.disk.Memory.Entries() != 9 {
		t.Errorf("%d entries are remembered", a.disk.Memory.Entries())
	}
}

// What is done to a ledger that a witness has seen is found, at the next look
// and at every later one, and after the witness was started again.
func TestTampering(t *testing.T) {
	t.Parallel()
	edit := func(old, is string) func(a *auditor) {
		return func(a *auditor) {
			value := a.store.Value(key("grant/a", 2))
			if !bytes.Contains(value, []byte(old)) {
				a.t.Fatal("there is nothing to edit")
			}
			a.store.Set(key("grant/a", 2), bytes.Replace(value, []byte(old), []byte(is), 1))
		}
	}
	for name, test := range map[string]struct {
		tamper func(a *auditor)
		want   []string
	}{
		"an old entry is edited": {edit("entry 2", "entry X"), []string{
			"grant/a entry 2: another entry than the one seen on 2030-01-31T10:00:00Z: sha256:", "grant/a entry 3: it does not follow"}},
		"an old entry is garbage": {edit("{", "x"), []string{"grant/a entry 2: another entry", "grant/a entry 2: the record is broken"}},
		"the last entry is gone": {func(a *auditor) { a.store.Drop(key("grant/a", 4)) },
			[]string{"grant/a entry 4: gone: seen on 2030-01-31T10:00:00Z; the chain was cut short, and ends at entry 3"}},
		"the end of a chain is gone": {func(a *auditor) { a.store.Drop(key("grant/a", 4)); a.store.Drop(key("grant/a", 3)) },
			[]string{"grant/a entries 3 to 4: gone: seen"}},
		"an entry in the middle is gone": {func(a *auditor) { a.store.Drop(key("grant/a", 2)) },
			[]string{"grant/a entry 2: gone from the middle", "grant/a entry 2: it is missing"}},
		"a chain is gone": {func(a *auditor) { a.store.Drop(key("grant/b", 1)); a.store.Drop(key("grant/b", 2)) },
			[]string{"grant/b entries 1 to 2: gone, and with it the whole chain"}},
		"a chain is written again": {func(a *auditor) {
			for i := range 4 {
				a.store.Drop(key("grant/a", i+1))
			}
			chain := ledger.Chain{Name: "grant/a"}
			for range 5 {
				var err error
				chain, err = a.book.Append(context.Background(), chain, ledger.LiftBody{})
				must(a.t, err)
			}
		}, []string{"grant/a entries 1 to 4: another entry"}},
		"the end of a chain is written again": {func(a *auditor) {
			a.store.Drop(key("grant/a", 4))
			chain, err := a.book.Read(context.Background(), "grant/a")
			must(a.t, err)
			_, err = a.book.Append(context.Background(), chain, ledger.LiftBody{})
			must(a.t, err)
		}, []string{"grant/a entry 4: another entry"}},
		"two entries change their places": {func(a *auditor) {
			two, three := a.store.Value(key("grant/a", 2)), a.store.Value(key("grant/a", 3))
			a.store.Set(key("grant/a", 2), three)
			a.store.Set(key("grant/a", 3), two)
		}, []string{"grant/a entry 2: it was written as entry 3", "grant/a entries 2 to 3: another entry", "grant/a entry 3: it was written as entry 2"}},
		"a key is put in": {func(a *auditor) { a.store.Set("grant/a/x", []byte("x")) }, []string{"grant/a/x: this key is none of a ledger's"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuditor(t)
			a.grow("grant/a", 4)
			a.grow("grant/b", 2)
			a.look()
			intact := a.store.Copy()
			test.tamper(a)
			for look := range 3 {
				report := a.look()
				got := []string{}
				for _, finding := range report.Findings {
					got = append(got, finding.String())
				}
				for _, want := range test.want {
					if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, want) }) {
						t.Errorf("look %d: %q is not among %q", look, want, got)
					}
				}
				if len(got) > len(test.want)+1 {
					t.Errorf("look %d: %q", look, got)
				}
				if !report.CopyOf.IsZero() {
					t.Errorf("look %d: it is no copy of %s", look, report.CopyOf)
				}
				a.reopen()
			}
			// Put back as it was: what was gone is back, and what was other is told.
			a.swap(intact)
			forked := strings.Contains(strings.Join(test.want, ""), "another entry")
			for range 2 {
				report := a.look()
				if report.OK() == forked {
					t.Errorf("put back: %v", report.Findings)
				}
				if forked && !strings.Contains(report.Findings[0].String(), "another entry stood here on 2030-01-31T11:00:00Z") {
					t.Errorf("put back: %v", report.Findings)
				}
			}
		})
	}
}

// The whole ledger is replaced by yesterday's copy, and written on from there.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.grow("grant/a", 3)
	a.look() // 10:00
	copied := a.store.Copy()
	a.grow("grant/a", 2)
	a.grow("grant/b", 1)
	a.look() // 11:00
	a.swap(copied)
	report := a.look() // 12:00
	wantFound(t, report, "grant/a entries 4 to 5: gone", "grant/b entry 1: gone, and with it the whole chain")
	if want := dawn.Add(time.Hour); !report.CopyOf.Equal(want) {
		t.Errorf("a copy of %s, want %s", report.CopyOf, want)
	}
	chain, err := a.book.Read(t.Context(), "grant/a")
	must(t, err)
	_, err = a.book.Append(t.Context(), chain, ledger.LiftBody{}, ledger.LiftBody{}, ledger.LiftBody{})
	must(t, err)
	for range 2 {
		report = a.look()
		wantFound(t, report, "grant/a entries 4 to 5: another entry than the one seen on 2030-01-31T11:00:00Z", "grant/b entry 1: gone")
		if want := dawn.Add(time.Hour); !report.CopyOf.Equal(want) {
			t.Errorf("a copy of %s, want %s", report.CopyOf, want)
		}
	}
	if report.New != 0 || a.disk.Memory.Entries() != 8 {
		t.Errorf("%d new, %d entries are remembered: entry 6 is seen once", report.New, a.disk.Memory.Entries())
	}
}

// Two people are shown two ledgers: the memory keeps both entries of one
// number, whichever stands there now.
func TestFork(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.grow("grant/a", 1)
	left, right := a.store, a.store.Copy()
	a.grow("grant/a", 1)
	a.look()
	a.swap(right)
	chain, err := a.book.Read(t.Context(), "grant/a")
	must(t, err)
	_, err = a.book.Append(t.Context(), chain, ledger.LiftBody{Reason: "the other"})
	must(t, err)
	for _, side := range []*storetest.Memory{right, left, right, left} {
		a.swap(side)
		report := a.look()
		wantFound(t, report, "grant/a entry 2: another entry")
		if f := report.Findings[0]; f.Kind != witness.FoundOther || f.Was == "" || f.Is == "" || f.Was == f.Is {
			t.Errorf("found %+v", f)
		}
		a.reopen()
	}
	if log := a.log(); strings.Count(log, `"kind":"other"`) != 1 {
		t.Errorf("the other entry is recorded %d times:\n%s", strings.Count(log, `"kind":"other"`), log)
	}
}

func TestAnotherLedger(t *testing.T) {
	t.Parallel()
	a, b := newAuditor(t), newAuditor(t)
	a.grow("grant/a", 2)
	a.look()
	before := a.disk.Memory.Entries()
	mine := a.store
	a.swap(b.store)
	wantFound(t, a.look(), "this is ledger "+b.book.ID()+", and this memory is of ledger")
	report, records := a.disk.Memory.Compare(witness.Nothing(), a.now)
	must(t, a.disk.Commit(records, a.now))
	wantFound(t, report, "there is no ledger here, and this witness has seen 3 entries")
	if a.disk.Memory.Entries() != before {
		t.Errorf("%d entries are remembered, of another ledger too", a.disk.Memory.Entries())
	}
	a.swap(mine)
	if report := a.look(); !report.OK() {
		t.Error(report.Findings)
	}
	if log := a.log(); !strings.Contains(log, `"kind":"stranger","time":"2030-01-31T11:00:00Z","ledger":"`+b.book.ID()) {
		t.Errorf("the other ledger is not remembered:\n%s", log)
	}
}

// A root chain that cannot be read is found, and nothing is forgotten.
func TestBrokenRoot(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.look()
	root := a.store.Value(key("root", 1))
	a.store.Set(key("root", 1), []byte("x"))
	_, err := ledger.Open(t.Context(), a.store, "test")
	report, records := a.disk.Memory.Compare(witness.Broken(a.book.ID(), err), a.now)
	wantFound(t, report, "root entry 1: the record is broken")
	if len(records) > 0 {
		t.Errorf("recorded %v", records)
	}
	a.store.Set(key("root", 1), root)
	if report := a.look(); !report.OK() {
		t.Error(report.Findings)
	}
}

// An entry of a newer release is no fault: a note says that it cannot be read.
func TestNewerRelease(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.grow("grant/a", 1)
	a.look()
	novel := bytes.Replace(a.store.Value(key("grant/a", 1)), []byte("block@1"), []byte("block@9"), 1)
	a.store.Set(key("grant/b", 1), novel)
	report := a.look()
	if !report.OK() || len(report.Notes) != 1 || !strings.Contains(report.Notes[0].String(), "grant/b entry 1: type block@9") {
		t.Errorf("%+v", report)
	}
}

// After a restore somebody accepts what is there, with a reason: it counts from
// then on, is told no more, and nothing is forgotten. Nothing else does that.
func TestAccept(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	a.grow("grant/a", 3)
	a.grow("grant/b", 1)
	a.look()
	if a.accept("nothing") {
		t.Error("accepted where there was nothing to accept")
	}
	restored := a.store.Copy()
	a.grow("grant/a", 2)
	a.grow("grant/c", 2)
	a.look()
	a.swap(restored)
	a.store.Set(key("grant/b", 1), []byte("x"))
	a.store.Set("grant/x", []byte("x"))
	chain, err := a.book.Read(t.Context(), "grant/a")
	must(t, err)
	_, err = a.book.Append(t.Context(), chain, ledger.LiftBody{})
	must(t, err)
	if a.look().OK() {
		t.Fatal("nothing was found")
	}
	if !a.accept("restored, CHG-1234") {
		t.Fatal("there was nothing to accept")
	}
	for range 2 {
		a.reopen()
		if report := a.look(); !report.OK() || len(report.Notes) != 2 { // the faults that were accepted
			t.Errorf("%v, %v", report.Findings, report.Notes)
		}
	}
	log := a.log()
	for _, want := range []string{`"kind":"accepted"`, `"reason":"restored, CHG-1234"`, `"kind":"holds"`, `"kind":"dropped"`, `"kind":"gone"`, `"kind":"other"`} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in the log:\n%s", want, log)
		}
	}
	// What was accepted holds as what was seen first did.
	a.store.Drop(key("grant/a", 4))
	wantFound(t, a.look(), "grant/a entry 4: gone")
	if _, err := a.disk.Memory.Accept(witness.Nothing(), "x", a.now); err == nil {
		t.Error("accepted that there is no ledger")
	}
}

// Whatever is done to the store between two looks: the witness is content
// exactly when every entry that it ever saw is there as it was.
func TestEveryLossIsFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a := newAuditor(t)
		defer func() { _ = a.disk.Close() }()
		chains := []string{"grant/a", "grant/b", "policy"}
		seen, forked := map[string]string{}, map[string]bool{}
		var copies []*storetest.Memory
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			chain := rapid.SampledFrom(chains).Draw(r, "chain")
			seq := rapid.IntRange(1, 6).Draw(r, "seq")
			switch rapid.SampledFrom([]string{"grow", "grow", "edit", "drop", "copy", "restore"}).Draw(r, "step") {
			case "grow":
				if read, err := a.book.Read(t.Context(), chain); err == nil {
					_, err = a.book.Append(t.Context(), read, ledger.BlockBody{Reason: rapid.StringMatching("[a-c]").Draw(r, "reason")})
					must(t, err)
				}
			case "edit":
				if a.store.Value(key(chain, seq)) != nil {
					a.store.Set(key(chain, seq), []byte(rapid.StringMatching("[a-c]").Draw(r, "value")))
				}
			case "drop":
				a.store.Drop(key(chain, seq))
			case "copy":
				copies = append(copies, a.store.Copy())
			case "restore":
				if len(copies) > 0 {
					a.swap(rapid.SampledFrom(copies).Draw(r, "copy").Copy())
				}
			}
			if !rapid.Bool().Draw(r, "look") {
				continue
			}
			report, wrong := a.look(), false
			keys, err := a.store.List(t.Context(), "")
			must(t, err)
			for _, k := range keys {
				is := string(a.store.Value(k))
				if first, known := seen[k]; known && first != is {
					forked[k] = true
				} else if !known {
					seen[k] = is
				}
			}
			for k, first := range seen {
				wrong = wrong || forked[k] || string(a.store.Value(k)) != first
			}
			found := slices.ContainsFunc(report.Findings, func(f witness.Finding) bool { return f.Kind != witness.FoundFault })
			if found != wrong {
				r.Fatalf("found %v, want %t", report.Findings, wrong)
			}
			if rapid.Bool().Draw(r, "reopen") {
				a.reopen()
			}
			if rapid.Bool().Draw(r, "accept") {
				a.accept("a test")
				seen, forked = map[string]string{}, map[string]bool{}
				for _, k := range keys {
					seen[k] = string(a.store.Value(k))
				}
			}
		}
	})
}
