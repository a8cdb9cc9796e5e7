package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxRecord bounds one file of a spool, in bytes.
const maxRecord = 4 * MaxEntry

// recordHeading names the format of a spooled record and its version.
const recordHeading = "spooled@1"

// record is what one file of a spool holds.
type record struct {
	Format string         `json:"format"`
	Ledger string         `json:"ledger"`
	Chain  string         `json:"chain"`
	Bodies []spooledEntry `json:"bodies"`
}

type spooledEntry struct {
	Type string          `json:"type"`
	Body json.RawMessage `json:"body"`

	body Body
}

func encodeRecord(ledgerID, chain string, bodies []Body) ([]byte, error) {
	if _, _, err := Subject(chain); err != nil {
		return nil, err
	}
	if len(bodies) == 0 {
		return nil, fmt.Errorf("a record needs at least one body: %w", nhi.ErrInvalid)
	}
	r := record{Format: recordHeading, Ledger: ledgerID, Chain: chain}
	for _, body := range bodies {
		if _, _, err := final(Entry{Ledger: ledgerID, Chain: chain, Seq: MaxSeq, Prev: nhi.DigestOf(""), Body: body}); err != nil {
			return nil, err
		}
		kind, data, err := encodeBody(body)
		if err != nil {
			return nil, err
		}
		r.Bodies = append(r.Bodies, spooledEntry{Type: kind, Body: data})
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("a record of %d bytes, and %d is the most allowed: %w", len(data), maxRecord, nhi.ErrInvalid)
	}
	return data, nil
}

// decodeRecord reads what encodeRecord wrote, byte for byte.
func decodeRecord(data []byte, ledgerID string) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("%w: %w", nhi.ErrInvalid, err)
	}
	if r.Format != recordHeading || r.Ledger != ledgerID {
		return record{}, fmt.Errorf("format %.40q for ledger %.40q: %w", r.Format, r.Ledger, nhi.ErrInvalid)
	}
	bodies := make([]Body, len(r.Bodies))
	for i, spooled := range r.Bodies {
		decode, known := bodiesByType[spooled.Type]
		if !known {
			return record{}, fmt.Errorf("type %.80q: %w", spooled.Type, ErrUnknownEntry)
		}
		body, err := decode(spooled.Body)
		if err != nil {
			return record{}, fmt.Errorf("%w: %w", nhi.ErrInvalid, err)
		}
		bodies[i], r.Bodies[i].body = body, body
	}
	again, err := encodeRecord(r.Ledger, r.Chain, bodies)
	if err != nil {
		return record{}, err
	}
	if !bytes.Equal(again, data) {
		return record{}, nhi.ErrNotCanonical
	}
	return r, nil
}

// missing returns what of the record is not in the chain yet, each with a
// writer that names the record and its part. So a second process, or a second
// try after a crash, knows what the first has written, whatever was appended
// in between.
func (r record) missing(chain Chain, writer, id string) []draft {
	drafts := make([]draft, len(r.Bodies))
	for i, spooled := range r.Bodies {
		drafts[i] = draft{writer: writer + partOf(id, i), body: spooled.body}
	}
	done := r.tail(chain)
	for _, entry := range chain.Entries {
		for i := done; i < len(drafts); i++ {
			if strings.HasSuffix(entry.Writer, partOf(id, i)) && r.Bodies[i].same(entry.Body) {
				done = i + 1
			}
		}
	}
	return drafts[done:]
}

// partOf is what the writer of an entry ends with that came out of a spool.
func partOf(id string, part int) string { return fmt.Sprintf(", spooled %s/%d", id, part+1) }

// tail returns how many of the record's first bodies are the chain's last: the
// ledger stored them, and its answer was lost.
func (r record) tail(chain Chain) int {
	for n := min(len(r.Bodies), len(chain.Entries)); n > 0; n-- {
		if r.endsWith(chain.Entries[len(chain.Entries)-n:]) {
			return n
		}
	}
	return 0
}

func (r record) endsWith(entries []Entry) bool {
	for i, entry := range entries {
		if !r.Bodies[i].same(entry.Body) {
			return false
		}
	}
	return true
}

func (s spooledEntry) same(body Body) bool {
	kind, data, err := encodeBody(body)
	return err == nil && kind == s.Type && bytes.Equal(data, s.Body)
}
