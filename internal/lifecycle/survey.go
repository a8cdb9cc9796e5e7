package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Survey is what the systems hold beside what the ledger says. Nothing in it is
// ever touched: people decide.
type Survey struct {
	Orphans   []Stray // carry a mark of this ledger that it does not stand by
	Elsewhere []Stray // carry the mark of another ledger
	Unmanaged []Stray // look like machine identities, and carry no mark
	Missing   []Missing
	Unlisted  []Unlisted
}

// Stray is an account on a system that no live grant is behind.
type Stray struct {
	Place ledger.Target // system, kind and endpoint
	connector.Sighting
	Why string // in words
}

// Missing is a target that the ledger holds as active and that is not there.
type Missing struct {
	Grant  nhi.ApprovalID
	Target string
	Place  ledger.Target
	Why    string
}

// Unlisted is a system, or a grant, that could not be looked at whole.
type Unlisted struct {
	System string // empty where it is about a grant
	Grant  nhi.ApprovalID
	Err    error // nil where such a system cannot be listed at all
}

// Survey lists every system that can be listed, and compares with the ledger.
// It changes nothing. What could not be looked at is in Unlisted.
func (e *Engine) Survey(ctx context.Context) (Survey, error) {
	grants, err := e.grantsBelow(ctx, ledger.KindGrant+"/")
	if err != nil {
		return Survey{}, err
	}
	book, err := e.Book()
	if err != nil {
		return Survey{}, err
	}
	s := &surveyor{engine: e, ledger: book.ID(), records: map[nhi.ApprovalID]Record{}}
	for _, grant := range grants {
		op, err := e.begin(ctx, grant)
		if err != nil {
			s.unlisted(Unlisted{Grant: grant, Err: err})
			continue
		}
		s.records[grant] = op.record
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, place := range e.Systems.Places() {
		group.Go(func() error { s.system(ctx, place); return nil })
	}
	_ = group.Wait()
	for _, grant := range grants {
		if record, ok := s.records[grant]; ok && record.Phase == PhaseActive {
			s.missing(ctx, record)
		}
	}
	s.sort()
	return s.found, nil
}

// surveyor is one survey at work.
type surveyor struct {
	engine  *Engine
	ledger  string
	records map[nhi.ApprovalID]Record

	mu    sync.Mutex
	found Survey
}

func (s *surveyor) unlisted(one Unlisted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found.Unlisted = append(s.found.Unlisted, one)
}

// system lists one system.
func (s *surveyor) system(ctx context.Context, place ledger.Target) {
	sightings, unlisted := surveyed(ctx, s.engine.Systems, place)
	if unlisted != nil {
		s.unlisted(*unlisted)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sighting := range sightings {
		s.place(place, sighting)
	}
}

// place says where one sighting belongs.
func (s *surveyor) place(at ledger.Target, sighting connector.Sighting) {
	stray := Stray{Place: at, Sighting: sighting}
	switch {
	case sighting.Mark == nhi.Mark{} && !sighting.Machine:
	case sighting.Mark == nhi.Mark{}:
		stray.Why = "nobody manages it here"
		s.found.Unmanaged = append(s.found.Unmanaged, stray)
	case sighting.Mark.Ledger != s.ledger:
		stray.Why = "it carries the mark of ledger " + sighting.Mark.Ledger
		s.found.Elsewhere = append(s.found.Elsewhere, stray)
	default:
		if stray.Why = s.disowned(at, sighting); stray.Why != "" {
			s.found.Orphans = append(s.found.Orphans, stray)
		}
	}
}

// disowned says in words why the ledger does not stand by an account that
// carries its mark; empty where it does, and where its chain cannot be read.
func (s *surveyor) disowned(place ledger.Target, sighting connector.Sighting) string {
	record, known := s.records[sighting.Mark.Grant]
	if !known {
		for _, unread := range s.found.Unlisted {
			if unread.Grant == sighting.Mark.Grant {
				return ""
			}
		}
		return fmt.Sprintf("the ledger knows no grant %s", sighting.Mark.Grant)
	}
	for _, target := range record.Targets {
		if target.Nonce == sighting.Mark.Nonce {
			return unlike(target, place, sighting)
		}
	}
	for _, entry := range record.chain.Entries {
		intent, ok := entry.Body.(ledger.IntentBody)
		if !ok {
			continue
		}
		for _, target := range intent.Targets {
			if target.Nonce == sighting.Mark.Nonce {
				return fmt.Sprintf("the ledger says that %s was removed here", record.Grant)
			}
		}
	}
	return fmt.Sprintf("the mark names %s, and no run of this ledger made it", record.Grant)
}

// unlike says how an account differs from the one that has its mark.
func unlike(target ledger.Target, place ledger.Target, sighting connector.Sighting) string {
	switch {
	case target.Kind != place.Kind || target.Endpoint != place.Endpoint:
		return "the mark is a copy: the ledger has it on " + target.Endpoint
	case target.ID != "" && sighting.ID != "" && target.ID != sighting.ID:
		return fmt.Sprintf("the mark is a copy: the ledger has it on %s (%s)", target.Principal, target.ID)
	default:
		return ""
	}
}

// missing looks for what the ledger holds as active.
func (s *surveyor) missing(ctx context.Context, record Record) {
	op := &operation{engine: s.engine, record: record}
	for _, key := range record.keys() {
		seen := s.engine.lookAt(ctx, op, key)
		lost := Missing{Grant: record.Grant, Target: key, Place: record.Targets[key]}
		switch {
		case seen.Err != nil:
			s.unlisted(Unlisted{Grant: record.Grant, Err: fmt.Errorf("target %q: %w", key, seen.Err)})
			continue
		case seen.Observation.State == connector.Absent:
			lost.Why = "the ledger holds it as active, and it is not there"
		case seen.Observation.State == connector.Foreign:
			lost.Why = "the ledger holds it as active, and something else stands under its name"
		default:
			continue
		}
		s.found.Missing = append(s.found.Missing, lost)
	}
}

// sort puts everything in an order that follows from what was found.
func (s *surveyor) sort() {
	for _, strays := range [][]Stray{s.found.Orphans, s.found.Elsewhere, s.found.Unmanaged} {
		slices.SortStableFunc(strays, func(a, b Stray) int {
			return strings.Compare(a.Place.System+"\n"+a.Principal, b.Place.System+"\n"+b.Principal)
		})
	}
	slices.SortStableFunc(s.found.Unlisted, func(a, b Unlisted) int {
		return strings.Compare(a.System+"\n"+string(a.Grant), b.System+"\n"+string(b.Grant))
	})
}
