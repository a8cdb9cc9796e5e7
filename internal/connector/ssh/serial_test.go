package ssh

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestSerial fixes how serials follow from nonces: a release that derived them
// in another way could not revoke what an earlier one signed.
func TestSerial(t *testing.T) {
	t.Parallel()
	for nonce, want := range map[string]string{
		strings.Repeat("0", 32):            "13075841419217754487",
		"00112233445566778899aabbccddeeff": "1391023153488941434",
	} {
		account := connector.Account{Mark: nhi.Mark{Nonce: nonce, Ledger: "x", Target: "y"}}
		if got := idOf(account); got != want {
			t.Errorf("nonce %s has serial %s, want %s", nonce, got, want)
		}
	}
}
