package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// Bounds of one list. A ledger's keys are two folders deep.
const (
	listPatience = 10 * time.Minute
	maxDepth     = 16
)

// List implements ledger.Store. It lists the folder that the prefix names and
// those below it, side by side, and no other.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	cut := strings.LastIndexByte(prefix, '/') + 1
	folders, rest, keys := []string{prefix[:cut]}, prefix[cut:], []string{}
	for depth := 0; len(folders) > 0; depth++ {
		if depth > maxDepth {
			return nil, s.failed("list", vaulthttp.Garbage(s.place.metadata(folders[0]), "folders without end"))
		}
		found, below, err := s.look(ctx, folders, rest)
		if err != nil {
			return nil, s.failed("list", err)
		}
		keys = append(keys, found...)
		folders, rest = below, ""
	}
	slices.Sort(keys)
	return keys, nil
}

// look lists folders, and returns the keys and the folders in them of which the
// names start with rest.
func (s *Store) look(ctx context.Context, folders []string, rest string) (keys, below []string, err error) {
	names := make([][]string, len(folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(vaulthttp.MaxConns)
	for i, folder := range folders {
		group.Go(func() (err error) {
			names[i], err = s.names(ctx, folder)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for i, folder := range folders {
		for _, name := range names[i] {
			part, deeper := strings.CutSuffix(name, "/")
			part, ours := readPart(part)
			switch {
			case !strings.HasPrefix(part, rest):
			case deeper && ours:
				below = append(below, folder+part+"/")
			default:
				keys = append(keys, folder+part)
			}
		}
	}
	return keys, below, nil
}

// names returns what is in one folder, as Vault has it.
func (s *Store) names(ctx context.Context, folder string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	names, err := s.vault.List(ctx, s.place.metadata(folder), nil)
	if err != nil {
		return nil, fmt.Errorf("%.200q: %w", folder, err)
	}
	return names, nil
}
