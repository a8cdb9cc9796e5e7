package local

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// resultCode returns SQLite's primary result code, or 0 where the error is not
// SQLite's.
func resultCode(err error) int {
	const primary = 0xff // the rest says more about the same
	var sqliteErr *sqlite.Error
	if !errors.As(err, &sqliteErr) {
		return 0
	}
	return sqliteErr.Code() & primary
}

func busy(err error) bool {
	code := resultCode(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// explain says what happened to the ledger in path in words that tell what to
// do, and wraps the original error.
func explain(path, what string, err error) error {
	var reason string
	switch resultCode(err) {
	case sqlite3.SQLITE_NOTADB:
		reason = "the file is not a ledger's database"
	case sqlite3.SQLITE_CORRUPT:
		reason = "the file is damaged"
	case sqlite3.SQLITE_FULL:
		reason = "the disk is full"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		reason = "the folder or the file may not be written"
	case sqlite3.SQLITE_CANTOPEN:
		reason = "the file cannot be opened, or the folder may not be written"
	case sqlite3.SQLITE_IOERR:
		reason = "the disk failed"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		reason = "another process kept it locked for too long"
	default:
		return fmt.Errorf("local: %s: %s: %w", path, what, err)
	}
	return fmt.Errorf("local: %s: %s: %s: %w", path, what, reason, err)
}
