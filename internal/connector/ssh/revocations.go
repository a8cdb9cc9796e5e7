package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// lockMark is what a lock file holds once its revocation list was written: a
// list that is missing after that was lost, and must not be begun anew.
const lockMark = "nhi ssh krl 1\n"

// revocations is the revocation list on disk. Everybody who changes it through
// this package takes the lock file beside it first.
type revocations struct{ path string }

// held is a list as it stood on disk.
type held struct {
	*krl.List
	missing bool // there is no list yet, and there never was one
}

// resolve follows symbolic links, so that a rename replaces the list and not a
// link to it.
func (r revocations) resolve() string {
	if path, err := filepath.EvalSymlinks(r.path); err == nil {
		return path
	}
	return r.path
}

// read reads the list. A list that is not there yet is empty and missing. One
// that was there before, or that sshd could not read, is nhi.ErrUnreachable:
// sshd refuses everybody then.
func (r revocations) read(ctx context.Context) (held, error) {
	if err := ctx.Err(); err != nil {
		return held{}, fmt.Errorf("%s: %w", settingKRL, err)
	}
	path := r.resolve()
	data, err := readBounded(path, krl.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return r.none(path)
	}
	if err != nil {
		return held{}, fmt.Errorf("%s: %w", settingKRL, err)
	}
	if len(data) == 0 { // what `touch` makes; sshd takes it for an empty list
		return held{List: krl.New()}, nil
	}
	list, err := krl.Parse(data)
	if err != nil {
		return held{}, fmt.Errorf("%s: %s: %w: %w", settingKRL, path, nhi.ErrUnreachable, err)
	}
	return held{List: list}, nil
}

func (r revocations) none(path string) (held, error) {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return held{}, fmt.Errorf("%s: the folder of %s cannot be read: %w", settingKRL, path, nhi.ErrUnreachable)
	}
	if mark, err := os.ReadFile(path + ".lock"); err == nil && len(mark) > 0 {
		return held{}, fmt.Errorf("%s: %s is missing, and was there before. sshd refuses everybody without it, and a new one would let in whom the old one "+
			"refused: restore it, or remove %s.lock if nothing that it revoked is still valid: %w", settingKRL, path, path, nhi.ErrUnreachable)
	}
	return held{List: krl.New(), missing: true}, nil
}

// update holds the lock while change looks at the list and adds to it. The
// list is written, durably, if change says that it changed or if there was
// none, and returned as it was read back. Nothing is written on an error.
func (r revocations) update(ctx context.Context, now time.Time, change func(held) (bool, error)) (held, error) {
	path := r.resolve()
	lock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return held{}, fmt.Errorf("%s: %w", settingKRL, err)
	}
	defer func() { _ = lock.Close() }() // ends the lock
	list, err := r.read(ctx)
	if err != nil {
		return held{}, err
	}
	changed, err := change(list)
	if err != nil {
		return held{}, err
	}
	if changed || list.missing {
		list.Next(now)
		if err := replace(path, list.Marshal()); err != nil {
			return held{}, fmt.Errorf("%s: %s cannot be written: %w: %w", settingKRL, path, nhi.ErrUnreachable, err)
		}
		if list, err = r.read(ctx); err != nil {
			return held{}, err
		}
	}
	if err := markLock(lock); err != nil {
		return held{}, fmt.Errorf("%s: %s.lock cannot be written: %w: %w", settingKRL, path, nhi.ErrUnreachable, err)
	}
	return list, nil
}

// markLock writes the mark into a lock file that has none.
func markLock(lock *os.File) error {
	have := make([]byte, len(lockMark))
	if n, _ := lock.ReadAt(have, 0); bytes.Equal(have[:n], []byte(lockMark)) {
		return nil
	}
	if _, err := lock.WriteAt([]byte(lockMark), 0); err != nil {
		return err
	}
	return lock.Sync()
}

// replace writes a file so that after a crash either the old or the new
// content is there, whole: a temporary file, sync, rename, sync of the folder.
// The file keeps its mode and, where we may set it, its owner. A new one can be
// read by all: it is no secret, and sshd is another user on many systems.
func replace(path string, data []byte) (err error) {
	const readable = 0o644
	temporary, err := os.CreateTemp(filepath.Dir(path), ".krl-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = temporary.Close()
			_ = os.Remove(temporary.Name())
		}
	}()
	mode := fs.FileMode(readable)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		sameOwner(temporary, info)
	}
	if err := temporary.Chmod(mode); err != nil {
		return err
	}
	if _, err := temporary.Write(data); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}
