package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Remains is what is left of grants, as marks on systems and memories say: for
// when the ledger cannot. It permits to take away, and never to give.
type Remains struct {
	// Grants are those that something is left of, by ledger and then by id. What
	// they name is told on its system by its whole mark alone.
	Grants []Record
	// Strays carry a mark, and are not told by it: another name than their grant
	// gives them. They may be copies, and are never touched.
	Strays []Stray
	// Unlisted are systems that could not be looked at, or that no marks can be
	// seen on (Err is nil).
	Unlisted []Unlisted
}

// Ledgers returns the ids of the ledgers that something is left of, sorted.
func (r Remains) Ledgers() []string {
	var ids []string
	for _, record := range r.Grants {
		ids = append(ids, record.Ledger)
	}
	return slices.Compact(ids) // they are sorted by it
}

// Of returns what is left of one ledger's grants.
func (r Remains) Of(ledgerID string) []Record {
	var records []Record
	for _, record := range r.Grants {
		if record.Ledger == ledgerID {
			records = append(records, record)
		}
	}
	return records
}

// Remains lists every system that can be listed, and joins the accounts with a
// mark to what memories (Terraform states) say of the same grants. It looks at
// the grants that takes allows, reads no ledger and changes nothing. An account
// is taken for a grant's only where it has the name that follows from the
// grant's id, or where a memory names it, mark and all.
func (e *Engine) Remains(ctx context.Context, memories []Record, takes func(nhi.ApprovalID) bool) Remains {
	g := &gatherer{systems: e.Systems, takes: takes, records: map[[2]string]*Record{}}
	for _, memory := range memories {
		g.remember(memory)
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, place := range e.Systems.Places() {
		group.Go(func() error { g.system(ctx, place); return nil })
	}
	_ = group.Wait()
	return g.remains()
}

// Remembered is Remains from memories alone: no system is looked at.
func Remembered(memories []Record, takes func(nhi.ApprovalID) bool) Remains {
	g := &gatherer{takes: takes, records: map[[2]string]*Record{}}
	for _, memory := range memories {
		g.remember(memory)
	}
	return g.remains()
}

// gatherer is one look for remains at work.
type gatherer struct {
	systems *Systems
	takes   func(nhi.ApprovalID) bool

	mu      sync.Mutex
	records map[[2]string]*Record // by ledger and grant
	found   Remains
}

// of returns the record of a grant of a ledger.
func (g *gatherer) of(ledgerID string, grant nhi.ApprovalID) *Record {
	at := [2]string{ledgerID, string(grant)}
	if g.records[at] == nil {
		g.records[at] = &Record{Ledger: ledgerID, Grant: grant, Targets: map[string]ledger.Target{}}
	}
	return g.records[at]
}

// remember takes over what a memory holds. Two memories of one grant are
// joined: whichever is older, what it names may be there.
func (g *gatherer) remember(memory Record) {
	if !g.takes(memory.Grant) || memory.Ledger == "" {
		return
	}
	record := g.of(memory.Ledger, memory.Grant)
	targets := record.Targets
	if memory.Head.Seq >= record.Head.Seq {
		*record, record.Targets = memory, targets
	}
	named := nonces(targets)
	for _, key := range slices.Sorted(maps.Keys(memory.Targets)) {
		target := memory.Targets[key]
		if named[target.Nonce] {
			continue
		}
		if _, taken := targets[key]; taken {
			key = retiredKey(targets, key, memory.Head.Seq)
		}
		targets[key] = target
	}
}

// system adds what one system holds.
func (g *gatherer) system(ctx context.Context, place ledger.Target) {
	sightings, err := surveyed(ctx, g.systems, place)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.found.Unlisted = append(g.found.Unlisted, *err)
		return
	}
	for _, sighting := range sightings {
		if (sighting.Mark != nhi.Mark{}) && g.takes(sighting.Mark.Grant) {
			g.sight(place, sighting)
		}
	}
}

// surveyed lists one system.
func surveyed(ctx context.Context, systems *Systems, place ledger.Target) ([]connector.Sighting, *Unlisted) {
	open, err := systems.Connector(ctx, place)
	if err != nil {
		return nil, &Unlisted{System: place.System, Err: err}
	}
	lister, can := connector.SurveyorOf(open)
	if !can {
		return nil, &Unlisted{System: place.System}
	}
	sightings, err := lister.Survey(ctx)
	if err != nil {
		return nil, &Unlisted{System: place.System, Err: err}
	}
	return sightings, nil
}

// sight adds one account with a mark to its grant.
func (g *gatherer) sight(place ledger.Target, sighting connector.Sighting) {
	mark := sighting.Mark
	record := g.of(mark.Ledger, mark.Grant)
	for _, target := range record.Targets {
		if target.Nonce == mark.Nonce && target.Kind == place.Kind && target.Endpoint == place.Endpoint &&
			belongs(target.Principal, sighting.Principal) {
			return // a memory names it, and knows more
		}
	}
	name := nhi.Principal(mark.Grant, mark.Target)
	if !belongs(name, sighting.Principal) {
		g.found.Strays = append(g.found.Strays, Stray{Place: place, Sighting: sighting,
			Why: fmt.Sprintf("it carries the mark of %s, whose account is called %s: it may be a copy", mark.Grant, name)})
		return
	}
	target := place
	target.Principal, target.Nonce = name, mark.Nonce
	if sighting.Principal == name {
		target.ID = sighting.ID
	}
	record.Targets[g.freeKey(record, mark.Target, target)] = target
}

// freeKey is the key under which an account that was seen is added. It takes
// the place of one that a memory has under the same name on the same system: a
// name is of one account, and the memory is the older one.
func (g *gatherer) freeKey(record *Record, key string, target ledger.Target) string {
	for known, old := range record.Targets {
		if old.Kind == target.Kind && old.Endpoint == target.Endpoint && old.Principal == target.Principal {
			return known
		}
	}
	if _, taken := record.Targets[key]; taken {
		return retiredKey(record.Targets, key, record.Head.Seq)
	}
	return key
}

// belongs says whether what was seen is the account called name, or hangs on
// it: a login or an unfinished account whose name begins with it.
func belongs(name, seen string) bool { return seen == name || strings.HasPrefix(seen, name+"-") }

// remains puts what was found in an order that follows from it.
func (g *gatherer) remains() Remains {
	for _, record := range g.records {
		if len(record.Targets) > 0 {
			g.found.Grants = append(g.found.Grants, *record)
		}
	}
	slices.SortFunc(g.found.Grants, func(a, b Record) int {
		return strings.Compare(a.Ledger+"\n"+string(a.Grant), b.Ledger+"\n"+string(b.Grant))
	})
	slices.SortStableFunc(g.found.Strays, func(a, b Stray) int {
		return strings.Compare(a.Place.System+"\n"+a.Principal, b.Place.System+"\n"+b.Principal)
	})
	slices.SortFunc(g.found.Unlisted, func(a, b Unlisted) int { return strings.Compare(a.System, b.System) })
	return g.found
}
