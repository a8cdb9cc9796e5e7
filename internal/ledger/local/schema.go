package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// applicationID marks a database as a ledger: "nhi" and a zero byte.
const applicationID = 0x6e686900

// schemaVersion is of the tables, not of the entries in them.
const schemaVersion = 1

// schema lets entries in and nothing else, against accidents: whoever can write
// the file can also drop a trigger, and is found by the hashes. The first
// trigger is there because INSERT OR REPLACE deletes without asking the others.
// Keys compare byte by byte, and the index holds them apart from the values, so
// that listing does not read values.
const schema = `
CREATE TABLE entry (key TEXT NOT NULL UNIQUE COLLATE BINARY, value BLOB NOT NULL) STRICT;
CREATE TRIGGER entry_create BEFORE INSERT ON entry WHEN EXISTS (SELECT 1 FROM entry WHERE key = NEW.key)
	BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER entry_update BEFORE UPDATE ON entry
	BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END;
CREATE TRIGGER entry_delete BEFORE DELETE ON entry
	BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END;
`

// initialise makes the database a ledger's, unless it is one.
func initialise(ctx context.Context, db *sql.DB, path string) error {
	err := check(ctx, db, path)
	if !errors.Is(err, ledger.ErrNoLedger) {
		return err
	}
	// By name: opening the file would drop SQLite's locks when it is closed.
	if err := os.Chmod(filepath.Join(path, FileName), fileMode); err != nil {
		return fmt.Errorf("local: %w", err)
	}
	if err := writeAhead(ctx, db); err != nil {
		return explain(path, "create", err)
	}
	if err := createTables(ctx, db); err != nil {
		return explain(path, "create", err)
	}
	if err := durable.SyncFolder(path); err != nil {
		return fmt.Errorf("local: %w", err)
	}
	return check(ctx, db, path)
}

// writeAhead turns on the write-ahead log, which the file remembers. SQLite
// does not wait here for another process that does the same, so ask again.
func writeAhead(ctx context.Context, db *sql.DB) error {
	const retryAfter = 5 * time.Millisecond
	for {
		var mode string
		err := db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("this file system allows no write-ahead log (journal mode %s)", mode)
		}
		if err == nil || !busy(err) {
			return err
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// createTables makes the tables, all or none of them, once.
func createTables(ctx context.Context, db *sql.DB) (err error) {
	tx, err := db.BeginTx(ctx, nil) // immediate: one process at a time
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if tables == 0 {
		marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
		if _, err := tx.ExecContext(ctx, marks+schema); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// check says whether the database is a ledger's that this release can read. It
// writes nothing. An empty database is ledger.ErrNoLedger: whoever made it was
// stopped before it was one.
func check(ctx context.Context, db *sql.DB, path string) error {
	var application, version, tables int
	err := db.QueryRowContext(ctx, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_application_id, pragma_user_version`).Scan(&application, &version, &tables)
	switch {
	case err != nil:
		return explain(path, "open", err)
	case application == 0 && tables == 0:
		return fmt.Errorf("local: %s is empty: %w: `nhi init` makes one", path, ledger.ErrNoLedger)
	case application != applicationID:
		return fmt.Errorf("local: %s is another program's database", filepath.Join(path, FileName))
	case version != schemaVersion:
		return fmt.Errorf("local: %s has version %d, and this release reads version %d: use a newer one",
			filepath.Join(path, FileName), version, schemaVersion)
	default:
		return nil
	}
}
