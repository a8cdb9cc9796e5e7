package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Append writes bodies behind chain, one entry after the other, and returns
// the chain as it is now, with the bodies as every reader will see them. After
// an error it returns the chain with those that were written before it.
//
// ErrConflict when the chain has grown since it was read: read it and decide
// again. A ChainError when chain came with one from Read (but ErrAhead): put
// the record into a Spool. nhi.ErrInvalid when a body cannot be stored, which
// is found before anything is written. nhi.ErrUnreachable when the store did
// not answer: the entry may or may not be there, and reading tells.
func (l *Ledger) Append(ctx context.Context, chain Chain, bodies ...Body) (Chain, error) {
	drafts := make([]draft, len(bodies))
	for i, body := range bodies {
		drafts[i] = draft{writer: l.writer, body: body}
	}
	return l.write(ctx, chain, drafts)
}

// draft is an entry that has no place yet.
type draft struct {
	writer string
	body   Body
}

func (l *Ledger) write(ctx context.Context, chain Chain, drafts []draft) (Chain, error) {
	if _, _, err := Subject(chain.Name); err != nil {
		return chain, err
	}
	if chain.fault != nil {
		return chain, chain.fault
	}
	for _, d := range drafts {
		// As long as any entry can get, so that none is refused half-way.
		longest := Entry{Ledger: l.id, Chain: chain.Name, Seq: MaxSeq, Prev: nhi.DigestOf(""), Writer: d.writer, Body: d.body}
		if _, _, err := final(longest); err != nil {
			return chain, err
		}
	}
	head := chain.Head()
	// Clipped, so that two callers can grow the same chain.
	grown := Chain{Name: chain.Name, Entries: chain.Entries[:len(chain.Entries):len(chain.Entries)]}
	for _, d := range drafts {
		entry := Entry{Ledger: l.id, Chain: chain.Name, Seq: head.Seq + 1, Prev: head.Hash, Writer: d.writer, Body: d.body}
		created, end, err := l.create(ctx, entry)
		if err != nil {
			return grown, err
		}
		grown.Entries, head = append(grown.Entries, created), end
	}
	return grown, nil
}

// create stores one entry with the store's time, and returns it as it will be
// read, together with the chain's new head.
func (l *Ledger) create(ctx context.Context, entry Entry) (Entry, nhi.Head, error) {
	now, err := l.Now(ctx)
	if err != nil {
		return Entry{}, nhi.Head{}, err
	}
	entry.Time = stamp(now)
	entry, data, err := final(entry)
	if err != nil {
		return Entry{}, nhi.Head{}, err
	}
	key := entryKey(entry.Chain, entry.Seq)
	err = l.store.Create(ctx, key, data)
	if errors.Is(err, ErrExists) {
		return Entry{}, nhi.Head{}, fmt.Errorf("ledger: entry %d of chain %s: %w", entry.Seq, entry.Chain, ErrConflict)
	}
	if err != nil {
		return Entry{}, nhi.Head{}, unreachable("create "+key, err)
	}
	return entry, nhi.Head{Seq: entry.Seq, Hash: nhi.DigestOf(string(data))}, nil
}

// final returns the entry as it will be read, and its bytes. What could not be
// read again is never stored.
func final(entry Entry) (Entry, []byte, error) {
	if entry.Seq > MaxSeq {
		return Entry{}, nil, fmt.Errorf("chain %s is full: %w", entry.Chain, nhi.ErrInvalid)
	}
	data, err := entry.Encode()
	if err != nil {
		return Entry{}, nil, err
	}
	read, err := DecodeEntry(data)
	if err != nil {
		return Entry{}, nil, fmt.Errorf("the entry could not be read again: %w: %v", nhi.ErrInvalid, err) //nolint:errorlint // the input is wrong, and no record is broken
	}
	return read, data, nil
}
