package cli

import (
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func saysEmergency(b ledger.EmergencyBody) string {
	emergency, err := nhi.ParseEmergency(b.Text)
	if err != nil {
		return fmt.Sprintf("emergency recorded, and it cannot be read: %s", err)
	}
	return fmt.Sprintf("emergency recorded, with %s of root keys: access until %s, because %q (%s)",
		count(len(signature.Blocks(b.Signatures)), "signature"), nhi.FormatTime(emergency.NotAfter), emergency.Reason, nhi.DigestOf(b.Text).Short())
}

// saysEffect tells what a step did. What was spooled does not know the number
// of its intent.
func saysEffect(b ledger.EffectBody) string {
	words := fmt.Sprintf("%s done on %s", b.Step, listed(b.Targets))
	if b.Epoch > 0 {
		words += fmt.Sprintf(" (epoch %d)", b.Epoch)
	}
	return words
}

// numbered names an activation. An emergency does not know how many there were
// before it.
func numbered(activation int) string {
	if activation == 0 {
		return "the emergency"
	}
	return fmt.Sprintf("activation #%d", activation)
}
