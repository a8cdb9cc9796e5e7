package witness

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Accept returns the records that make the memory take the look as what counts
// from now on, in a person's name: nothing is forgotten, and what was found
// until now is not found again. Nil where nothing is to be accepted. The ledger
// must be the one that the memory is of.
func (m *Memory) Accept(look Look, reason string, now time.Time) ([]Record, error) {
	if look.Ledger != m.ledger || !look.readable() {
		return nil, fmt.Errorf("what is there is not ledger %s, or cannot be read: %w", m.ledger, nhi.ErrInvalid)
	}
	report, _ := m.Compare(look, now)
	if report.OK() {
		return nil, nil
	}
	c := comparison{memory: m, look: look, now: now, here: look.at()}
	c.arrived()
	c.departed()
	for _, at := range slices.SortedFunc(maps.Keys(c.here), comparePlaces) {
		if first, known := m.entries[at]; known && first.hash != c.here[at] {
			c.record(Record{Kind: KindHolds, Chain: at.chain, Seq: at.seq, Hash: c.here[at]})
		}
	}
	for _, span := range spans(c.missing) {
		c.record(Record{Kind: KindDropped, Chain: span.chain, Seq: span.from, To: span.to})
	}
	for _, fault := range look.faults {
		if _, borne := m.borne[fault]; !borne {
			c.record(Record{Kind: KindBorne, Chain: fault.Chain, Seq: fault.Seq, Reason: fault.Reason})
		}
	}
	c.record(Record{Kind: KindAccepted, Reason: reason})
	return c.records, nil
}
