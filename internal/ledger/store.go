package ledger

import (
	"context"
	"errors"
	"time"
)

// Errors of a store and of what is read from it.
var (
	// ErrExists says that a key was created before, by whoever it was.
	ErrExists = errors.New("already exists")
	// ErrNotFound says that the store answered and holds no such key.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that another writer has appended to the chain since it
	// was read. Read it again and decide again.
	ErrConflict = errors.New("the chain has grown since it was read")
	// ErrBroken says that a chain is not what was written: an entry is
	// missing, changed, out of order, or of another ledger or chain.
	ErrBroken = errors.New("the record is broken")
	// ErrUnknownEntry says that an entry is of a type or version that this
	// release does not know: nothing is granted on that chain.
	ErrUnknownEntry = errors.New("entry of an unknown type or version")
	// ErrNoLedger says that the store answered and holds no ledger.
	ErrNoLedger = errors.New("no ledger here")
)

// MaxEntry bounds one entry, in bytes.
const MaxEntry = 4 << 20

// Store keeps entries under keys that are only ever created. Creating is
// atomic and durable: once it returned nil, every later Get and List on any
// machine sees the value, also after a crash; of many writers of one key, one
// gets nil and all others ErrExists. Anything but ErrExists and ErrNotFound
// means that the store did not answer.
type Store interface {
	// Create stores value under key, or returns ErrExists.
	Create(ctx context.Context, key string, value []byte) error
	// Get returns the value under key, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// List returns all keys that start with prefix, in byte order.
	List(ctx context.Context, prefix string) ([]string, error)
	// Now returns the store's own time, or this machine's where the store has none.
	Now(ctx context.Context) (time.Time, error)
	// Close releases the store. It is called once.
	Close() error
}
