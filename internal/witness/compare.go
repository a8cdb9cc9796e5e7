package witness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Compare holds a look against all that the memory has seen, and returns what
// it shows together with the records that make the memory know it. It changes
// nothing. now is the witness's own time.
func (m *Memory) Compare(look Look, now time.Time) (Report, []Record) {
	c := comparison{memory: m, look: look, now: now, here: look.at()}
	if look.Ledger != m.ledger {
		return c.stranger()
	}
	c.report.Entries = len(look.entries)
	if !look.readable() {
		c.faults()
		return c.report, nil
	}
	c.arrived()
	c.departed()
	c.others()
	c.faults()
	c.copied()
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.From, b.From))
	})
	return c.report, c.records
}

// readable says whether the entries could be read at all.
func (l Look) readable() bool { return len(l.entries) > 0 }

// comparison is one run of Compare.
type comparison struct {
	memory  *Memory
	look    Look
	now     time.Time
	here    map[place]nhi.Digest
	report  Report
	records []Record
	missing []place // known, and not here
}

func (c *comparison) record(r Record) {
	r.Time = c.now
	c.records = append(c.records, r)
}

func (c *comparison) found(f Finding) { c.report.Findings = append(c.report.Findings, f) }

// stranger is the report where another ledger is, or none.
func (c *comparison) stranger() (Report, []Record) {
	reason := fmt.Sprintf("this is ledger %s, and this memory is of ledger %s", c.look.Ledger, c.memory.ledger)
	if c.look.Ledger == "" {
		reason = fmt.Sprintf("there is no ledger here, and this witness has seen %d entries of ledger %s", len(c.memory.entries), c.memory.ledger)
	}
	c.found(Finding{Kind: FoundLedger, Reason: reason})
	c.record(Record{Kind: KindStranger, Ledger: c.look.Ledger})
	return c.report, c.records
}

// arrived records what was not seen before, and what is back.
func (c *comparison) arrived() {
	var back []place
	chain := ""
	for _, entry := range c.look.entries {
		if entry.Chain != chain {
			chain = entry.Chain
			c.report.Chains++
		}
		at := place{entry.Chain, entry.Seq}
		first, known := c.memory.entries[at]
		switch {
		case !known:
			c.report.New++
			c.record(Record{Kind: KindEntry, Chain: at.chain, Seq: at.seq, Hash: entry.Hash})
		case first.hash != entry.Hash && !c.memory.sawOther(at, entry.Hash):
			c.record(Record{Kind: KindOther, Chain: at.chain, Seq: at.seq, Hash: entry.Hash})
		}
		if c.memory.gone[at] {
			back = append(back, at)
		}
	}
	for _, span := range spans(back) {
		c.record(Record{Kind: KindBack, Chain: span.chain, Seq: span.from, To: span.to})
		c.report.Notes = append(c.report.Notes, Finding{Kind: foundNote, Chain: span.chain, From: span.from, To: span.to, Reason: "gone at the last look, and there again"})
	}
}

// departed finds what was seen before and is not there.
func (c *comparison) departed() {
	var news []place
	for at := range c.memory.entries {
		if _, here := c.here[at]; here {
			continue
		}
		c.missing = append(c.missing, at)
		if !c.memory.gone[at] {
			news = append(news, at)
		}
	}
	for _, span := range spans(news) {
		c.record(Record{Kind: KindGone, Chain: span.chain, Seq: span.from, To: span.to})
	}
	ends := c.ends()
	for _, span := range spans(c.missing) {
		first := c.memory.entries[place{span.chain, span.from}]
		c.found(Finding{Kind: FoundGone, Chain: span.chain, From: span.from, To: span.to, Seen: first.at, Was: first.hash,
			Reason: span.missed(ends[span.chain], first.at)})
	}
}

// ends returns the number of the last entry that is there, by chain.
func (c *comparison) ends() map[string]uint64 {
	ends := map[string]uint64{}
	for at := range c.here {
		ends[at.chain] = max(ends[at.chain], at.seq)
	}
	return ends
}

// others finds the numbers under which more than one entry was seen: one
// finding for each stretch of a chain.
func (c *comparison) others() {
	var all []place
	second := map[place]sighted{}
	for at, others := range c.memory.others {
		second[at] = others[len(others)-1]
		all = append(all, at)
	}
	for at, hash := range c.here {
		first, known := c.memory.entries[at]
		if !known || first.hash == hash {
			continue
		}
		if _, listed := second[at]; !listed {
			all = append(all, at)
		}
		second[at] = sighted{hash: hash, at: c.now}
	}
	for _, span := range spans(all) {
		at := place{span.chain, span.from}
		first, other := c.memory.entries[at], second[at]
		now, here := c.here[at]
		reason := fmt.Sprintf("another entry than the one seen on %s: %s then, %s now", nhi.FormatTime(first.at), first.hash, now)
		switch {
		case !here:
			reason = fmt.Sprintf("two entries were seen under this number, and none is there now: %s on %s, %s on %s",
				first.hash, nhi.FormatTime(first.at), other.hash, nhi.FormatTime(other.at))
		case now == first.hash:
			reason = fmt.Sprintf("another entry stood here on %s: %s then, %s now, as it was seen first", nhi.FormatTime(other.at), other.hash, now)
		}
		c.found(Finding{Kind: FoundOther, Chain: span.chain, From: span.from, To: span.to, Seen: first.at, Was: first.hash, Is: other.hash, Reason: reason})
	}
}

// faults are those of the record itself, but for those that were accepted.
func (c *comparison) faults() {
	for _, fault := range c.look.faults {
		finding := Finding{Kind: FoundFault, Chain: fault.Chain, From: fault.Seq, To: fault.Seq, Reason: fault.Reason}
		if _, borne := c.memory.borne[fault]; borne {
			c.report.Notes = append(c.report.Notes, finding)
		} else {
			c.found(finding)
		}
	}
	for _, note := range c.look.notes {
		c.report.Notes = append(c.report.Notes, Finding{Kind: foundNote, Chain: note.Chain, From: note.Seq, To: note.Seq, Reason: note.Reason})
	}
}

// copied says whether the ledger is as it was at an earlier look.
func (c *comparison) copied() {
	var last, lost sighted
	lost.n = -1
	since := c.memory.lostAt
	for at, first := range c.memory.entries {
		if !since.IsZero() && !first.at.Before(since) {
			continue // written on the copy
		}
		if hash, here := c.here[at]; here && hash == first.hash {
			if first.n >= last.n {
				last = first
			}
		} else if lost.n < 0 || first.n < lost.n {
			lost = first
		}
	}
	if lost.n >= 0 && last.n < lost.n && last.at.Before(lost.at) {
		c.report.CopyOf = last.at
	}
}
