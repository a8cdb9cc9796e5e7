package lifecycle

import (
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// inherit adds what a caller remembers of a ledger that was lost, and that this
// grant's chain was rebuilt after: those accounts carry that ledger's mark, and
// their removal is recorded here. What this chain has named already, it knows
// better.
func (o *operation) inherit(known Record) {
	o.record.mapped()
	named := namedIn(o.chain)
	targets := maps.Clone(o.record.Targets)
	for _, key := range slices.Sorted(maps.Keys(known.Targets)) {
		target := known.Targets[key]
		if named[target.Nonce] {
			continue
		}
		target.Ledger = known.Ledger
		if _, taken := targets[key]; taken {
			key = retiredKey(targets, key, o.record.Head.Seq+1)
		}
		targets[key] = target
		o.record.Enabled[target.Nonce], o.record.unproven[target.Nonce] = true, true
	}
	o.record.Targets = targets
}

// namedIn returns the nonces of all accounts that a chain has ever named.
func namedIn(chain ledger.Chain) map[string]bool {
	named := map[string]bool{}
	for _, entry := range chain.Entries {
		if intent, ok := entry.Body.(ledger.IntentBody); ok {
			maps.Copy(named, nonces(intent.Targets))
		}
	}
	return named
}
