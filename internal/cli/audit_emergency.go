package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// emergency checks what holders of the trust root signed, against the ledger's
// own root and against the intent before it.
func (v *audit) emergency(chain ledger.Chain, entry ledger.Entry, body ledger.EmergencyBody, id nhi.ApprovalID) {
	v.emergencies++
	emergency, err := nhi.ParseEmergency(body.Text)
	switch {
	case err != nil:
	case emergency.Grant != id || emergency.Ledger != v.book.ID():
		err = fmt.Errorf("the emergency is for %s in ledger %s", emergency.Grant, emergency.Ledger)
	case nhi.DigestOf(emergency.Root) != body.Root:
		err = fmt.Errorf("the emergency is signed under the root %s, and it names %s", nhi.DigestOf(emergency.Root).Short(), body.Root.Short())
	default:
		err = v.emergencySigned(body, entry)
	}
	if err != nil {
		v.fault(chain.Name, entry.Seq, "%s", err)
	}
}

// emergencySigned holds an emergency against the root that was in force when it
// was recorded.
func (v *audit) emergencySigned(body ledger.EmergencyBody, entry ledger.Entry) error {
	root, err := v.trust.EmergencyRoot(body.Root, entry.Time)
	if err != nil {
		return err
	}
	return policy.VerifyEmergency(body.Text, body.Signatures, root)
}

// emergencyUse checks the use of an emergency: a good one stands behind its
// intent, it gave what was signed and no longer than that, and it was used
// once. It is false where the use is of no emergency.
func (v *audit) emergencyUse(chain ledger.Chain, entry ledger.Entry, body ledger.UseBody, used map[nhi.Digest]int) bool {
	intent, at := emergencyIntent(chain, entry.Seq, body)
	if at == 0 {
		return false
	}
	used[body.Request]++
	emergency, err := nhi.ParseEmergency(intent.Text)
	proven := slices.ContainsFunc(chain.Entries[:entry.Seq-1], func(other ledger.Entry) bool {
		proof, ok := other.Body.(ledger.EmergencyBody)
		return ok && proof.Text == intent.Text && v.emergencySigned(proof, other) == nil
	})
	switch {
	case err != nil || nhi.DigestOf(intent.Text) != intent.Request:
		v.fault(chain.Name, entry.Seq, "its intent, entry %d, is of no good emergency", at)
	case !proven:
		v.fault(chain.Name, entry.Seq, "no emergency of its text is signed by enough root keys")
	case used[body.Request] > 1:
		v.fault(chain.Name, entry.Seq, "the emergency served once, and this is use %d", used[body.Request])
	case intent.ExpiresAt.After(emergency.NotAfter) || !gave(intent, emergency):
		v.fault(chain.Name, entry.Seq, "its intent, entry %d, gives other access than was signed, or for longer", at)
	default:
		v.note(chain.Name, entry.Seq, "an emergency was used, without approval: %q", emergency.Reason)
	}
	return true
}

// emergencyIntent returns the intent of an emergency that a use before seq
// carries out, and its number: named by it, or, where it waited in a spool, the
// last one of its text. The number is 0 where there is none.
func emergencyIntent(chain ledger.Chain, seq uint64, use ledger.UseBody) (ledger.IntentBody, uint64) {
	for _, entry := range slices.Backward(chain.Entries[:seq-1]) {
		intent, ok := entry.Body.(ledger.IntentBody)
		if ok && intent.Verb == ledger.VerbActivate && nhi.IsEmergency(intent.Text) && intent.Request == use.Request &&
			(use.Epoch == 0 || use.Epoch == entry.Seq) {
			return intent, entry.Seq
		}
	}
	return ledger.IntentBody{}, 0
}

// gave says whether an intent gives the very access of an emergency.
func gave(intent ledger.IntentBody, emergency nhi.Emergency) bool {
	return maps.EqualFunc(intent.Targets, emergency.Access, func(target ledger.Target, access nhi.Access) bool {
		return access.Equal(nhi.Access{System: target.System, Kind: target.Kind, Endpoint: target.Endpoint, Settings: target.Access})
	})
}
