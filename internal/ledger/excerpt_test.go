package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// excerptOf copies chains of a ledger.
func excerptOf(t *testing.T, l *ledger.Ledger, change func(name string, stored []string) []string, names ...string) *ledger.Excerpt {
	t.Helper()
	excerpt := &ledger.Excerpt{Clock: func() time.Time { return noon }}
	for _, name := range names {
		chain, err := l.Read(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := chain.Stored()
		if err != nil {
			t.Fatal(err)
		}
		if err := excerpt.Add(name, change(name, stored)); err != nil {
			t.Fatal(err)
		}
	}
	return excerpt
}

func asItIs(_ string, stored []string) []string { return stored }

func TestExcerpt(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	grown := grow(t, l, "grant/a", 3)
	grow(t, l, "grant/b", 1)
	copied := reopen(t, excerptOf(t, l, asItIs, ledger.RootChain, "grant/a", "grant/empty"))
	chain, err := copied.Read(t.Context(), "grant/a")
	if err != nil || copied.ID() != l.ID() || chain.Head() != grown.Head() {
		t.Errorf("of ledger %s, the chain ends %v, %v", copied.ID(), chain.Head(), err)
	}
	names, err := copied.Chains(t.Context(), "")
	if err != nil || !cmp.Equal(names, []string{"grant/a", ledger.RootChain}) {
		t.Errorf("it holds %v, %v", names, err)
	}
	if faults, err := copied.Verify(t.Context()); err != nil || len(faults) != 0 {
		t.Errorf("faults %v, %v", faults, err)
	}
	if _, err := copied.Append(t.Context(), chain, ledger.BlockBody{}); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("append: %v, want ErrUnreachable", err)
	}
	if err := copied.Close(); err != nil {
		t.Error(err)
	}
}

func TestExcerptThatWasChanged(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	grow(t, l, "grant/a", 3)
	for name, change := range map[string]func([]string) []string{
		"edited":  func(s []string) []string { return []string{s[0], strings.Replace(s[1], "entry 2", "entry 9", 1), s[2]} },
		"cut":     func(s []string) []string { return s[1:] },
		"swapped": func(s []string) []string { return []string{s[0], s[2], s[1]} },
		"garbage": func(s []string) []string { return []string{s[0], "\x00", s[2]} },
	} {
		excerpt := excerptOf(t, l, func(chain string, stored []string) []string {
			if chain == ledger.RootChain {
				return stored
			}
			return change(stored)
		}, ledger.RootChain, "grant/a")
		if _, err := reopen(t, excerpt).Read(t.Context(), "grant/a"); !errors.Is(err, ledger.ErrBroken) {
			t.Errorf("%s: %v, want ErrBroken", name, err)
		}
	}
	excerpt := excerptOf(t, l, asItIs, ledger.RootChain)
	for _, name := range []string{ledger.RootChain, "../x", "", "grant/"} {
		if err := excerpt.Add(name, []string{"x"}); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("chain %q: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := ledger.Open(t.Context(), &ledger.Excerpt{Clock: time.Now}, writer); !errors.Is(err, ledger.ErrNoLedger) {
		t.Errorf("open of nothing: %v, want ErrNoLedger", err)
	}
}
