package witness

import (
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// What a finding is about.
const (
	FoundGone   = "gone"    // entries that were seen are not there
	FoundOther  = "other"   // another entry stands, or stood, under a number that had one
	FoundFault  = "fault"   // the record is not what it must be, as nhi verify says it
	FoundLedger = "ledger"  // another ledger is there, or none
	foundNote   = "changed" // for notes
)

// Finding is one thing that is not as the witness has seen it.
type Finding struct {
	Kind   string
	Chain  string     // empty where it is about the whole ledger
	From   uint64     // the first entry, and To the last one; 0 where it is about none
	To     uint64     //
	Reason string     // in words
	Seen   time.Time  // when what is gone or other was seen first; zero for faults
	Was    nhi.Digest // the entry From as it was seen first; empty for faults
	Is     nhi.Digest // the other one; empty where there is none
}

// String returns the finding in one line.
func (f Finding) String() string {
	switch {
	case f.Chain == "":
		return f.Reason
	case f.From == 0:
		return fmt.Sprintf("%s: %s", f.Chain, f.Reason)
	case f.To > f.From:
		return fmt.Sprintf("%s entries %d to %d: %s", f.Chain, f.From, f.To, f.Reason)
	default:
		return fmt.Sprintf("%s entry %d: %s", f.Chain, f.From, f.Reason)
	}
}

// Report is what one look showed, held against the memory.
type Report struct {
	Findings []Finding // in the order of the chains
	Notes    []Finding // what a person may want to know, and is not wrong
	New      int       // how many entries were not known before
	Chains   int       // how many chains there are
	Entries  int       // how many entries there are
	// CopyOf is set where everything that was seen after it is gone or other,
	// and everything up to it is there: the ledger is as a copy from that time.
	CopyOf time.Time
}

// OK says that nothing is wrong.
func (r Report) OK() bool { return len(r.Findings) == 0 }
