// Package durable writes files and folders that are there whole or not at all,
// also after a crash or a power cut: the bytes are on disk before the name is,
// and the name is before anyone is told.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// MakeFolder makes a folder and those above it that are missing, for their
// owner alone, and makes their names durable. One that is there stays as it is.
func MakeFolder(path string) error {
	const ownerOnly = 0o700
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	err := os.Mkdir(path, ownerOnly)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MakeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, ownerOnly)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes the names in a folder durable, where there is such a call:
// not on Windows, nor on every network file system.
func SyncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}
