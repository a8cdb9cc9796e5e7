package witness

import (
	"context"
	"errors"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Look is what stands where the ledger is, at one moment.
type Look struct {
	// Ledger is the id of the ledger that is there; empty where there is none.
	Ledger  string
	entries []ledger.Sighting // in the order of their keys
	faults  []ledger.Fault
	notes   []ledger.Fault
}

// Nothing is a look at a place that answered, and holds no ledger.
func Nothing() Look { return Look{} }

// At reads the whole ledger: every entry of it, also those that were seen
// before, because an old entry that was edited shows in its own bytes alone.
// nhi.ErrUnreachable when the store did not answer: nothing follows from that.
func At(ctx context.Context, book *ledger.Ledger) (Look, error) {
	entries, faults, err := book.Survey(ctx)
	if err != nil {
		return Look{}, err
	}
	look := Look{Ledger: book.ID(), entries: entries}
	unknown := map[place]bool{}
	for _, entry := range entries {
		unknown[place{entry.Chain, entry.Seq}] = entry.Unknown
	}
	for _, fault := range faults {
		fault = bounded(fault)
		// What a newer release wrote is no fault of the record.
		if unknown[place{fault.Chain, fault.Seq}] {
			look.notes = append(look.notes, fault)
		} else {
			look.faults = append(look.faults, fault)
		}
	}
	return look, nil
}

// Broken is a look at a ledger that cannot be opened, because its root chain is
// not what it must be: err is ledger.ErrBroken or ledger.ErrUnknownEntry.
func Broken(id string, err error) Look {
	fault := ledger.Fault{Chain: ledger.RootChain, Seq: 1, Reason: err.Error()}
	var chain *ledger.ChainError
	if errors.As(err, &chain) {
		fault = ledger.Fault{Chain: chain.Chain, Seq: chain.Seq, Reason: chain.Reason}
	}
	return Look{Ledger: id, faults: []ledger.Fault{bounded(fault)}}
}

// bounded makes a fault fit into a record: what is no key of a ledger can be
// of any length and any bytes.
func bounded(fault ledger.Fault) ledger.Fault {
	const longest = 4 << 10
	fit := func(text string) string { return strings.ToValidUTF8(text[:min(len(text), longest)], "\uFFFD") }
	fault.Chain, fault.Reason = fit(fault.Chain), fit(fault.Reason)
	return fault
}

// at returns the hash of every entry by its place.
func (l Look) at() map[place]nhi.Digest {
	found := make(map[place]nhi.Digest, len(l.entries))
	for _, entry := range l.entries {
		found[place{entry.Chain, entry.Seq}] = entry.Hash
	}
	return found
}
