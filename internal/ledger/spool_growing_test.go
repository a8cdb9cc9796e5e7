package ledger_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	begun    = ledger.IntentBody{Verb: ledger.VerbActivate, Reason: "emergency", Text: "nhi emergency 1\n", Targets: map[string]ledger.Target{"db": target}}
	prepared = ledger.EffectBody{Step: "prepare", Targets: map[string]ledger.Target{"db": target}}
	consumed = ledger.UseBody{Request: nhi.DigestOf("x")}
)

// A record that grows is one file, whose parts are written to the ledger once
// each, also when it was flushed while it was growing.
func TestSpoolGrows(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, _ := newSpool(t, l)
	growing := spool.Grow("grant/a")
	wantPending(t, spool, 0)
	for _, body := range []ledger.Body{begun, prepared} {
		if err := growing.Append(body); err != nil {
			t.Fatal(err)
		}
		wantPending(t, spool, 1)
	}
	put(t, spool, "grant/a", removal)
	flush(t, spool, l, 2)
	wantBodies(t, l, "grant/a", begun, prepared, removal)
	if err := growing.Append(consumed); err != nil {
		t.Fatal(err)
	}
	flush(t, spool, l, 1)
	wantBodies(t, l, "grant/a", begun, prepared, removal, consumed)
}

func TestSpoolGrowsOrStays(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, _ := newSpool(t, l)
	growing := spool.Grow("grant/a")
	if err := growing.Append(begun); err != nil {
		t.Fatal(err)
	}
	if err := growing.Append(prepared, nil); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("err = %v, want ErrInvalid", err)
	}
	flush(t, spool, l, 1)
	wantBodies(t, l, "grant/a", begun)
}

func TestNotes(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t)
	spool, dir := newSpool(t, l)
	if _, err := spool.Noted("abc"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want none there", err)
	}
	var won int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			err := ledger.NewSpool(filepath.Dir(dir), l.ID()).NoteNew("abc", []byte("one"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, ledger.ErrNoted) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if won != 1 {
		t.Errorf("%d made the note, want one", won)
	}
	if err := spool.Note("abc", []byte("two")); err != nil {
		t.Fatal(err)
	}
	flush(t, spool, l, 0)
	if data, err := spool.Noted("abc"); err != nil || string(data) != "two" {
		t.Errorf("the note is %q, %v", data, err)
	}
	for range 2 {
		if err := spool.NoteGone("abc"); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "../x", "a/b", "A", ".."} {
		if err := spool.NoteNew(name, nil); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", name, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "notes")); err != nil || len(left) != 0 {
		t.Errorf("%d notes are left, %v", len(left), err)
	}
}
