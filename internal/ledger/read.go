package ledger

import (
	"context"
	"errors"
	"fmt"
)

// Read returns a chain, every entry of it checked: its place, its link to the
// entry before, its ledger and its form. A chain without entries is empty and
// no error. It reads the keys and entries of that chain alone.
//
// When an entry is wrong, the intact ones before it are returned with a
// *ChainError that names it and is ErrBroken or ErrUnknownEntry: enough to
// revoke from, never to grant on, and not to be appended to. With ErrAhead the
// chain is whole. When the store did not answer, the error is
// nhi.ErrUnreachable and no entry is returned; nhi.ErrInvalid when name is no
// chain's.
func (l *Ledger) Read(ctx context.Context, name string) (Chain, error) {
	if _, _, err := Subject(name); err != nil {
		return Chain{}, err
	}
	return l.read(ctx, name)
}

func (l *Ledger) read(ctx context.Context, name string) (Chain, error) {
	keys, err := l.store.List(ctx, name+"/")
	if err != nil {
		return Chain{Name: name}, unreachable("list "+name, err)
	}
	now, err := l.Now(ctx)
	if err != nil {
		return Chain{Name: name}, err
	}
	chain := Chain{Name: name, Entries: make([]Entry, 0, len(keys))}
	link := &linker{ledger: l.id, chain: name, latest: now.Add(MaxAhead)}
	for i, key := range keys {
		entry, fault, err := l.next(ctx, link, uint64(i)+1, key)
		if err != nil {
			return Chain{Name: name}, err
		}
		if fault != nil {
			chain.fault = fault
			return chain, fault
		}
		chain.Entries = append(chain.Entries, entry)
	}
	if link.ahead != nil {
		return chain, link.ahead
	}
	return chain, nil
}

// next reads what stands under key, where entry number seq should.
func (l *Ledger) next(ctx context.Context, link *linker, seq uint64, key string) (Entry, *ChainError, error) {
	if key != entryKey(link.chain, seq) {
		reason := "it is missing"
		if _, _, ok := parseKey(key); !ok {
			reason = fmt.Sprintf("in its place is the key %.300q", key)
		}
		return Entry{}, &ChainError{Chain: link.chain, Seq: seq, Reason: reason, Err: ErrBroken}, nil
	}
	data, err := l.store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Entry{}, &ChainError{Chain: link.chain, Seq: seq, Reason: "it was listed and is not there", Err: ErrBroken}, nil
	}
	if err != nil {
		return Entry{}, nil, unreachable("get "+key, err)
	}
	entry, fault := link.follow(seq, data)
	return entry, fault, nil
}
