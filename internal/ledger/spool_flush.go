package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Flush appends every record to the end of its chain, oldest first, and then
// removes its file. It returns how many are done with. What is in the ledger
// already is not written twice, whoever wrote it.
//
// A record that cannot be read, or whose chain is broken, is left and reported,
// and so are the later ones of that chain; the others are written all the same.
// When the ledger does not answer, the error is nhi.ErrUnreachable and the rest
// waits. nhi.ErrInvalid when l is another ledger.
func (s *Spool) Flush(ctx context.Context, l *Ledger) (n int, err error) {
	if l.ID() != s.ledger {
		return 0, fmt.Errorf("spool: the records are for ledger %s, and this is ledger %s: %w", s.ledger, l.ID(), nhi.ErrInvalid)
	}
	names, err := s.names()
	if err != nil {
		return 0, err
	}
	var errs []error
	stuck := map[string]bool{}
	for _, name := range names {
		done, err := s.flush(ctx, l, name, stuck)
		if done {
			n++
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("spool: record %s: %w", filepath.Join(s.dir(), name), err))
		}
		if errors.Is(err, nhi.ErrUnreachable) {
			break
		}
	}
	return n, errors.Join(errs...)
}

// flush writes one record. stuck holds the chains that a record was left for:
// a later one must not overtake it.
func (s *Spool) flush(ctx context.Context, l *Ledger, name string, stuck map[string]bool) (bool, error) {
	path := filepath.Join(s.dir(), name)
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // another process was faster
	}
	if err != nil {
		return false, err
	}
	r, err := decodeRecord(data, s.ledger)
	if err != nil {
		return false, err
	}
	if stuck[r.Chain] {
		return false, fmt.Errorf("it waits for an earlier record of chain %s: %w", r.Chain, ErrBroken)
	}
	if err := l.replay(ctx, r, strings.TrimSuffix(name, spoolSuffix)); err != nil {
		stuck[r.Chain] = true
		return false, err
	}
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return true, err
	}
	return true, nil
}

// replay appends what is missing of a record to the end of its chain.
func (l *Ledger) replay(ctx context.Context, r record, id string) error {
	// Each conflict is another writer's success, so this ends.
	const tries = 1000
	for range tries {
		chain, err := l.Read(ctx, r.Chain)
		if err != nil && !errors.Is(err, ErrAhead) {
			return err
		}
		_, err = l.write(ctx, chain, r.missing(chain, l.writer, id))
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}

func readBounded(path string) (data []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err = io.ReadAll(io.LimitReader(file, maxRecord+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("longer than %d bytes: %w", maxRecord, nhi.ErrInvalid)
	}
	return data, nil
}
