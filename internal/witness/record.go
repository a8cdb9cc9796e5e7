package witness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrDamaged says that a memory is not what its witness wrote: a record or the
// checkpoint was changed, or is missing.
var ErrDamaged = errors.New("the memory of the witness is damaged")

// Kind says what a record is about.
type Kind string

// The kinds of records.
const (
	KindBegan    Kind = "began"    // the memory: Ledger, and the first Key
	KindKey      Kind = "key"      // another Key from now on, which Vouch is for
	KindEntry    Kind = "entry"    // an entry, seen for the first time: Chain, Seq, Hash
	KindOther    Kind = "other"    // another entry under a number that had one: Chain, Seq, Hash
	KindGone     Kind = "gone"     // entries that were seen are not there: Chain, Seq, To
	KindBack     Kind = "back"     // entries that were gone are there again: Chain, Seq, To
	KindStranger Kind = "stranger" // where the ledger was is another one, Ledger, or none
	KindHolds    Kind = "holds"    // accepted: this entry counts from now on: Chain, Seq, Hash
	KindDropped  Kind = "dropped"  // accepted: these entries are not missed any more: Chain, Seq, To
	KindBorne    Kind = "borne"    // accepted: a fault of the record: Chain, Seq, Reason
	KindAccepted Kind = "accepted" // a person accepted what was found, with a Reason
)

// maxRecord bounds one record, in bytes.
const maxRecord = 64 << 10

// Record is one leaf of the memory. Which of its fields are set follows from
// its kind.
type Record struct {
	Kind   Kind       `json:"kind"`
	Time   time.Time  `json:"time"` // of the witness's own clock, UTC, in whole seconds
	Ledger string     `json:"ledger,omitempty"`
	Chain  string     `json:"chain,omitempty"`
	Seq    uint64     `json:"seq,omitempty"`
	To     uint64     `json:"to,omitempty"`
	Hash   nhi.Digest `json:"hash,omitempty"`
	Key    string     `json:"key,omitempty"`
	Vouch  string     `json:"vouch,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// encode returns the one way to write a record, without a line break.
func (r Record) encode() ([]byte, error) {
	r.Time = r.Time.UTC().Truncate(time.Second)
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record: %w: %w", nhi.ErrInvalid, err)
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("a record of %d bytes, and %d is the most allowed: %w", len(data), maxRecord, nhi.ErrInvalid)
	}
	return data, nil
}

// decodeRecord reads what encode wrote, byte for byte; else ErrDamaged.
func decodeRecord(data []byte) (Record, error) {
	var r Record
	if len(data) > maxRecord {
		return Record{}, fmt.Errorf("a record of %d bytes: %w", len(data), ErrDamaged)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	again, err := r.encode()
	if err != nil || !bytes.Equal(again, data) {
		return Record{}, fmt.Errorf("a record is not in canonical form: %w", ErrDamaged)
	}
	return r, nil
}

// place is where an entry stands.
type place struct {
	chain string
	seq   uint64
}

func (r Record) place() place { return place{r.Chain, r.Seq} }

// maxRange bounds how many entries one record can speak of: as many as a chain
// can hold.
const maxRange = 99_999_999

// ranged says whether a record speaks of entries that can be.
func (r Record) ranged() bool { return r.Seq >= 1 && r.To >= r.Seq && r.To <= maxRange }
