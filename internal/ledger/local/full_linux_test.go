package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// A real disk runs full: the append says so, all that was acknowledged is
// there, and with space again the ledger goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("needs root, to mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(disk, ".nhi")
	l, err := ledger.Create(t.Context(), mustOpen(t, path, false), storetest.Root(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	const most = 1000
	acknowledged := 0
	for err == nil && acknowledged < most {
		if err = storetest.AppendAtEnd(t.Context(), l, sharedChain, ledger.BlockBody{Reason: strings.Repeat("x", 5000)}); err == nil {
			acknowledged++
		}
	}
	if !errors.Is(err, nhi.ErrUnreachable) || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("after %d entries: %v", acknowledged, err)
	}
	if chain, err := l.Read(t.Context(), sharedChain); err != nil || len(chain.Entries) != acknowledged {
		t.Errorf("%d entries are read of %d, %v", len(chain.Entries), acknowledged, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := storetest.AppendAtEnd(t.Context(), l, sharedChain, ledger.BlockBody{}); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	store, err := local.Open(path, time.Now, true)
	if err != nil {
		t.Fatal(err)
	}
	l, err = ledger.Open(t.Context(), store, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if chain, err := l.Read(t.Context(), sharedChain); err != nil || len(chain.Entries) != acknowledged+1 || acknowledged == 0 {
		t.Errorf("%d entries are read of %d, %v", len(chain.Entries), acknowledged+1, err)
	}
}
