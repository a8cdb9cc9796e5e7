//go:build !unix

package ssh

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// lockFile refuses: without a lock that ends with its process, two runs could
// lose each other's revocations.
func lockFile(_ context.Context, path string) (*os.File, error) {
	return nil, fmt.Errorf("%s cannot be locked: a revocation list can be changed on Unix systems alone: %w", path, nhi.ErrUnreachable)
}

func sameOwner(*os.File, fs.FileInfo) {}
