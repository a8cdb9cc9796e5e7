package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// FileName is the database in the folder of a ledger.
const FileName = "ledger.db"

// fileMode says who may look: the owner.
const fileMode = 0o600

// busyTimeout is how long one write waits for those of other processes.
const busyTimeout = 30 * time.Second

// openTimeout bounds opening, which may wait for another process that creates
// the same database.
const openTimeout = time.Minute

// smallestPage is the least that a database can have, in bytes.
const smallestPage = 512

// maxConns bounds the connections of one store: one writes, the others read.
const maxConns = 4

// Open opens the database in the folder path. now is the machine's clock.
//
// With mustExist it creates nothing, and what is not there is
// ledger.ErrNoLedger; otherwise it makes the folder (0700) and the database
// (0600) where they are missing. An existing database is opened without
// writing to it; in a folder that may not be written, its entries can still be
// read. Anything else is an error that says what is wrong with the file.
func Open(path string, now func() time.Time, mustExist bool) (*Store, error) {
	if path == "" {
		return nil, errors.New("local: the path of the ledger's folder is empty")
	}
	// The driver would otherwise follow a later change of the working folder.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if !mustExist {
		if err := durable.MakeFolder(path); err != nil {
			return nil, fmt.Errorf("local: cannot make the ledger's folder: %w", err)
		}
	}
	exists, err := stat(path)
	if err != nil {
		return nil, err
	}
	if !exists && mustExist {
		return nil, fmt.Errorf("local: %s: %w: `nhi init` makes one", path, ledger.ErrNoLedger)
	}
	db, err := open(ctx, path, mustExist)
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(filepath.Join(path, FileName))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("local: %w", err), db.Close())
	}
	return &Store{db: db, path: path, file: file, now: now, writing: make(chan struct{}, 1)}, nil
}

// stat says whether the database is there. What is no folder or no file is an
// error.
func stat(path string) (bool, error) {
	dir, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("local: %w", err)
	}
	if !dir.IsDir() {
		return false, fmt.Errorf("local: %s is a file, and a ledger is a folder", path)
	}
	file, err := os.Stat(filepath.Join(path, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("local: %w", err)
	}
	if !file.Mode().IsRegular() {
		return false, fmt.Errorf("local: %s is not a file", filepath.Join(path, FileName))
	}
	// SQLite takes the rest of a file for a new one, and would write over it.
	if size := file.Size(); size > 0 && size < smallestPage {
		return false, fmt.Errorf("local: %s is damaged: it has %d bytes", filepath.Join(path, FileName), size)
	}
	return true, nil
}

func open(ctx context.Context, path string, mustExist bool) (*sql.DB, error) {
	mode := "rwc"
	if mustExist {
		mode = "rw"
	}
	db, err := connect(ctx, path, mode, !mustExist)
	if err == nil || !mustExist || !notWritable(err) {
		return db, err
	}
	// SQLite reads a write-ahead log only where it may write beside it. Where
	// there is none, nobody is writing, and the file can be read as it is.
	if info, statErr := os.Stat(filepath.Join(path, FileName+"-wal")); statErr == nil && info.Size() > 0 {
		return nil, err
	}
	if db, roErr := connect(ctx, path, "ro&immutable=1", false); roErr == nil {
		return db, nil
	}
	return nil, err
}

// connect opens the database and checks that it is a ledger's; with create it
// makes it one.
func connect(ctx context.Context, path, mode string, create bool) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, mode))
	if err != nil {
		return nil, explain(path, "open", err)
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	if create {
		err = initialise(ctx, db, path)
	} else {
		err = check(ctx, db, path)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func dsn(path, mode string) string {
	file := filepath.ToSlash(filepath.Join(path, FileName))
	if runtime.GOOS == "windows" {
		file = "/" + file // file:///C:/…
	}
	address := url.URL{Scheme: "file", Path: file}
	return fmt.Sprintf("%s?mode=%s&_pragma=busy_timeout(%d)&_pragma=synchronous(FULL)&_txlock=immediate",
		address.String(), mode, busyTimeout.Milliseconds())
}

func notWritable(err error) bool {
	code := resultCode(err)
	return code == sqlite3.SQLITE_CANTOPEN || code == sqlite3.SQLITE_READONLY
}
