package signature_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// FuzzVerify checks any armoured block: it is a signature over this very text
// by an allowed key, or nhi.ErrInvalid.
func FuzzVerify(f *testing.F) {
	signer := newSigner(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil)
	for _, namespace := range []string{signature.NamespaceDecision, signature.NamespacePolicy} {
		block, err := signature.Sign(signer, namespace, message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block)
		f.Add("\n " + strings.ReplaceAll(block, "\n", "\r\n"))
	}
	f.Add("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n")
	f.Fuzz(func(t *testing.T, armoured string) {
		key, err := signature.Verify(armoured, signature.NamespaceDecision, message)
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
			return
		}
		if !slices.Contains(signature.Types(), key.Type()) {
			t.Errorf("a key of type %s signed", key.Type())
		}
		if _, err := signature.Verify(armoured, signature.NamespaceDecision, message+"x"); err == nil {
			t.Error("it is good for another text")
		}
		if _, err := signature.Verify(armoured, signature.NamespacePolicy, message); err == nil {
			t.Error("it is good for another namespace")
		}
	})
}

// FuzzParseKey reads any public key: there is one way to write each.
func FuzzParseKey(f *testing.F) {
	f.Add(signature.Key(newSigner(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil).PublicKey()) + " ana@example.com")
	f.Add("* ssh-ed25519 AAAA")
	f.Add("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABHNzaDo=")
	f.Fuzz(func(t *testing.T, authorized string) {
		text, key, err := signature.ParseKey(authorized)
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
			return
		}
		again, same, err := signature.ParseKey(text)
		if err != nil || again != text || string(same.Marshal()) != string(key.Marshal()) || !slices.Contains(signature.Types(), key.Type()) {
			t.Errorf("%q was read as %q, and that as %q, %v", authorized, text, again, err)
		}
	})
}

// FuzzBlocks splits any signature file: each block is one, and of the file.
func FuzzBlocks(f *testing.F) {
	const block = "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n"
	f.Add(block + "between\n" + block)
	f.Add("-----BEGIN SSH SIGNATURE-----" + block)
	f.Fuzz(func(t *testing.T, text string) {
		blocks := signature.Blocks(text)
		if len(blocks) > signature.MaxBlocks {
			t.Errorf("%d blocks", len(blocks))
		}
		for _, one := range blocks {
			if !strings.Contains(text, strings.TrimSuffix(one, "\n")) || len(signature.Blocks(one)) != 1 {
				t.Errorf("%q is no block of %q", one, text)
			}
		}
	})
}
