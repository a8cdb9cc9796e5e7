package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
)

func TestCreateFileNeverReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := durable.CreateFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.CreateFile(path, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the error is %v", err)
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "one" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	if err := durable.WriteFile(path, []byte("three"), 0o644); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("something was left behind: %v, %v", entries, err)
	}
}

// Of many that create one file at once, one succeeds, and it is whole.
func TestCreateFileOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var made atomic.Int32
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			err := durable.CreateFile(path, bytes.Repeat([]byte{byte(i)}, 10_000), 0o600)
			if err == nil {
				made.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil || len(data) != 10_000 || len(bytes.Trim(data, string(data[:1]))) != 0 {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || made.Load() != 1 {
		t.Errorf("%d made it, %v", made.Load(), err)
	}
}

func TestMakeFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		if err := durable.MakeFolder(path); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.MakeFolder(filepath.Join(file, "below")); err == nil {
		t.Error("a folder below a file was made")
	}
}
