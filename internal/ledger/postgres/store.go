package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// tries is how often one thing is asked for where the server took it back, or
// never heard of it.
const tries = 5

// Store is a ledger.Store in one table.
type Store struct {
	pool     *pgxpool.Pool
	table    table
	where    string        // starts every error
	patience time.Duration // bounds one operation
}

var _ ledger.Store = (*Store)(nil)

// Create implements ledger.Store. The value is on the server's disk when it
// returns nil. The INSERT is sent once, unless it is certain that the server
// did nothing: when the answer is lost, the entry may or may not be there, and
// that is no success.
func (s *Store) Create(ctx context.Context, key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("%s: create: %w", s.where, err)
	}
	if len(value) > ledger.MaxEntry {
		return fmt.Errorf("%s: create: a value of %d bytes, and %d is the most allowed", s.where, len(value), ledger.MaxEntry)
	}
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	bounded, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := s.insert(bounded, key, value)
	for try := 1; try < tries && bounded.Err() == nil && (undone(err) || pgconn.SafeToRetry(err)); try++ {
		err = s.insert(bounded, key, value)
	}
	return s.explain(ctx, "create", err)
}

// insert commits with a sync whatever is the default of the role, the database
// or the server. That it is part of the statement keeps it true behind a
// pooler, where a session belongs to nobody.
func (s *Store) insert(ctx context.Context, key string, value []byte) error {
	done, err := s.pool.Exec(ctx, "INSERT INTO "+s.table.quoted()+" (key, value) SELECT $1::text, $2::bytea "+
		"FROM (SELECT pg_catalog.set_config('synchronous_commit', 'on', true)) AS durable ON CONFLICT (key) DO NOTHING", key, value)
	switch {
	case lost(err):
		s.pool.Reset() // the others are lost too, as a rule
		return err
	case err != nil:
		return err
	case done.RowsAffected() == 0:
		return ledger.ErrExists
	default:
		return nil
	}
}

// read runs what may run twice, and runs it again where the connection was
// found to be lost.
func (s *Store) read(ctx context.Context, doing string, run func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := run(bounded)
	if lost(err) && bounded.Err() == nil {
		s.pool.Reset()
		err = run(bounded)
	}
	return s.explain(ctx, doing, err)
}

// Get implements ledger.Store.
func (s *Store) Get(ctx context.Context, key string) (value []byte, err error) {
	if checkKey(key) != nil {
		return nil, ledger.ErrNotFound // it could not be created
	}
	err = s.read(ctx, "get", func(ctx context.Context) error {
		var text string
		err := s.pool.QueryRow(ctx, s.getQuery(), key).Scan(&text)
		if errors.Is(err, pgx.ErrNoRows) {
			return ledger.ErrNotFound
		}
		if err != nil {
			return err
		}
		value, err = hex.DecodeString(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// getQuery reads one value, written in a way that bytea_output does not change.
// ONLY: a table that inherits from this one is not this one.
func (s *Store) getQuery() string {
	return "SELECT encode(value, 'hex') FROM ONLY " + s.table.quoted() + " WHERE key = $1"
}

// List implements ledger.Store. It walks the index of the keys asked for, and
// no other key.
func (s *Store) List(ctx context.Context, prefix string) (keys []string, err error) {
	if !utf8.ValidString(prefix) || strings.ContainsRune(prefix, 0) {
		return []string{}, nil // no key starts like that
	}
	query, args := s.listQuery(prefix)
	err = s.read(ctx, "list", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func (s *Store) listQuery(prefix string) (string, []any) {
	query := "SELECT key FROM ONLY " + s.table.quoted() + " WHERE key >= $1"
	if end, bounded := prefixEnd(prefix); bounded {
		return query + " AND key < $2 ORDER BY key", []any{prefix, end}
	}
	return query + " ORDER BY key", []any{prefix}
}

// prefixEnd returns the first text behind all that start with prefix, and false
// where there is none. The order of code points is that of their bytes.
func prefixEnd(prefix string) (string, bool) {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		const beforeSurrogates, afterSurrogates = 0xD7FF, 0xE000
		switch {
		case last == beforeSurrogates:
			return prefix + string(rune(afterSurrogates)), true
		case last < utf8.MaxRune:
			return prefix + string(last+1), true
		}
	}
	return "", false
}

// Now implements ledger.Store: the time of the server, as a number that
// DateStyle does not change.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var micros int64
	err := s.read(ctx, "time", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&micros)
	})
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMicro(micros).UTC(), nil
}

// Close implements ledger.Store.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "" || len(key) > maxKey:
		return fmt.Errorf("a key of %d bytes, and 1 to %d are allowed", len(key), maxKey)
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return fmt.Errorf("the key %.80q is no text that PostgreSQL can hold", key)
	default:
		return nil
	}
}
