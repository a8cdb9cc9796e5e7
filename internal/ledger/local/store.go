package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// Store is a ledger.Store in one SQLite database.
type Store struct {
	db   *sql.DB
	path string
	file fs.FileInfo // the database as it was opened
	now  func() time.Time
	// writing is held by the goroutine that writes: SQLite lets one writer in
	// at a time, and queueing here is fair, where its own waiting is not.
	writing chan struct{}
}

var _ ledger.Store = (*Store)(nil)

// Create implements ledger.Store. The value is on the disk when it returns nil:
// SQLite syncs its log at every commit.
func (s *Store) Create(ctx context.Context, key string, value []byte) error {
	if key == "" {
		return errors.New("local: a key must not be empty")
	}
	if len(value) > ledger.MaxEntry {
		return fmt.Errorf("local: a value of %d bytes, and %d is the most allowed", len(value), ledger.MaxEntry)
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return fmt.Errorf("local: create: %w", ctx.Err())
	}
	if err := s.inPlace(); err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	result, err := s.db.ExecContext(ctx, "INSERT INTO entry (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING", key, value)
	if err != nil {
		return explain(s.path, "create", err)
	}
	created, err := result.RowsAffected()
	if err != nil {
		return explain(s.path, "create", err)
	}
	if created == 0 {
		return ledger.ErrExists
	}
	// Nobody else will find what was written to a file that is gone.
	return s.inPlace()
}

// inPlace fails where the database that was opened is not the one at its path
// any more: SQLite would go on to write to a file that was deleted or replaced.
func (s *Store) inPlace() error {
	file, err := os.Stat(filepath.Join(s.path, FileName))
	if err != nil {
		return fmt.Errorf("local: %s: the file is gone since it was opened: %w", s.path, err)
	}
	if !os.SameFile(file, s.file) {
		return fmt.Errorf("local: %s: the file was replaced since it was opened", s.path)
	}
	return nil
}

// Get implements ledger.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := s.db.QueryRowContext(ctx, "SELECT value FROM entry WHERE key = ?", key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ledger.ErrNotFound
	}
	if err != nil {
		return nil, explain(s.path, "get", err)
	}
	return value, nil
}

// List implements ledger.Store. It reads the index of the keys asked for, and
// no other key and no value.
func (s *Store) List(ctx context.Context, prefix string) (keys []string, err error) {
	query, args := "SELECT key FROM entry WHERE key >= ? ORDER BY key", []any{prefix}
	if end, bounded := prefixEnd(prefix); bounded {
		query, args = "SELECT key FROM entry WHERE key >= ? AND key < ? ORDER BY key", []any{prefix, end}
	}
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(s.path, "list", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	keys = []string{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, explain(s.path, "list", err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(s.path, "list", err)
	}
	return keys, nil
}

// prefixEnd returns the first string behind all that start with prefix, and
// false where there is none.
func prefixEnd(prefix string) (string, bool) {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return string(end[:i+1]), true
		}
	}
	return "", false
}

// Now implements ledger.Store. A local store has no time but this machine's.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, fmt.Errorf("local: time: %w", err)
	}
	return s.now(), nil
}

// Close implements ledger.Store.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return explain(s.path, "close", err)
	}
	return nil
}
