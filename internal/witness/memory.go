package witness

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Memory is what a witness has seen of one ledger: its records, and what
// follows from them. It holds no key and touches no disk.
type Memory struct {
	ledger string
	keys   []string // every key, the first one first
	tree   tree

	entries map[place]sighted         // what counts, under each number
	others  map[place][]sighted       // what else was seen there, and nobody accepted
	gone    map[place]bool            // recorded as gone, and not back
	borne   map[ledger.Fault]struct{} // faults of the record that were accepted
	lostAt  time.Time                 // since when something is gone or other; zero where nothing is
}

// sighted is an entry that was seen.
type sighted struct {
	hash nhi.Digest
	at   time.Time
	n    int64 // the number of the record that says so
}

// newMemory returns a memory that has not begun.
func newMemory() *Memory {
	return &Memory{entries: map[place]sighted{}, others: map[place][]sighted{}, gone: map[place]bool{}, borne: map[ledger.Fault]struct{}{}}
}

// Remember reads the memory that the signed checkpoint is of from the bytes of
// its log, and returns how many of them it covers: what stands behind them was
// being written when the witness was stopped, and is no part of it. All of it
// is checked: each record, each key by the one before it, and the checkpoint.
// ErrDamaged says that something is not as the witness wrote it.
func Remember(log []byte, signed string) (*Memory, Checkpoint, int64, error) {
	claimed, err := claim(signed)
	if err != nil {
		return nil, Checkpoint{}, 0, err
	}
	m := newMemory()
	covered := int64(0)
	for m.tree.size < claimed.Size {
		line, _, whole := bytes.Cut(log[covered:], []byte("\n"))
		if !whole {
			return nil, Checkpoint{}, 0, fmt.Errorf("the checkpoint is of %d records, and there are %d: %w", claimed.Size, m.tree.size, ErrDamaged)
		}
		record, err := decodeRecord(line)
		if err == nil {
			err = m.add(record)
		}
		if err != nil {
			return nil, Checkpoint{}, 0, fmt.Errorf("record %d: %w", m.tree.size+1, err)
		}
		covered += int64(len(line)) + 1
	}
	checkpoint, err := m.confirm(signed, m.Key())
	if err != nil {
		return nil, Checkpoint{}, 0, err
	}
	return m, checkpoint, covered, nil
}

// claim reads what a note says, before its key is known.
func claim(signed string) (Checkpoint, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, fmt.Errorf("a checkpoint of %d bytes: %w", len(signed), ErrDamaged)
	}
	text, _, _ := bytes.Cut([]byte(signed), []byte("\n\n"))
	return parseCheckpoint(string(text) + "\n")
}

// Confirm checks that a checkpoint, also an older one, is of this memory: it is
// signed by one of its keys, and the first records are those that it is of.
func (m *Memory) Confirm(signed string) (Checkpoint, error) { return m.confirm(signed, m.keys...) }

func (m *Memory) confirm(signed string, keys ...string) (Checkpoint, error) {
	text, err := openNote(signed, keys...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	checkpoint, err := parseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, err
	}
	head, err := m.tree.head(checkpoint.Size)
	switch {
	case err != nil:
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	case checkpoint.Ledger != m.ledger:
		return Checkpoint{}, fmt.Errorf("the checkpoint is of ledger %s, and this memory of ledger %s: %w", checkpoint.Ledger, m.ledger, ErrDamaged)
	case head != checkpoint.Head:
		return Checkpoint{}, fmt.Errorf("the first %d records are not those that the checkpoint of %s is of: %w",
			checkpoint.Size, nhi.FormatTime(checkpoint.Time), ErrDamaged)
	}
	checkpoint.Note = signed
	return checkpoint, nil
}

// Ledger returns the id of the ledger that the memory is of.
func (m *Memory) Ledger() string { return m.ledger }

// Key returns the public key that signs the memory now.
func (m *Memory) Key() string {
	if len(m.keys) == 0 {
		return ""
	}
	return m.keys[len(m.keys)-1]
}

// Keys returns every public key that the memory had, the first one first.
func (m *Memory) Keys() []string { return slices.Clone(m.keys) }

// Size returns how many records there are.
func (m *Memory) Size() int64 { return m.tree.size }

// Entries returns how many entries of the ledger are remembered.
func (m *Memory) Entries() int { return len(m.entries) }

// clone returns a memory of its own, to try records on.
func (m *Memory) clone() *Memory {
	c := *m
	c.keys, c.tree.hashes = slices.Clone(m.keys), slices.Clone(m.tree.hashes)
	c.entries, c.gone, c.borne = maps.Clone(m.entries), maps.Clone(m.gone), maps.Clone(m.borne)
	c.others = make(map[place][]sighted, len(m.others))
	for at, seen := range m.others {
		c.others[at] = slices.Clone(seen)
	}
	return &c
}
