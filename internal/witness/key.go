package witness

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// generateKey makes a key for the memory of a ledger: the private half, as it
// is stored, and the public one.
func generateKey(ledger string) (private nhi.Secret, public string, err error) {
	secret, public, err := note.GenerateKey(rand.Reader, origin(ledger))
	if err != nil {
		return nhi.Secret{}, "", fmt.Errorf("key: %w", err)
	}
	return nhi.NewSecret(secret), public, nil
}

func verifierOf(public string) (note.Verifier, error) { return note.NewVerifier(public) }

// signerOf opens a private key; ErrDamaged where it is none, or not the half of
// the public one. No error quotes it.
func signerOf(private nhi.Secret, public string) (note.Signer, error) {
	signer, err := note.NewSigner(private.Reveal())
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be read: %w", ErrDamaged)
	}
	const probe = "nhi-witness\n"
	signed, err := note.Sign(&note.Note{Text: probe}, signer)
	if err != nil {
		return nil, fmt.Errorf("the private key cannot sign: %w", ErrDamaged)
	}
	if _, err := openNote(string(signed), public); err != nil {
		return nil, fmt.Errorf("the private key is not the one that signs this memory: %w", ErrDamaged)
	}
	return signer, nil
}
