package policy

import (
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// SignEmergency signs an emergency text and returns one armoured block, to be
// appended to its .sig file. A text that nhi.ParseEmergency refuses is not
// signed.
func SignEmergency(text string, signer ssh.Signer) (block string, err error) {
	if _, err := nhi.ParseEmergency(text); err != nil {
		return "", err
	}
	return signature.Sign(signer, signature.NamespaceEmergency, text)
}

// EmergencySigners returns the keys of root that signed an emergency text, in
// canonical form, each once, and what is wrong with the other blocks, in words.
func EmergencySigners(text, signatures string, root nhi.Root) (signed, problems []string, err error) {
	keys, err := rootKeys(root)
	if err != nil {
		return nil, nil, fmt.Errorf("trust root: %w: %w", err, nhi.ErrDenied)
	}
	if len(signatures) > signature.MaxBlocks*signature.MaxArmoured {
		return nil, nil, fmt.Errorf("the signatures are too long: %w", nhi.ErrDenied)
	}
	for i, block := range signature.Blocks(signatures) {
		key, err := signature.Verify(block, signature.NamespaceEmergency, text)
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("block %d: %s", i+1, plain(err)))
		case !slices.Contains(keys, signature.Key(key)):
			problems = append(problems, fmt.Sprintf("block %d: key %s is not in the trust root", i+1, ssh.FingerprintSHA256(key)))
		case !slices.Contains(signed, signature.Key(key)):
			signed = append(signed, signature.Key(key))
		}
	}
	return signed, problems, nil
}

// VerifyEmergency holds when at least root.Threshold distinct keys of root have
// each signed the text. Otherwise the error is nhi.ErrDenied and says how many
// did, and what is wrong with the other blocks.
func VerifyEmergency(text, signatures string, root nhi.Root) error {
	signed, problems, err := EmergencySigners(text, signatures, root)
	if err != nil {
		return err
	}
	if len(signed) >= root.Threshold {
		return nil
	}
	return fmt.Errorf("the emergency is signed by %d of the %d trust root keys that it needs%s: %w",
		len(signed), root.Threshold, listed(problems), nhi.ErrDenied)
}
