package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"

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
