package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// tampering is one way to change a chain of five entries behind the ledger's
// back.
type tampering struct {
	name   string
	change func(t *testing.T, l *ledger.Ledger, store *storetest.Memory)
	intact int // entries that a reader may still use
	seq    uint64
	err    error
	faults []uint64 // the entries that verify names
}

const victim = "grant/dev%2Fteam%2Frobot:default"

// rewrite decodes entry seq, changes it, and stores it in canonical form.
func rewrite(t *testing.T, store *storetest.Memory, seq int, change func(*ledger.Entry)) {
	t.Helper()
	entry, err := ledger.DecodeEntry(store.Value(key(victim, seq)))
	if err != nil {
		t.Fatal(err)
	}
	change(&entry)
	store.Set(key(victim, seq), encode(t, entry))
}

func tamperings() []tampering {
	type store = storetest.Memory
	rewritten := func(seq int, change func(*ledger.Entry)) func(*testing.T, *ledger.Ledger, *store) {
		return func(t *testing.T, _ *ledger.Ledger, s *store) { rewrite(t, s, seq, change) }
	}
	return []tampering{
		{"a body edited", rewritten(2, func(e *ledger.Entry) { e.Body = ledger.LiftBody{Reason: "forged"} }), 2, 3, ledger.ErrBroken, []uint64{3}},
		{"a writer edited", rewritten(1, func(e *ledger.Entry) { e.Writer = "somebody" }), 1, 2, ledger.ErrBroken, []uint64{2}},
		{"a time edited", rewritten(4, func(e *ledger.Entry) { e.Time = e.Time.Add(-time.Hour) }), 4, 5, ledger.ErrBroken, []uint64{5}},
		{"a link edited", rewritten(5, func(e *ledger.Entry) { e.Prev = nhi.DigestOf("x") }), 4, 5, ledger.ErrBroken, []uint64{5}},
		{"no link", rewritten(5, func(e *ledger.Entry) { e.Prev = "" }), 4, 5, ledger.ErrBroken, []uint64{5}},
		{"a number edited", rewritten(5, func(e *ledger.Entry) { e.Seq = 6 }), 4, 5, ledger.ErrBroken, []uint64{5}},
		{"another ledger's", rewritten(5, func(e *ledger.Entry) { e.Ledger = ledgerID }), 4, 5, ledger.ErrBroken, []uint64{5}},
		{"another chain's", rewritten(5, func(e *ledger.Entry) { e.Chain = "grant/other" }), 4, 5, ledger.ErrBroken, []uint64{5}},
		{"from the future", rewritten(5, func(e *ledger.Entry) { e.Time = noon.Add(ledger.MaxAhead + time.Millisecond) }), 5, 5, ledger.ErrAhead, []uint64{5}},
		{"one byte", func(_ *testing.T, _ *ledger.Ledger, s *store) {
			data := s.Value(key(victim, 3))
			data[len(data)/2] ^= 1
			s.Set(key(victim, 3), data)
		}, 2, 3, ledger.ErrBroken, nil},
		{"cut short", func(_ *testing.T, _ *ledger.Ledger, s *store) {
			s.Set(key(victim, 3), s.Value(key(victim, 3))[:10])
		}, 2, 3, ledger.ErrBroken, []uint64{3}},
		{"emptied", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Set(key(victim, 3), nil) }, 2, 3, ledger.ErrBroken, []uint64{3}},
		{"other bytes for the same", func(_ *testing.T, _ *ledger.Ledger, s *store) {
			s.Set(key(victim, 5), append(s.Value(key(victim, 5)), '\n'))
		}, 4, 5, ledger.ErrBroken, []uint64{5}},
		{"unknown type", func(_ *testing.T, _ *ledger.Ledger, s *store) {
			s.Set(key(victim, 5), bytes.Replace(s.Value(key(victim, 5)), []byte("block@1"), []byte("block@2"), 1))
		}, 4, 5, ledger.ErrUnknownEntry, []uint64{5}},
		{"deleted in the middle", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Drop(key(victim, 3)) }, 2, 3, ledger.ErrBroken, []uint64{3}},
		{"deleted, many", func(_ *testing.T, _ *ledger.Ledger, s *store) {
			s.Drop(key(victim, 2))
			s.Drop(key(victim, 3))
		}, 1, 2, ledger.ErrBroken, []uint64{2}},
		{"the first deleted", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Drop(key(victim, 1)) }, 0, 1, ledger.ErrBroken, []uint64{1}},
		{"reordered", func(_ *testing.T, _ *ledger.Ledger, s *store) {
			second, third := s.Value(key(victim, 2)), s.Value(key(victim, 3))
			s.Set(key(victim, 2), third)
			s.Set(key(victim, 3), second)
		}, 1, 2, ledger.ErrBroken, []uint64{2, 3}},
		{"duplicated", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Set(key(victim, 6), s.Value(key(victim, 5))) }, 5, 6, ledger.ErrBroken, []uint64{6}},
		{"inserted", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Set(key(victim, 9), s.Value(key(victim, 5))) }, 5, 6, ledger.ErrBroken, []uint64{6, 9}},
		{"a fork", func(t *testing.T, l *ledger.Ledger, s *store) {
			other := reopen(t, s.Copy())
			chain, err := other.Read(t.Context(), victim)
			if err != nil {
				t.Fatal(err)
			}
			fork, err := other.Append(t.Context(), ledger.Chain{Name: "grant/fork", Entries: chain.Entries[:2]}, ledger.LiftBody{Reason: "forged"})
			if err != nil {
				t.Fatal(err)
			}
			forged := fork.Entries[2]
			forged.Chain = victim
			s.Set(key(victim, 3), encode(t, forged))
		}, 3, 4, ledger.ErrBroken, []uint64{4}},
		{"a foreign key below", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Set(victim+"/00000003.bak", []byte("x")) }, 3, 4, ledger.ErrBroken, []uint64{0}},
		{"a short number", func(_ *testing.T, _ *ledger.Ledger, s *store) { s.Set(victim+"/6", []byte("x")) }, 5, 6, ledger.ErrBroken, []uint64{0}},
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	for _, test := range tamperings() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, store := newLedger(t)
			before := grow(t, l, victim, 5)
			bystander := grow(t, l, "grant/other", 2)
			test.change(t, l, store)
			l = reopen(t, store)

			chain, err := l.Read(t.Context(), victim)
			var fault *ledger.ChainError
			if !errors.Is(err, test.err) || !errors.As(err, &fault) {
				t.Fatalf("read: %v, want a ChainError of %v", err, test.err)
			}
			if fault.Chain != victim || fault.Seq != test.seq {
				t.Errorf("it names entry %d of %s, want %d", fault.Seq, fault.Chain, test.seq)
			}
			if len(chain.Entries) != test.intact {
				t.Errorf("%d intact entries, want %d", len(chain.Entries), test.intact)
			}
			if head := chain.Head(); test.intact > 0 && test.intact < int(test.seq)-1 && head.Hash != before.Entries[test.intact-1].Hash() {
				t.Errorf("the intact entries are not what was written")
			}
			wantAppend(t, l, store, chain, test.err)

			if other, err := l.Read(t.Context(), bystander.Name); err != nil || other.Head() != bystander.Head() {
				t.Errorf("another chain: %v, %v", other.Head(), err)
			}
		})
	}
}

// wantAppend holds when a broken chain takes no entry, and one that is merely
// ahead does.
func wantAppend(t *testing.T, l *ledger.Ledger, store *storetest.Memory, chain ledger.Chain, readErr error) {
	t.Helper()
	before, _ := store.List(t.Context(), "")
	_, err := l.Append(t.Context(), chain, ledger.BlockBody{Reason: "removed"})
	after, _ := store.List(t.Context(), "")
	if errors.Is(readErr, ledger.ErrAhead) {
		if err != nil || len(after) != len(before)+1 {
			t.Errorf("append to a chain that is ahead: %v", err)
		}
		return
	}
	if !errors.Is(err, readErr) || !slices.Equal(before, after) {
		t.Errorf("append to a broken chain: %v, want %v", err, readErr)
	}
}

func TestVerifyFindsEach(t *testing.T) {
	t.Parallel()
	for _, test := range tamperings() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, store := newLedger(t)
			grow(t, l, victim, 5)
			grow(t, l, "grant/other", 2)
			if faults, err := l.Verify(t.Context()); err != nil || len(faults) != 0 {
				t.Fatalf("before: %v, %v", faults, err)
			}
			test.change(t, l, store)
			faults, err := l.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seqs := []uint64{}
			for _, fault := range faults {
				if !strings.HasPrefix(fault.Chain, victim) || fault.Reason == "" {
					t.Errorf("fault of another chain: %s", fault)
				}
				seqs = append(seqs, fault.Seq)
			}
			// One changed byte shows in the entry or in the next one.
			if test.faults == nil && len(seqs) == 1 && (seqs[0] == 3 || seqs[0] == 4) {
				return
			}
			if !slices.Equal(seqs, test.faults) {
				t.Errorf("verify names %v, want %v: %v", seqs, test.faults, faults)
			}
		})
	}
}

func TestVerifyFindsAllInOnePass(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	for _, name := range []string{"approval/a", "grant/a", "grant/b", "identity/a", "identity/b", ledger.PolicyChain} {
		grow(t, l, name, 6)
	}
	store.Set(key("approval/a", 2), []byte("x"))
	store.Set(key("approval/a", 5), []byte("y"))
	store.Drop(key("grant/a", 2))
	store.Drop(key("grant/a", 5))
	store.Set(key("identity/a", 1), store.Value(key("identity/b", 1)))
	store.Set("notes.txt", []byte("x"))
	store.Drop(key(ledger.PolicyChain, 1))
	faults, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"approval/a entry 2:", "approval/a entry 5:", "grant/a entry 2:", "grant/a entry 5:", "identity/a entry 1:",
		"notes.txt:", "policy entry 1:",
	}
	got := []string{}
	for _, fault := range faults {
		text, _, _ := strings.Cut(fault.String(), ": ")
		got = append(got, text+":")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q\n%v", got, want, faults)
	}
}

// A clock that is five minutes off is as good as a right one; more is not.
func TestFiveMinutesAhead(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	store.SetClock(func() time.Time { return noon.Add(ledger.MaxAhead) })
	chain := grow(t, l, victim, 2)
	store.SetClock(func() time.Time { return noon })
	if _, err := l.Read(t.Context(), victim); err != nil {
		t.Errorf("five minutes ahead: %v", err)
	}
	store.SetClock(func() time.Time { return noon.Add(-time.Second) })
	read, err := l.Read(t.Context(), victim)
	if !errors.Is(err, ledger.ErrAhead) || read.Head() != chain.Head() {
		t.Errorf("more than five minutes ahead: %v, %v, want the whole chain and ErrAhead", read.Head(), err)
	}
}

// Whatever key is read, an entry of it is never taken for one of another.
func TestEntriesCannotBeMoved(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	grow(t, l, "grant/a", 3)
	for seq := 1; seq <= 3; seq++ {
		store.Set(key("grant/b", seq), store.Value(key("grant/a", seq)))
	}
	if chain, err := l.Read(t.Context(), "grant/b"); !errors.Is(err, ledger.ErrBroken) || len(chain.Entries) != 0 {
		t.Errorf("a copied chain: %d entries, %v", len(chain.Entries), err)
	}
}

func TestReadRefusesOtherNames(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	for _, name := range []string{"", "grant", "grant/a/b", "grant/../root", "root/00000001"} {
		if _, err := l.Read(t.Context(), name); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", name, err)
		}
	}
}

// Reading one chain asks the store for that chain's keys and entries alone.
func TestReadCostsOneChain(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	for _, name := range []string{"grant/a", "grant/a-b", "grant/b"} {
		grow(t, l, name, 3)
	}
	asked := []string{}
	store.Before(func(op, key string) error {
		asked = append(asked, op+" "+key)
		return nil
	})
	if _, err := l.Read(t.Context(), "grant/a"); err != nil {
		t.Fatal(err)
	}
	want := []string{"list grant/a/", "now ", "get grant/a/00000001", "get grant/a/00000002", "get grant/a/00000003"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}
