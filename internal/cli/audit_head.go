package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// sighting is the end of a chain as somebody saw it.
type sighting struct {
	by    string // who: an entry, or a state
	chain string
	head  nhi.Head
	base  int // the newest base that was known then
}

// saw notes the ends that an intent relied on.
func (v *audit) saw(chain ledger.Chain, entry ledger.Entry, body ledger.IntentBody) {
	base := 0
	if v.trust.Base.Number > 0 && entry.Time.After(v.trust.Base.Time) {
		base = v.trust.Base.Number
	}
	for _, name := range slices.Sorted(maps.Keys(body.Heads)) {
		v.seen = append(v.seen, sighting{fmt.Sprintf("%s entry %d", chain.Name, entry.Seq), name, body.Heads[name], base})
	}
}

// held holds every end that somebody saw against what the ledger holds now: a
// chain that was cut, or replaced by an older or another one, shows only there.
// Each chain is told of once, by whoever saw most of it.
func (v *audit) held() {
	slices.SortStableFunc(v.seen, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(a.chain, b.chain), cmp.Compare(b.head.Seq, a.head.Seq))
	})
	told := ""
	for _, one := range v.seen {
		chain := v.ends[one.chain]
		hash, there := chain.HashAt(one.head.Seq)
		switch {
		case one.head.Seq == 0 || hash == one.head.Hash || one.chain == told:
			continue
		case v.broken(one.chain, one.head.Seq) || v.trust.Excused(chain, one.base):
			continue
		case there:
			v.fault(one.chain, one.head.Seq, "it is another one than %s has seen (%s): the chain was rewritten, or replaced by an older copy", one.by, one.head.Hash.Short())
		default:
			v.fault(one.chain, uint64(len(chain.Entries))+1, "it is missing, and %s has seen the chain up to entry %d: the chain was cut, or replaced by an older copy", one.by, one.head.Seq)
		}
		told = one.chain
	}
}

// broken says whether a chain is known as broken at or before an entry, so that
// what stood there cannot be told.
func (v *audit) broken(chain string, seq uint64) bool {
	return slices.ContainsFunc(v.links, func(f ledger.Fault) bool { return f.Chain == chain && f.Seq <= seq })
}
