// Package local keeps a ledger in a SQLite database in a folder on this
// machine, for one person, one runner, or tests. Several processes may use it
// at once. It proves approvals and survives accidents; it does not defend
// against whoever owns the folder.
//
// The folder must be on a local disk (SQLite's write-ahead log does not work
// over a network), and does not belong in Git. To copy it while it is in use,
// copy with `sqlite3 ledger.db ".backup FILE"`, not file by file.
//
// Nothing in this package opens ledger.db but SQLite itself: on POSIX, closing
// any other handle of the file would silently drop SQLite's locks.
package local
