package witness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// span is a stretch of a chain.
type span struct {
	chain    string
	from, to uint64
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.chain, b.chain), cmp.Compare(a.seq, b.seq))
}

// spans joins places that follow each other.
func spans(places []place) []span {
	slices.SortFunc(places, comparePlaces)
	var all []span
	for _, at := range places {
		if n := len(all); n > 0 && all[n-1].chain == at.chain && all[n-1].to+1 == at.seq {
			all[n-1].to = at.seq
			continue
		}
		all = append(all, span{at.chain, at.seq, at.seq})
	}
	return all
}

// missed says in words what it means that a span is not there. end is the last
// entry that the chain has.
func (s span) missed(end uint64, seen time.Time) string {
	since := "seen on " + nhi.FormatTime(seen)
	switch {
	case end == 0 && s.from == 1:
		return "gone, and with it the whole chain: " + since
	case end < s.from:
		return fmt.Sprintf("gone: %s; the chain was cut short, and ends at entry %d", since, end)
	default:
		return fmt.Sprintf("gone from the middle of the chain: %s", since)
	}
}
