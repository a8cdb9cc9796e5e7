package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Ledger is the record in one store, opened by one writer.
type Ledger struct {
	store  Store
	id     string
	writer string
	roots  Chain // the root chain as it was when the ledger was opened
	fault  error // why it is not what it must be behind its intact entries
}

// Create starts a ledger in an empty store with a new random id, and returns
// it open. root holds the first trust root and no signatures. ErrExists when a
// ledger is there, ErrBroken when the store holds anything else,
// nhi.ErrInvalid for a malformed root or writer, nhi.ErrUnreachable when the
// store did not answer. The store is closed by Ledger.Close; after an error it
// is still the caller's.
func Create(ctx context.Context, store Store, root RootBody, writer string) (*Ledger, error) {
	if _, err := nhi.ParseRoot(root.Root); err != nil {
		return nil, err
	}
	if len(root.Signatures) > 0 {
		return nil, fmt.Errorf("the first root of a ledger is pinned, not signed: %w", nhi.ErrInvalid)
	}
	if err := checkWriter(writer); err != nil {
		return nil, err
	}
	if err := checkEmpty(ctx, store); err != nil {
		return nil, err
	}
	const idBytes = 16
	random := make([]byte, idBytes)
	_, _ = rand.Read(random) // never fails, by its own documentation
	l := &Ledger{store: store, id: hex.EncodeToString(random), writer: writer}
	var err error
	l.roots, err = l.Append(ctx, Chain{Name: RootChain}, root)
	if errors.Is(err, ErrConflict) {
		return nil, fmt.Errorf("a ledger was created at the same moment: %w", ErrExists)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func checkEmpty(ctx context.Context, store Store) error {
	keys, err := store.List(ctx, "")
	if err != nil {
		return unreachable("list", err)
	}
	if slices.Contains(keys, entryKey(RootChain, 1)) {
		return fmt.Errorf("a ledger: %w", ErrExists)
	}
	if len(keys) > 0 {
		return fmt.Errorf("the store holds %d keys and no first root entry, so it is not empty and no ledger: %w", len(keys), ErrBroken)
	}
	return nil
}

// Open opens the ledger in the store, after it has read and checked the root
// chain. ErrNoLedger when there is none, a ChainError (ErrBroken,
// ErrUnknownEntry) when its first entry is not what it must be,
// nhi.ErrUnreachable when the store did not answer. It trusts no root, and what
// is wrong behind the first entry stops nobody from removing access: Roots says
// what there is. The store is closed by Ledger.Close; after an error it is still
// the caller's.
func Open(ctx context.Context, store Store, writer string) (*Ledger, error) {
	if err := checkWriter(writer); err != nil {
		return nil, err
	}
	l := &Ledger{store: store, writer: writer}
	l.roots, l.fault = l.read(ctx, RootChain)
	if len(l.roots.Entries) == 0 {
		if l.fault != nil {
			return nil, l.fault
		}
		return nil, fmt.Errorf("the store holds no root entry: %w", ErrNoLedger)
	}
	first := l.roots.Entries[0]
	body, ok := first.Body.(RootBody)
	if !ok {
		return nil, &ChainError{Chain: RootChain, Seq: 1, Reason: "it is of type " + first.Body.Type(), Err: ErrBroken}
	}
	_, err := nhi.ParseRoot(body.Root)
	if err == nil {
		err = nhi.CheckLedgerID(first.Ledger)
	}
	if err != nil {
		return nil, &ChainError{Chain: RootChain, Seq: 1, Reason: err.Error(), Err: ErrBroken}
	}
	l.id = first.Ledger
	return l, nil
}

func checkWriter(writer string) error {
	if err := nhi.CheckText(writer); err != nil {
		return fmt.Errorf("writer: %w", err)
	}
	return nil
}

// unreachable says that the store did not answer. Both its own error and
// nhi.ErrUnreachable can be matched.
func unreachable(what string, err error) error {
	return fmt.Errorf("ledger: %s: %w: %w", what, nhi.ErrUnreachable, err)
}

// ID returns the ledger's id, 32 hexadecimal digits, the same for ever.
func (l *Ledger) ID() string { return l.id }

// Roots returns the root chain as it was when the ledger was opened: every
// root, and every base, signed or not. Which of them count, the caller must
// find out from a pin. The error is that of Read, and nothing is granted with
// one; the chain then holds the entries before it.
func (l *Ledger) Roots() (Chain, error) { return l.roots, l.fault }

// RootText returns the canonical text of the last root of the root chain.
// Nothing here says that it is trusted.
func (l *Ledger) RootText() string {
	text := ""
	for _, entry := range l.roots.Entries {
		if body, ok := entry.Body.(RootBody); ok {
			text = body.Root
		}
	}
	return text
}

// Now returns the store's time in UTC, or nhi.ErrUnreachable.
func (l *Ledger) Now(ctx context.Context) (time.Time, error) {
	now, err := l.store.Now(ctx)
	if err != nil {
		return time.Time{}, unreachable("time", err)
	}
	return now.UTC(), nil
}

// Chains returns the names of all chains that start with prefix and have at
// least one entry, in byte order, from the keys alone. KindApproval + "/" gives
// all approvals.
func (l *Ledger) Chains(ctx context.Context, prefix string) ([]string, error) {
	keys, err := l.store.List(ctx, prefix)
	if err != nil {
		return nil, unreachable("list "+prefix, err)
	}
	names := []string{}
	for _, key := range keys {
		// The prefix "root/0" is one of a key and of no chain.
		if chain, _, ok := parseKey(key); ok && strings.HasPrefix(chain, prefix) {
			names = append(names, chain)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Close releases the store.
func (l *Ledger) Close() error {
	if err := l.store.Close(); err != nil {
		return fmt.Errorf("ledger: close: %w", err)
	}
	return nil
}
