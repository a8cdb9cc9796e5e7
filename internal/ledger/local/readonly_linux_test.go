package local_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
)

// Somebody who may read the folder but not write it can read the ledger, with
// and without another process writing, and is told why an append fails.
func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	for _, inUse := range []bool{false, true} {
		t.Run("in use "+strconv.FormatBool(inUse), func(t *testing.T) {
			t.Parallel()
			// Not t.TempDir: others must be able to enter.
			root, err := os.MkdirTemp("", "nhi-local-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(root) })
			path := filepath.Join(root, ".nhi")
			store := mustOpen(t, path, false)
			l, err := ledger.Create(t.Context(), store, storetest.Root(t), "test")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if err := storetest.AppendAtEnd(t.Context(), l, sharedChain, ledger.BlockBody{Reason: fmt.Sprint(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if !inUse {
				mustClose(t, store)
			} else {
				defer mustClose(t, store)
			}
			before := names(t, path)
			out := readAsNobody(t, root, path)
			if !strings.Contains(out, "read 3\n") || !strings.Contains(out, "may not be written") {
				t.Errorf("got %s", out)
			}
			if after := names(t, path); after != before {
				t.Errorf("the folder held %s and holds %s", before, after)
			}
		})
	}
}

func names(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(entries)
}

// readAsNobody runs readAll as a user who owns nothing below root and
// may read all of it.
func readAsNobody(t *testing.T, root, path string) string {
	t.Helper()
	binary := filepath.Join(root, "reader")
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{root, path, binary} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(path, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), binary)
	command.Dir = root
	command.Env = []string{envRead + "=" + path}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
