package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Excerpt is a Store that holds a copy of whole chains and takes nothing: Open
// and Read check it as they check the store that it came from. That nothing
// follows behind the chains in it, it cannot prove. The zero Excerpt is empty.
type Excerpt struct {
	// Clock is the time of the store: that of the machine on which it is read.
	Clock   func() time.Time
	entries map[string][]byte
}

// Stored returns the bytes of every entry of a chain, as its store holds them.
func (c Chain) Stored() ([]string, error) {
	stored := make([]string, 0, len(c.Entries))
	for _, entry := range c.Entries {
		data, err := entry.Encode()
		if err != nil {
			return nil, err
		}
		stored = append(stored, string(data))
	}
	return stored, nil
}

// Add puts a chain into the excerpt, as Chain.Stored returned it. nhi.ErrInvalid
// when name is no chain's, or stands in the excerpt already. The entries are
// checked when they are read.
func (x *Excerpt) Add(name string, stored []string) error {
	if _, _, err := Subject(name); err != nil {
		return err
	}
	if _, twice := x.entries[entryKey(name, 1)]; twice || len(stored) > MaxSeq {
		return fmt.Errorf("chain %s stands twice in the excerpt, or is too long: %w", name, nhi.ErrInvalid)
	}
	if x.entries == nil {
		x.entries = map[string][]byte{}
	}
	for i, data := range stored {
		x.entries[entryKey(name, uint64(i)+1)] = []byte(data)
	}
	return nil
}

// errExcerpt says that nothing can be written.
var errExcerpt = fmt.Errorf("an excerpt of a ledger cannot be written to: %w", nhi.ErrUnreachable)

// Create implements Store: it refuses.
func (x *Excerpt) Create(context.Context, string, []byte) error { return errExcerpt }

// Get implements Store.
func (x *Excerpt) Get(_ context.Context, key string) ([]byte, error) {
	data, ok := x.entries[key]
	if !ok {
		return nil, ErrNotFound
	}
	return slices.Clone(data), nil
}

// List implements Store.
func (x *Excerpt) List(_ context.Context, prefix string) ([]string, error) {
	keys := slices.Sorted(maps.Keys(x.entries))
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) }), nil
}

// Now implements Store.
func (x *Excerpt) Now(context.Context) (time.Time, error) { return x.Clock().UTC(), nil }

// Close implements Store.
func (x *Excerpt) Close() error { return nil }
