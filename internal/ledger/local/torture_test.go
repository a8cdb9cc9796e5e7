package local_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver/killpoint"
)

// few is how many entries the role "write" appends: small ones, and one that
// needs many pages.
const few = 3

// writeFew opens the ledger, appends a few entries, and closes it. It writes a
// line for each entry that was acknowledged, and one for each that was not.
func writeFew(path string) error {
	ctx := context.Background()
	store, err := local.Open(path, time.Now, true)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, store, "test")
	if err != nil {
		return errors.Join(err, store.Close())
	}
	chain, err := l.Read(ctx, sharedChain)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	var failed error
	for i := range few {
		size := 10
		if i == 1 {
			size = 30_000
		}
		body := ledger.BlockBody{Reason: strings.Repeat("x", size), By: fmt.Sprint("written-", len(chain.Entries)+1)}
		grown, err := l.Append(ctx, chain, body)
		if err != nil {
			failed = err
			break
		}
		fmt.Println(body.By)
		chain = grown
	}
	if failed != nil {
		// Reading goes on.
		again, err := l.Read(ctx, sharedChain)
		fmt.Fprintln(os.Stderr, "read", len(again.Entries), err)
	}
	return errors.Join(failed, l.Close())
}

// tortured is a ledger with three entries, in a folder whose files can be
// copied: closed by whoever wrote it or, with hot, killed, so that what it
// wrote last is in the write-ahead log alone.
func tortured(t *testing.T, hot bool) string {
	t.Helper()
	path := made(t)
	if !hot {
		l, err := ledger.Open(t.Context(), mustOpen(t, path, true), "test")
		if err != nil {
			t.Fatal(err)
		}
		for i := range few {
			if err := storetest.AppendAtEnd(t.Context(), l, sharedChain, ledger.BlockBody{By: fmt.Sprint("before-", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	calls := watch(t, path)
	last := 0
	for i, call := range calls {
		if strings.Contains(call, "sync") && strings.HasSuffix(call, "-wal") {
			last = i
		}
	}
	kill(t, path, last+1, killpoint.KillAfter)
	if info, err := os.Stat(filepath.Join(path, local.FileName+"-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("there is no write-ahead log: %v", err)
	}
	return path
}

// copied copies a ledger's files, but not those that only live processes share.
func copied(t testing.TB, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), ".nhi")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{local.FileName, local.FileName + "-wal"} {
		data, err := os.ReadFile(filepath.Join(path, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func plan(path string, at int, do killpoint.Action) killpoint.Plan {
	return killpoint.Plan{
		Args: []string{os.Args[0]}, Dir: filepath.Dir(path), At: at, Do: do,
		Env: append(os.Environ(), envWrite+"="+path, "GOMAXPROCS=1", "GOGC=off"),
	}
}

// watch returns the calls of one undisturbed run on a copy.
func watch(t *testing.T, original string) []string {
	t.Helper()
	outcome, err := killpoint.Run(plan(copied(t, original), 0, killpoint.Watch))
	if errors.Is(err, killpoint.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || outcome.Code != 0 || len(strings.Fields(outcome.Output)) != few {
		t.Fatalf("%v: %+v", err, outcome)
	}
	return outcome.Calls
}

func kill(t *testing.T, path string, at int, do killpoint.Action) killpoint.Outcome {
	t.Helper()
	outcome, err := killpoint.Run(plan(path, at, do))
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// entriesOf opens a ledger, requires it to be sound and to go on, and returns
// who wrote the entries of the shared chain.
func entriesOf(path string) (by []string, err error) {
	ctx := context.Background()
	store, err := local.Open(path, time.Now, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	l, err := ledger.Open(ctx, store, "test")
	if err != nil {
		return nil, err
	}
	faults, err := l.Verify(ctx)
	if err != nil || len(faults) > 0 {
		return nil, fmt.Errorf("%v, %w", faults, err)
	}
	chain, err := l.Read(ctx, sharedChain)
	if err != nil {
		return nil, err
	}
	for _, entry := range chain.Entries {
		by = append(by, entry.Body.(ledger.BlockBody).By)
	}
	_, err = l.Append(ctx, chain, ledger.BlockBody{By: "after"})
	return by, err
}

// requireKept fails where an acknowledged entry is missing, or where more is
// there than the one that was being written.
func requireKept(path, output string, before []string) error {
	acknowledged := slices.Concat(before, strings.Fields(output))
	by, err := entriesOf(path)
	switch {
	case err != nil:
		return err
	case len(by) < len(acknowledged) || !slices.Equal(by[:len(acknowledged)], acknowledged):
		return fmt.Errorf("acknowledged %q, and there is %q", acknowledged, by)
	case len(by) > len(acknowledged)+1:
		return fmt.Errorf("acknowledged %q, and there is more: %q", acknowledged, by)
	}
	return nil
}

// The process is killed just before every call that changes the disk, and just
// after every sync, of a few appends, from opening the ledger to closing it: every acknowledged
// entry is there, the next one is there wholly or not at all, and the ledger
// goes on.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, hot := range []bool{false, true} {
		t.Run(fmt.Sprintf("hot=%t", hot), func(t *testing.T) {
			t.Parallel()
			original := tortured(t, hot)
			before, err := entriesOf(copied(t, original))
			if err != nil {
				t.Fatal(err)
			}
			calls := watch(t, original)
			kinds, kills, unacknowledged := map[string]int{}, 0, 0
			for i, call := range calls {
				name, _, _ := strings.Cut(call, " ")
				kinds[name]++
				actions := []killpoint.Action{killpoint.KillBefore}
				if strings.Contains(name, "sync") || i == len(calls)-1 {
					// Behind any other call, the disk is as before the next one.
					actions = append(actions, killpoint.KillAfter)
				}
				for _, do := range actions {
					path := copied(t, original)
					outcome := kill(t, path, i+1, do)
					if outcome.Killed {
						kills++
					}
					if err := requireKept(path, outcome.Output, before); err != nil {
						t.Errorf("killed at call %d, %s (after it: %t): %v", i+1, call, do == killpoint.KillAfter, err)
					}
					if len(strings.Fields(outcome.Output)) < few {
						unacknowledged++
					}
				}
			}
			if kills < len(calls) || unacknowledged == 0 || kinds["pwrite64"] == 0 || kinds["fsync"]+kinds["fdatasync"] < few {
				t.Errorf("%d kills at %d calls: %v", kills, len(calls), calls)
			}
			t.Logf("%d kills at %d calls: %v", kills, len(calls), slices.Sorted(maps.Keys(kinds)))
		})
	}
}

// The write-ahead log is cut at every byte behind the last acknowledged sync,
// with nothing behind the cut, or garbage: every acknowledged entry is there,
// and the one after it wholly or not at all.
func TestWriteAheadLogCutAtEveryByte(t *testing.T) {
	t.Parallel()
	path := made(t)
	l, err := ledger.Open(t.Context(), mustOpen(t, path, true), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type state struct{ db, wal []byte }
	var states []state
	for i := range few {
		if err := storetest.AppendAtEnd(t.Context(), l, sharedChain, ledger.BlockBody{By: fmt.Sprint("written-", i)}); err != nil {
			t.Fatal(err)
		}
		// The writer is between two appends: its files do not change.
		saved := copied(t, path)
		var s state
		for name, into := range map[string]*[]byte{"": &s.db, "-wal": &s.wal} {
			if *into, err = os.ReadFile(filepath.Join(saved, local.FileName+name)); err != nil {
				t.Fatal(err)
			}
		}
		states = append(states, s)
	}
	acknowledged, next := states[few-2], states[few-1]
	if len(next.wal) <= len(acknowledged.wal) || string(next.wal[:len(acknowledged.wal)]) != string(acknowledged.wal) || string(next.db) != string(acknowledged.db) {
		t.Fatal("the last append did more than to add to the log")
	}
	step := 1
	if testing.Short() || os.Getenv("NHI_REQUIRE_SERVERS") == "" { // make testacc cuts at every byte
		step = 101
	}
	cuts := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]int{}
	for range 4 {
		dir := inMemory(t)
		workers.Go(func() {
			for end := range cuts {
				garbage := end%2 == 1 // a page that was torn
				n, err := countAfterCut(dir, next.db, cutAt(next.wal, end, garbage))
				if err != nil {
					t.Errorf("cut at byte %d (garbage: %t): %v", end, garbage, err)
				}
				mu.Lock()
				seen[n]++
				mu.Unlock()
			}
		})
	}
	for end := len(acknowledged.wal); end <= len(next.wal); end += step {
		cuts <- end
	}
	close(cuts)
	workers.Wait()
	if len(seen) > 2 || seen[few-1] == 0 || step == 1 && seen[few] == 0 {
		t.Errorf("entries, and how often: %v", seen)
	}
	t.Logf("%d bytes were cut; entries, and how often: %v", len(next.wal)-len(acknowledged.wal), seen)
}

// inMemory returns a new folder, in memory where the machine has such a place:
// what is checked there is what SQLite reads, and no sync.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "nhi-local-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// cutAt returns a log up to end and, with garbage, as long as it was, with
// other bytes behind that.
func cutAt(wal []byte, end int, garbage bool) []byte {
	cut := slices.Clone(wal[:end])
	if garbage {
		for _, b := range wal[end:] {
			cut = append(cut, b^0xa5)
		}
	}
	return cut
}

// countAfterCut opens a ledger of these bytes, checks that every entry up to
// the last but one is there and well, and returns how many there are.
func countAfterCut(dir string, db, wal []byte) (n int, err error) {
	old, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return 0, err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return 0, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, local.FileName), db, 0o600); err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(dir, local.FileName+"-wal"), wal, 0o600); err != nil {
		return 0, err
	}
	store, err := local.Open(dir, time.Now, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	l, err := ledger.Open(context.Background(), store, "test")
	if err != nil {
		return 0, err
	}
	chain, err := l.Read(context.Background(), sharedChain)
	if err == nil && (len(chain.Entries) < few-1 || len(chain.Entries) > few) {
		err = fmt.Errorf("%d entries", len(chain.Entries))
	}
	return len(chain.Entries), err
}
