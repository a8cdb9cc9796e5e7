//go:build unix

package witness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lockFile takes an exclusive lock on a file, which is made where it is
// missing, and does not wait for it: ErrBusy. The lock ends with its process.
func lockFile(path string) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return locked{file}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = ErrBusy
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
}

// locked is a file with a lock on it.
type locked struct{ *os.File }

// Close ends the lock by name: a program that another thread is just starting
// holds the same open file until it runs, and would keep the lock that long.
func (l locked) Close() error {
	return errors.Join(syscall.Flock(int(l.Fd()), syscall.LOCK_UN), l.File.Close())
}
