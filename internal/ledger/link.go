package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// MaxAhead is how far an entry may be ahead of the store's time: as much as
// clocks of a well-kept fleet differ.
const MaxAhead = 5 * time.Minute

// ErrAhead says that an entry is more than MaxAhead later than the store's
// time: one of the two clocks is wrong. It is an ErrBroken, so nothing is
// granted; but the chain itself is whole, is returned whole, and can be
// appended to, so that a wrong clock stops no removal.
var ErrAhead = fmt.Errorf("the entry is from the future: %w", ErrBroken)

// ChainError says which entry of which chain is not what it must be.
type ChainError struct {
	Chain  string
	Seq    uint64 // of the entry that is wrong or missing
	Reason string
	Err    error // ErrBroken, ErrAhead or ErrUnknownEntry
}

// Error implements error.
func (e *ChainError) Error() string {
	return fmt.Sprintf("ledger: entry %d of chain %s: %s", e.Seq, e.Chain, e.Reason)
}

// Unwrap returns the sentinel.
func (e *ChainError) Unwrap() error { return e.Err }

// linker follows one chain entry by entry, and holds what the next must carry.
type linker struct {
	ledger string // id; empty until the first root entry was read
	chain  string
	prev   nhi.Digest
	latest time.Time // an entry after it is ahead
	ahead  *ChainError
}

// follow checks the bytes stored as entry number seq. Whatever it finds, the
// linker moves on behind these bytes, so that one fault is reported once.
func (l *linker) follow(seq uint64, data []byte) (Entry, *ChainError) {
	prev := l.prev
	l.prev = nhi.DigestOf(string(data))
	entry, err := DecodeEntry(data)
	if err != nil {
		sentinel := ErrBroken
		if errors.Is(err, ErrUnknownEntry) {
			sentinel = ErrUnknownEntry
		}
		return Entry{}, &ChainError{Chain: l.chain, Seq: seq, Reason: err.Error(), Err: sentinel}
	}
	if l.ledger == "" {
		l.ledger = entry.Ledger
	}
	if reason := l.misplaced(entry, seq, prev); reason != "" {
		return Entry{}, &ChainError{Chain: l.chain, Seq: seq, Reason: reason, Err: ErrBroken}
	}
	if entry.Time.After(l.latest) && l.ahead == nil {
		reason := fmt.Sprintf("its time %s is more than %s ahead of the store's", entry.Time.Format(time.RFC3339), MaxAhead)
		l.ahead = &ChainError{Chain: l.chain, Seq: seq, Reason: reason, Err: ErrAhead}
	}
	return entry, nil
}

func (l *linker) misplaced(entry Entry, seq uint64, prev nhi.Digest) string {
	switch {
	case entry.Ledger != l.ledger:
		return fmt.Sprintf("it is of ledger %.40q, and this is ledger %s", entry.Ledger, l.ledger)
	case entry.Chain != l.chain:
		return fmt.Sprintf("it was written for chain %.300q", entry.Chain)
	case entry.Seq != seq:
		return fmt.Sprintf("it was written as entry %d", entry.Seq)
	case entry.Prev != prev:
		return "it does not follow from the entry before it: one of the two was changed"
	default:
		return ""
	}
}

// resume takes the link of the next entry on trust, behind a gap that was
// reported.
func (l *linker) resume(data []byte) {
	if entry, err := DecodeEntry(data); err == nil {
		l.prev = entry.Prev
	}
}
