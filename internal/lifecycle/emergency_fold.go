package lifecycle

import (
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// gives says whether an intent puts an emergency in force.
func gives(intent ledger.IntentBody) bool {
	return intent.Verb == ledger.VerbActivate && nhi.IsEmergency(intent.Text)
}

// owns says whether an entry of an epoch belongs to the last intent. What was
// spooled in an emergency did not know the number of its own intent.
func (r *Record) owns(epoch uint64) bool {
	return epoch == r.acting || epoch == 0 && gives(r.intent)
}

// number is the number of an activation that begins. An emergency does not know
// how many there were before it, and is one more.
func (r *Record) number(intent ledger.IntentBody) int {
	if gives(intent) && intent.Activation == 0 {
		return r.Activation + 1
	}
	return intent.Activation
}

// bound holds the term of an emergency that came into force against the end
// that was signed, whatever its intent says.
func (r *Record) bound() {
	if emergency, is := r.emergency(); is {
		r.ExpiresAt = nhi.Earliest(r.ExpiresAt, emergency.NotAfter)
	}
}

// interrupted notes what another run's intent makes of an emergency that is
// being recorded: the rest of its record will belong to nobody, so nobody knows
// how far it got.
func (r *Record) interrupted(next ledger.IntentBody) {
	if r.Phase != PhaseUnfinished || !gives(r.intent) || next.Verb == ledger.VerbRevoke || next.Verb == ledger.VerbUndo {
		return
	}
	for nonce := range nonces(r.intent.Targets) {
		r.Enabled[nonce] = true
	}
}

// ownEmergency returns the number of the last intent before seq that gave an
// emergency, every account of which a removal names: it was decided on knowing
// that one, wherever its record ended up. 0 where there is none.
func ownEmergency(chain ledger.Chain, removal ledger.IntentBody, seq uint64) uint64 {
	named := nonces(removal.Targets)
	for _, entry := range slices.Backward(chain.Entries[:seq-1]) {
		intent, ok := entry.Body.(ledger.IntentBody)
		if !ok || !gives(intent) {
			continue
		}
		known := len(intent.Targets) > 0
		for nonce := range nonces(intent.Targets) {
			known = known && named[nonce]
		}
		if known {
			return entry.Seq
		}
	}
	return 0
}
