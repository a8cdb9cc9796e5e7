package cli

import (
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
)

// states reads Terraform states and notes how far each chain reached when they
// were written. A grant without a memory says nothing, and is told.
func (v *audit) states(paths []string) error {
	all, notes, err := memories(paths)
	if err != nil {
		return err
	}
	for _, note := range notes {
		v.note("--state", 0, "%s", note)
	}
	for _, memory := range all {
		v.remembers(memory.from, memory.Record)
	}
	return nil
}

// remembers notes what a record says of chains.
func (v *audit) remembers(by string, record lifecycle.Record) {
	switch record.Ledger {
	case "": // no ledger was ever read
		return
	case v.book.ID():
	default:
		v.fault(by, 0, "it remembers %s in ledger %s, and this is ledger %s", record.Grant, record.Ledger, v.book.ID())
		return
	}
	v.seen = append(v.seen, sighting{by, ledger.GrantChain(record.Grant), record.Head, record.Base})
	for _, name := range slices.Sorted(maps.Keys(record.Heads)) {
		v.seen = append(v.seen, sighting{by, name, record.Heads[name], record.Base})
	}
}
