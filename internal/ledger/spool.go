package ledger

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// spoolSuffix ends the name of every complete record.
const spoolSuffix = ".json"

// recordMode says who may look at a record: the owner.
const recordMode = 0o600

// Spool keeps records that could not be written while the ledger was away, or
// while a chain of it was broken: a removal never waits for its record. Each
// record is one small file in a folder of this ledger's own. Several processes
// may use one folder at once.
type Spool struct {
	parent string
	ledger string

	mu   sync.Mutex
	last time.Time // of the last record, so that names keep their order
}

// NewSpool returns the spool of one ledger under dir, which is created when the
// first record is put there.
func NewSpool(dir, ledgerID string) *Spool { return &Spool{parent: dir, ledger: ledgerID} }

// Put keeps one record: bodies to be appended to chain, in order. Once it
// returned nil, the record survives a crash of the machine. nhi.ErrInvalid when
// it could never be appended.
func (s *Spool) Put(chain string, bodies ...Body) error { return s.put(s.name(), chain, bodies) }

func (s *Spool) put(name, chain string, bodies []Body) error {
	if err := nhi.CheckLedgerID(s.ledger); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	data, err := encodeRecord(s.ledger, chain, bodies)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := durable.MakeFolder(s.dir()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(s.dir(), name), data, recordMode); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Pending returns how many records wait.
func (s *Spool) Pending() (int, error) {
	names, err := s.names()
	return len(names), err
}

// Bodies returns what waits for one chain, oldest first. Records that cannot be
// read are left out: Flush names them.
func (s *Spool) Bodies(chain string) ([]Body, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var bodies []Body
	for _, name := range names {
		data, err := readBounded(filepath.Join(s.dir(), name))
		if err != nil {
			continue
		}
		r, err := decodeRecord(data, s.ledger)
		if err != nil || r.Chain != chain {
			continue
		}
		for _, spooled := range r.Bodies {
			bodies = append(bodies, spooled.body)
		}
	}
	return bodies, nil
}

func (s *Spool) dir() string { return filepath.Join(s.parent, s.ledger) }

// names returns the complete records, oldest first.
func (s *Spool) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), spoolSuffix) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// nameTime is the form of the time that a name begins with.
const nameTime = "20060102T150405.000000000Z"

// name returns a name that sorts behind those of all records that wait, also
// where the machine's clock was set back since, and that no other process uses.
func (s *Spool) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	if names, err := s.names(); err == nil && len(names) > 0 {
		stamp, _, _ := strings.Cut(names[len(names)-1], "-")
		if waits, err := time.Parse(nameTime, stamp); err == nil && waits.After(s.last) {
			s.last = waits
		}
	}
	if !now.After(s.last) {
		now = s.last.Add(time.Nanosecond)
	}
	s.last = now
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails, by its own documentation
	return now.Format(nameTime) + "-" + hex.EncodeToString(random) + spoolSuffix
}
