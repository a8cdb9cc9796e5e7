package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver/killpoint"
)

// The folder is deleted, or the file replaced, while a process has it open:
// nothing is acknowledged that nobody else will find, what was read goes on to
// be read, and the file that took the place is not written to.
func TestLostWhileOpen(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows deletes no file that is open")
	}
	for name, lose := range map[string]func(t *testing.T, path string){
		"the file is gone since it was opened": func(t *testing.T, path string) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		},
		"the file was replaced since it was opened": func(t *testing.T, path string) {
			other := made(t)
			if err := os.Rename(filepath.Join(other, local.FileName), filepath.Join(path, local.FileName)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := made(t)
			l, err := ledger.Open(t.Context(), mustOpen(t, path, true), "test")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := storetest.AppendAtEnd(t.Context(), l, sharedChain, ledger.BlockBody{Reason: "1"}); err != nil {
				t.Fatal(err)
			}
			lose(t, path)
			before := ""
			if _, err := os.Stat(path); err == nil {
				data, err := os.ReadFile(filepath.Join(path, local.FileName))
				if err != nil {
					t.Fatal(err)
				}
				before = string(data)
			}
			chain, err := l.Read(t.Context(), sharedChain)
			if err != nil || len(chain.Entries) != 1 {
				t.Errorf("read %d entries, %v", len(chain.Entries), err)
			}
			_, err = l.Append(t.Context(), chain, ledger.BlockBody{Reason: "2"})
			if !errors.Is(err, nhi.ErrUnreachable) || !strings.Contains(err.Error(), name) {
				t.Errorf("append: %v, want %q", err, name)
			}
			if before != "" {
				if data, err := os.ReadFile(filepath.Join(path, local.FileName)); err != nil || string(data) != before {
					t.Errorf("the other file was written to: %v", err)
				}
			}
		})
	}
}

// From some call on, the disk takes nothing any more: the append that meets it
// fails with words that say so, nothing that was acknowledged is lost, reading
// goes on, and so does writing when there is space again.
func TestDiskFullAtEveryWrite(t *testing.T) {
	t.Parallel()
	failing(t, killpoint.FailOn, syscall.ENOSPC, func(call string) bool { return !strings.Contains(call, "sync") && !strings.HasPrefix(call, "unlink") })
}

// A sync fails: nothing that it was for is acknowledged, and nothing else lost.
func TestEverySyncFails(t *testing.T) {
	t.Parallel()
	failing(t, killpoint.FailOnce, syscall.EIO, func(call string) bool { return strings.Contains(call, "sync") })
}

func failing(t *testing.T, do killpoint.Action, errno syscall.Errno, at func(call string) bool) {
	original := tortured(t, false)
	before, err := entriesOf(copied(t, original))
	if err != nil {
		t.Fatal(err)
	}
	refused, reads := 0, 0
	for i, call := range watch(t, original) {
		if !at(call) {
			continue
		}
		path := copied(t, original)
		p := plan(path, i+1, do)
		p.Error = errno
		outcome, err := killpoint.Run(p)
		if errors.Is(err, killpoint.ErrUnsupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := requireKept(path, outcome.Output, before); err != nil {
			t.Errorf("call %d, %s: %v", i+1, call, err)
		}
		if len(strings.Fields(outcome.Output)) == few {
			continue // it was about closing, which has nothing to lose
		}
		refused++
		if !says(outcome.Errors) || outcome.Code != 1 {
			t.Errorf("call %d, %s: exit %d: %s", i+1, call, outcome.Code, outcome.Errors)
		}
		if strings.Contains(outcome.Errors, "read ") && strings.Contains(outcome.Errors, " <nil>") {
			reads++
		}
	}
	if refused == 0 || reads == 0 {
		t.Errorf("%d appends were refused, and %d reads went on after it", refused, reads)
	}
	t.Logf("%d appends were refused, and %d reads went on after it", refused, reads)
}

// says is true where an error says in words what is wrong with the disk.
func says(text string) bool {
	for _, words := range []string{"the disk is full", "the disk failed", "cannot be opened", "may not be written"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
