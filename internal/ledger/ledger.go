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
	root   nhi.Root
	text   string
}

// Create starts a ledger in an empty store with a new random id, and returns
// it open. root holds the first trust root and no signatures. ErrExists when a
// ledger is there, ErrBroken when the store holds anything else,
// nhi.ErrInvalid for a malformed root or writer, nhi.ErrUnreachable when the
// store did not answer. The store is closed by Ledger.Close; after an error it
// is still the caller's.
func Create(ctx context.Context, store Store, root RootBody, writer string) (*Ledger, error) {
	parsed, err := nhi.ParseRoot(root.Root)
	if err != nil {
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
	l := &Ledger{store: store, id: hex.EncodeToString(random), writer: writer, root: parsed, text: root.Root}
	_, err = l.Append(ctx, Chain{Name: RootChain}, root)
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
// ErrUnknownEntry) when the root chain is not what it must be,
// nhi.ErrUnreachable when the store did not answer. It trusts no root: compare
// RootText with the pin. The store is closed by Ledger.Close; after an error
// it is still the caller's.
func Open(ctx context.Context, store Store, writer string) (*Ledger, error) {
	if err := checkWriter(writer); err != nil {
		return nil, err
	}
	l := &Ledger{store: store, writer: writer}
	chain, err := l.read(ctx, RootChain)
	if err != nil {
		return nil, err
	}
	if len(chain.Entries) == 0 {
		return nil, fmt.Errorf("the store holds no root entry: %w", ErrNoLedger)
	}
	if len(chain.Entries) > 1 {
		return nil, &ChainError{Chain: RootChain, Seq: 2, Reason: "it succeeds the trust root, and this release cannot check that", Err: ErrUnknownEntry}
	}
	first := chain.Entries[0]
	body, ok := first.Body.(RootBody)
	if !ok {
		return nil, &ChainError{Chain: RootChain, Seq: 1, Reason: "it is of type " + first.Body.Type(), Err: ErrBroken}
	}
	root, err := nhi.ParseRoot(body.Root)
	if err != nil {
		return nil, &ChainError{Chain: RootChain, Seq: 1, Reason: err.Error(), Err: ErrBroken}
	}
	if err := nhi.CheckLedgerID(first.Ledger); err != nil {
		return nil, &ChainError{Chain: RootChain, Seq: 1, Reason: err.Error(), Err: ErrBroken}
	}
	l.id, l.root, l.text = first.Ledger, root, body.Root
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

// Root returns the newest trust root. Nothing here says that it is trusted.
func (l *Ledger) Root() nhi.Root {
	root := l.root
	root.Keys = slices.Clone(root.Keys)
	return root
}

// RootText returns the canonical text of Root, of which the pin is the digest.
func (l *Ledger) RootText() string { return l.text }

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
