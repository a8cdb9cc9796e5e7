package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// StagedPattern is what a file is called before it has its own name, for
// filepath.Glob. What is called so was left behind by a crash.
const StagedPattern = ".nhi-new-*"

// made is the mode of a staged file: its owner's alone.
const made fs.FileMode = 0o600

// WriteFile replaces the file at path, or makes it: a reader sees the old bytes
// or the new ones.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	staged, err := Stage(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(staged, path); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return SyncFolder(filepath.Dir(path))
}

// CreateFile is WriteFile that never replaces: fs.ErrExist where path is taken.
// Of many that create one file at once, one succeeds.
func CreateFile(path string, data []byte, mode fs.FileMode) error {
	staged, err := Stage(path, data, mode)
	if err != nil {
		return err
	}
	return Settle(staged, path)
}

// link is os.Link; tests take it away.
var link = os.Link

// Stage writes data to a new file beside path and returns its name, for Settle.
func Stage(path string, data []byte, mode fs.FileMode) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), StagedPattern)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(data)
	if mode != made { // not every file system has modes
		err = errors.Join(err, file.Chmod(mode))
	}
	err = errors.Join(err, file.Sync())
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return file.Name(), nil
}

// Settle gives the staged file its name: fs.ErrExist where that is taken, and
// then the staged file is gone.
func Settle(staged, path string) error {
	err := link(staged, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		if removed := os.Remove(staged); err == nil {
			err = removed
		}
		return errors.Join(err, SyncFolder(filepath.Dir(path)))
	}
	// A file system without hard links: the name is taken first, so that of many
	// one succeeds. A crash behind that leaves it taken, and empty.
	taken, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, made)
	if err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	if err := errors.Join(taken.Close(), os.Rename(staged, path)); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return SyncFolder(filepath.Dir(path))
}
