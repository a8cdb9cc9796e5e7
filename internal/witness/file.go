package witness

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readFile reads a file of at most limit bytes; ErrDamaged for a longer one.
func readFile(path string, limit int64) (data []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err = io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes: %w", path, limit, ErrDamaged)
	}
	return data, nil
}

// appendAt writes data durably at the end of what is covered of a log, and
// drops what was left behind it.
func appendAt(path string, covered int64, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	err = file.Truncate(covered)
	if err == nil {
		_, err = file.WriteAt(data, covered)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
