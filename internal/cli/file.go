package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Who may look at what is written: what is signed is no secret.
const (
	fileMode   fs.FileMode = 0o644
	folderMode fs.FileMode = 0o755
	secretMode fs.FileMode = 0o600
)

// readFile reads a file of at most limit bytes. A longer one, and what is no
// file, is nhi.ErrInvalid.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file: %w", path, nhi.ErrInvalid)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes: %w", path, limit, nhi.ErrInvalid)
	}
	return data, nil
}

// writeFile replaces the file at path, or makes it: a reader sees the old bytes
// or the new ones, also after a crash.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	staged, err := stage(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(staged, path); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return syncFolder(filepath.Dir(path))
}

// createFile is writeFile that never replaces: fs.ErrExist where path is taken.
func createFile(path string, data []byte) error {
	staged, err := stage(path, data, fileMode)
	if err != nil {
		return err
	}
	return settle(staged, path)
}

// settle gives the staged file its name, unless that is taken.
func settle(staged, path string) error {
	err := os.Link(staged, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		if removed := os.Remove(staged); err == nil {
			err = removed
		}
		return errors.Join(err, syncFolder(filepath.Dir(path)))
	}
	// A file system without hard links.
	if _, statErr := os.Lstat(path); !errors.Is(statErr, fs.ErrNotExist) {
		return errors.Join(fs.ErrExist, os.Remove(staged))
	}
	if err := os.Rename(staged, path); err != nil {
		return errors.Join(err, os.Remove(staged))
	}
	return syncFolder(filepath.Dir(path))
}

// stage writes data to a new file beside path, durably.
func stage(path string, data []byte, mode fs.FileMode) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".nhi-new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, writeErr := file.Write(data)
	err = errors.Join(writeErr, file.Chmod(mode), file.Sync())
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return file.Name(), nil
}

// syncFolder makes the names in a folder durable, where the system can.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	_ = folder.Sync() // not every system has it for a folder
	return folder.Close()
}
