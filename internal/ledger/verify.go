package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Fault is one thing that is wrong with the record.
type Fault struct {
	Chain  string // its name, or the whole key where that names no chain
	Seq    uint64 // of the entry; 0 where it is about the chain or the key
	Reason string
}

// String returns the fault in one line.
func (f Fault) String() string {
	if f.Seq == 0 {
		return fmt.Sprintf("%s: %s", f.Chain, f.Reason)
	}
	return fmt.Sprintf("%s entry %d: %s", f.Chain, f.Seq, f.Reason)
}

// Verify reads the whole ledger once and returns everything that is wrong with
// its structure, in the order of the keys: entries that are missing, changed,
// moved, doubled, of another ledger or chain, from the future, or that cannot
// be read, and keys that are none of a ledger's. A fault is reported once, at
// the entry where it shows: that one was changed which can still be read is
// told by the next one alone. It checks no signature, and cannot see that a chain was
// cut short. The error is nhi.ErrUnreachable when the store did not answer, and
// then the faults are those found so far.
func (l *Ledger) Verify(ctx context.Context) ([]Fault, error) {
	keys, err := l.store.List(ctx, "")
	if err != nil {
		return nil, unreachable("list", err)
	}
	now, err := l.Now(ctx)
	if err != nil {
		return nil, err
	}
	v := verifier{ledger: l}
	err = v.all(ctx, keys, now)
	return v.faults, err
}

// all checks every key in its order.
func (v *verifier) all(ctx context.Context, keys []string, now time.Time) error {
	for _, key := range keys {
		chain, seq, ok := parseKey(key)
		if !ok {
			v.found(key, 0, "this key is none of a ledger's")
			continue
		}
		if chain != v.link.chain {
			v.link = linker{ledger: v.ledger.id, chain: chain, latest: now.Add(MaxAhead)}
			v.last, v.lost = 0, false
		}
		if err := v.entry(ctx, key, seq); err != nil {
			return err
		}
	}
	return nil
}

type verifier struct {
	ledger *Ledger
	link   linker
	last   uint64 // number of the entry before
	lost   bool   // the entry before could not be had
	faults []Fault
	seen   []Sighting
}

func (v *verifier) found(chain string, seq uint64, reason string) {
	v.faults = append(v.faults, Fault{Chain: chain, Seq: seq, Reason: reason})
}

// entry checks the entry under key against the one before it.
func (v *verifier) entry(ctx context.Context, key string, seq uint64) error {
	if seq != v.last+1 {
		v.missing(v.last+1, seq-1)
		v.lost = true
	}
	v.last = seq
	data, err := v.ledger.store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		v.found(v.link.chain, seq, "it was listed and is not there")
		v.lost = true
		return nil
	}
	if err != nil {
		return unreachable("get "+key, err)
	}
	if v.lost {
		v.link.resume(data)
	}
	v.lost, v.link.ahead = false, nil
	sighting := Sighting{Chain: v.link.chain, Seq: seq, Hash: nhi.DigestOf(string(data))}
	if _, fault := v.link.follow(seq, data); fault != nil {
		v.found(fault.Chain, fault.Seq, fault.Reason)
		sighting.Unknown = errors.Is(fault, ErrUnknownEntry)
		// What was written here is not known, so neither is what should follow.
		v.lost = !errors.Is(fault, ErrUnknownEntry)
	}
	v.seen = append(v.seen, sighting)
	if v.link.ahead != nil {
		v.found(v.link.chain, seq, v.link.ahead.Reason)
	}
	return nil
}

func (v *verifier) missing(from, to uint64) {
	if from == to {
		v.found(v.link.chain, from, "it is missing")
		return
	}
	v.found(v.link.chain, from, fmt.Sprintf("it is missing, and all up to entry %d", to))
}
