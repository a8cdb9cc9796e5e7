package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	store.SetClock(func() time.Time { return noon.Add(1234567 * time.Nanosecond).In(time.FixedZone("", 3600)) })
	empty := ledger.Chain{Name: "grant/a"}
	one, err := l.Append(t.Context(), empty, ledger.VerificationBody{Epoch: 1}, ledger.BlockBody{Reason: "two"})
	if err != nil {
		t.Fatal(err)
	}
	three, err := l.Append(t.Context(), one, ledger.LiftBody{Reason: "three"})
	if err != nil {
		t.Fatal(err)
	}
	read, err := l.Read(t.Context(), "grant/a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read.Entries, three.Entries); diff != "" {
		t.Errorf("(-read +appended)\n%s", diff)
	}
	if len(empty.Entries) != 0 || len(one.Entries) != 2 || len(three.Entries) != 3 {
		t.Errorf("%d, %d and %d entries", len(empty.Entries), len(one.Entries), len(three.Entries))
	}
	for i, entry := range read.Entries {
		prev, _ := read.HashAt(uint64(i))
		want := ledger.Entry{Ledger: l.ID(), Chain: "grant/a", Seq: uint64(i) + 1, Prev: prev, Time: noon.Add(time.Millisecond), Writer: writer, Body: entry.Body}
		if diff := cmp.Diff(want, entry); diff != "" {
			t.Errorf("entry %d: (-want +got)\n%s", i+1, diff)
		}
	}
}

func TestAppendConflict(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	old := grow(t, l, "grant/a", 2)
	grow(t, l, "grant/a", 1)
	grown, err := l.Append(t.Context(), old, ledger.BlockBody{Reason: "late"})
	if !errors.Is(err, ledger.ErrConflict) || len(grown.Entries) != 2 {
		t.Errorf("%d entries, %v, want 2 and ErrConflict", len(grown.Entries), err)
	}
	chain, err := l.Read(t.Context(), "grant/a")
	if err != nil || len(chain.Entries) != 3 {
		t.Errorf("%d entries, %v", len(chain.Entries), err)
	}
}

// Another writer comes between two entries of one call.
func TestAppendConflictHalfWay(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	creates := 0
	store.Before(func(op, at string) error {
		if op == "create" {
			if creates++; creates == 2 {
				store.Set(at, []byte("another writer's"))
			}
		}
		return nil
	})
	grown, err := l.Append(t.Context(), ledger.Chain{Name: "grant/a"}, ledger.BlockBody{Reason: "one"}, ledger.BlockBody{Reason: "two"})
	if !errors.Is(err, ledger.ErrConflict) || len(grown.Entries) != 1 {
		t.Errorf("%d entries, %v, want 1 and ErrConflict", len(grown.Entries), err)
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	before, _ := store.List(t.Context(), "")
	good := ledger.BlockBody{Reason: "x"}
	tests := map[string]struct {
		chain  string
		bodies []ledger.Body
	}{
		"no chain":    {"", []ledger.Body{good}},
		"not a chain": {"grant/../root", []ledger.Body{good}},
		"no body":     {"grant/a", []ledger.Body{good, nil}},
		"too long":    {"grant/a", []ledger.Body{good, ledger.PolicyBody{Document: strings.Repeat("x", ledger.MaxEntry)}}},
		"not UTF-8":   {"policy", []ledger.Body{good, ledger.PolicyBody{Document: "version = \xff"}}},
	}
	for name, test := range tests {
		_, err := l.Append(t.Context(), ledger.Chain{Name: test.chain}, test.bodies...)
		if !errors.Is(err, nhi.ErrInvalid) || errors.Is(err, ledger.ErrBroken) {
			t.Errorf("%s: %v, want ErrInvalid alone", name, err)
		}
	}
	full := ledger.Chain{Name: "grant/a", Entries: []ledger.Entry{{Seq: ledger.MaxSeq, Body: good}}}
	if _, err := l.Append(t.Context(), full, good); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("full: %v, want ErrInvalid", err)
	}
	if after, _ := store.List(t.Context(), ""); !slices.Equal(before, after) {
		t.Errorf("wrote %q", after)
	}
}

func TestBiggestEntry(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	if _, err := l.Append(t.Context(), ledger.Chain{Name: "grant/0"}, ledger.PolicyBody{}); err != nil {
		t.Fatal(err)
	}
	room := ledger.MaxEntry - len(store.Value(key("grant/0", 1)))
	const link = 100 // a later entry is that much longer, at most
	fits := ledger.PolicyBody{Document: strings.Repeat("x", room-link)}
	if _, err := l.Append(t.Context(), ledger.Chain{Name: "grant/1"}, fits); err != nil {
		t.Error(err)
	}
	if chain, err := l.Read(t.Context(), "grant/1"); err != nil || !cmp.Equal(chain.Entries[0].Body, ledger.Body(fits)) {
		t.Errorf("read: %v", err)
	}
	if _, err := l.Append(t.Context(), ledger.Chain{Name: "grant/2"}, ledger.PolicyBody{Document: strings.Repeat("x", room+1)}); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("one byte more: %v, want ErrInvalid", err)
	}
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	for _, down := range []string{"create", "get", "list", "now"} {
		l, store := newLedger(t)
		chain := grow(t, l, "grant/a", 2)
		store.Before(func(op, _ string) error {
			if op == down {
				return errDown
			}
			return nil
		})
		check := func(what string, err error) {
			t.Helper()
			if err != nil && (!errors.Is(err, nhi.ErrUnreachable) || !errors.Is(err, errDown) || errors.Is(err, ledger.ErrBroken) || errors.Is(err, ledger.ErrNoLedger)) {
				t.Errorf("%s down, %s: %v, want ErrUnreachable", down, what, err)
			}
		}
		read, readErr := l.Read(t.Context(), "grant/a")
		check("read", readErr)
		if readErr != nil && len(read.Entries) != 0 {
			t.Errorf("%s down: read returned %d entries", down, len(read.Entries))
		}
		_, appendErr := l.Append(t.Context(), chain, ledger.BlockBody{})
		check("append", appendErr)
		_, verifyErr := l.Verify(t.Context())
		check("verify", verifyErr)
		_, openErr := ledger.Open(t.Context(), store, writer)
		check("open", openErr)
		_, chainsErr := l.Chains(t.Context(), "")
		check("chains", chainsErr)
		_, createErr := ledger.Create(t.Context(), &storetest.Memory{}, storetest.Root(t), writer)
		check("create", createErr)
		wantErr := map[string][]error{"create": {appendErr}, "get": {readErr, verifyErr, openErr}, "list": {readErr, verifyErr, openErr, chainsErr}, "now": {readErr, appendErr, verifyErr, openErr}}
		for i, err := range wantErr[down] {
			if err == nil {
				t.Errorf("%s down: call %d succeeded", down, i)
			}
		}
	}
}

func TestChains(t *testing.T) {
	t.Parallel()
	l, store := newLedger(t)
	names := []string{
		ledger.ApprovalChain("dev/a/b:default"), ledger.ApprovalChain("dev/a/b:default2"), ledger.ApprovalChain("dev/a/b-c:default"),
		ledger.GrantChain("dev/a/b:default"), ledger.IdentityChain("dev/a/b"), ledger.PolicyChain,
	}
	for _, name := range names {
		grow(t, l, name, 2)
	}
	store.Set("approval/notes.txt", []byte("x"))
	tests := map[string][]string{
		"":          append(slices.Clone(names), ledger.RootChain),
		"approval/": names[:3],
		names[0]:    names[:2],
		"policy":    {ledger.PolicyChain},
		"policy/":   {},
		"policy/0":  {},
		"nothing":   {},
	}
	for prefix, want := range tests {
		want = slices.Sorted(slices.Values(want))
		got, err := l.Chains(t.Context(), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("chains %q: %q, %v, want %q", prefix, got, err, want)
		}
	}
}
