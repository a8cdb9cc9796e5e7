package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// Of many that create one file at once, one succeeds, also where the file system
// has no hard links. It is not parallel: it takes them away.
func TestCreateFileOnceWithoutLinks(t *testing.T) {
	link = func(string, string) error { return syscall.EPERM }
	defer func() { link = os.Link }()
	for range 200 {
		path := filepath.Join(t.TempDir(), "file")
		var made atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := CreateFile(path, []byte("one"), 0o600); err == nil {
					made.Add(1)
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
		}
		if all.Wait(); made.Load() != 1 {
			t.Fatalf("%d made it", made.Load())
		}
	}
}
