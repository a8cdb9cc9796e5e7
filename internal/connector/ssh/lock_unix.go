//go:build unix

package ssh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// lockFile takes an exclusive lock (flock) on a file, which is made where it
// is missing. Closing the file ends the lock, and so does the end of the
// process. It waits as long as the context allows; errors are
// nhi.ErrUnreachable.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	const ours, again = 0o600, 10 * time.Millisecond
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, ours)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", nhi.ErrUnreachable, err)
	}
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		err := ctx.Err()
		if err == nil {
			err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		switch {
		case err == nil:
			return file, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			_ = file.Close()
			return nil, fmt.Errorf("%s cannot be locked: %w: %w", path, nhi.ErrUnreachable, err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// sameOwner gives a file the owner of another one, where we may: only root
// can, and nobody else needs it.
func sameOwner(file *os.File, like fs.FileInfo) {
	if stat, ok := like.Sys().(*syscall.Stat_t); ok {
		_ = file.Chown(int(stat.Uid), int(stat.Gid))
	}
}
