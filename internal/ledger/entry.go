package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Entry is one link of a chain.
type Entry struct {
	Ledger string     // id of the ledger that it belongs to
	Chain  string     // name of the chain that it belongs to
	Seq    uint64     // its place in the chain, from 1
	Prev   nhi.Digest // hash of the entry before; empty on the first
	Time   time.Time  // the store's time at writing, UTC, in whole milliseconds
	Writer string     // who wrote it ("terraform-provider-nhi 0.1.0"), for people
	Body   Body
}

// stored is an entry as it is written: the order of these fields is the order
// of the bytes, and golden files hold it.
type stored struct {
	Ledger string          `json:"ledger"`
	Chain  string          `json:"chain"`
	Seq    uint64          `json:"seq"`
	Prev   nhi.Digest      `json:"prev"`
	Time   time.Time       `json:"time"`
	Writer string          `json:"writer"`
	Type   string          `json:"type"`
	Body   json.RawMessage `json:"body"`
}

// Encode returns the bytes that are stored: one JSON object as encoding/json
// writes it, with fields in a fixed order, times in UTC, and nothing left out
// or null. nhi.ErrInvalid when the entry cannot be stored: it has no body or
// one that is not of this package, is longer than MaxEntry, or holds a time
// after the year 9999. Text that is not UTF-8 is refused by DecodeEntry.
func (e Entry) Encode() ([]byte, error) {
	kind, body, err := encodeBody(e.Body)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(stored{
		Ledger: e.Ledger, Chain: e.Chain, Seq: e.Seq, Prev: e.Prev,
		Time: e.Time.UTC(), Writer: e.Writer, Type: kind, Body: body,
	})
	if err != nil {
		return nil, fmt.Errorf("entry of type %s: %w: %w", kind, nhi.ErrInvalid, err)
	}
	if len(data) > MaxEntry {
		return nil, fmt.Errorf("entry of type %s has %d bytes, and %d is the most allowed: %w", kind, len(data), MaxEntry, nhi.ErrInvalid)
	}
	return data, nil
}

// Hash returns the digest of the stored bytes, which the next entry carries as
// its Prev; empty for an entry that cannot be stored.
func (e Entry) Hash() nhi.Digest {
	data, err := e.Encode()
	if err != nil {
		return ""
	}
	return nhi.DigestOf(string(data))
}

// typeName is the form of NAME@VERSION. What does not have it is no entry of
// any release.
var typeName = regexp.MustCompile(`^[a-z][a-z_]{0,39}@[1-9][0-9]{0,3}$`)

// DecodeEntry reads stored bytes. There is one way to write each entry, and
// any other is refused: what is read is encoded again and must be the same
// bytes, which finds unknown and doubled fields, white space, another order,
// other escapes and trailing data alike. The error is ErrUnknownEntry when the
// entry says that it is of a type that this release does not know, and
// ErrBroken for all else.
func DecodeEntry(data []byte) (Entry, error) {
	if len(data) > MaxEntry {
		return Entry{}, fmt.Errorf("%d bytes, and %d is the most allowed: %w", len(data), MaxEntry, ErrBroken)
	}
	// Only the type may be believed before it is known: a newer release may
	// have added fields to the rest.
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	decode, known := bodiesByType[head.Type]
	if !known {
		if typeName.MatchString(head.Type) {
			return Entry{}, fmt.Errorf("type %s: %w", head.Type, ErrUnknownEntry)
		}
		return Entry{}, fmt.Errorf("type %.80q: %w", head.Type, ErrBroken)
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	body, err := decode(s.Body)
	if err != nil {
		return Entry{}, fmt.Errorf("body of type %s: %w: %w", head.Type, ErrBroken, err)
	}
	entry := Entry{Ledger: s.Ledger, Chain: s.Chain, Seq: s.Seq, Prev: s.Prev, Time: s.Time.UTC(), Writer: s.Writer, Body: body}
	again, err := entry.Encode()
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if !bytes.Equal(again, data) {
		return Entry{}, fmt.Errorf("not in canonical form: %w", ErrBroken)
	}
	return entry, nil
}
