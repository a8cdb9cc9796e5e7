package lifecycle

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrRestored says that a ledger does not hold what was seen of it, because it
// was restored from a back-up, and that the trust root's threshold stands
// behind that. It is a word to people, and stops nothing.
var ErrRestored = errors.New("the ledger was restored from a back-up")

// excused says whether a chain may lack what was seen of it before a base: the
// base is newer than any that was seen then, and the chain goes on from what
// the base says that it held.
func (t Trust) excused(chain ledger.Chain, seenBase int) bool {
	if !t.excuses || seenBase >= t.Base.Number {
		return false
	}
	held, listed := t.Base.Heads[chain.Name]
	return !listed || follows(chain, held) == nil
}

// Excused says whether a chain may lack what somebody saw of it, who knew of
// the base with this number: because the ledger was restored since.
func (t Trust) Excused(chain ledger.Chain, seenBase int) bool { return t.excused(chain, seenBase) }

// restored is the word to people where something was excused.
func (t Trust) restored(what string) error {
	return fmt.Errorf("%s: %w (base %d, %s: %s): what happened after the back-up is not on record, and approvals from before count for nothing new",
		what, ErrRestored, t.Base.Number, shortTime(t.Base.Time), t.Base.Reason)
}

// continues holds where a chain goes on from an end that was seen before, or
// where that was excused: then restored is the word to people. Base is the
// number of the base that was seen with that end.
func (e *Engine) continues(chain ledger.Chain, seen nhi.Head, base int) (restored, err error) {
	err = follows(chain, seen)
	if err == nil {
		return nil, nil
	}
	if trust, untrusted := e.Trust(); untrusted == nil && trust.excused(chain, base) {
		return trust.restored(chain.Name), nil
	}
	return nil, err
}

// continues holds where the grant's chain goes on from what the caller
// remembers, or where that was excused.
func (o *operation) continues(known Record) error {
	o.since(known)
	if known.Ledger != "" && o.record.Ledger != known.Ledger {
		return o.follows(known)
	}
	restored, err := o.engine.continues(o.chain, known.Head, known.Base)
	o.restored = restored
	return err
}

// continuesHere is continues for those who add access: where the caller
// remembers another end than the restored ledger, that is settled first.
func (o *operation) continuesHere(known Record) error {
	err := o.continues(known)
	if err == nil && o.restored != nil && o.otherwise(known) != "" {
		return o.follows(known)
	}
	return err
}

// since notes the newest base that this run or the caller knows of.
func (o *operation) since(known Record) {
	if trust, err := o.engine.Trust(); err == nil {
		o.base = trust.Base.Number
	}
	o.base, o.seenBase = max(o.base, known.Base), known.Base
	o.record.Base = o.base
}

// otherwise says in words what a caller remembers of a grant in another way
// than a restored ledger does: access that was given or taken away after the
// back-up. It is taken away, and only then the ledger's word counts again.
func (o *operation) otherwise(known Record) string {
	recorded := nonces(o.record.Targets)
	for nonce := range nonces(known.Targets) {
		if !recorded[nonce] {
			return "it was given after the back-up that the ledger was restored from"
		}
	}
	if known.Phase == PhaseRevoked && o.record.holds() {
		return "it was removed after the back-up that the ledger was restored from"
	}
	return ""
}

// restored is the word to people where a chain that this rests on lacks what
// was seen of it, and that was excused; nil where none does.
func (s Standing) restored(seen map[string]nhi.Head) error {
	for _, name := range slices.Sorted(maps.Keys(s.chains)) {
		if follows(s.chains[name], seen[name]) != nil {
			return s.trust.restored(name)
		}
	}
	return nil
}
