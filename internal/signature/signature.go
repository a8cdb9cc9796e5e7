package signature

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of what is read from outside.
const (
	// MaxArmoured bounds one armoured block, in bytes: a hardware key's is
	// below 1,000.
	MaxArmoured = 8 << 10
	// MaxBlocks bounds how many blocks Blocks returns.
	MaxBlocks = 100
)

const (
	blockBegin = "-----BEGIN " + sshsig.PEMType + "-----"
	blockEnd   = "-----END " + sshsig.PEMType + "-----"
)

// Sign signs message for namespace with SHA-512 and returns the armoured
// block, which ends in a line break. A key that Verify would refuse, an empty
// namespace or an over-long message is nhi.ErrInvalid; what the signer itself
// returns (no touch, agent gone) is passed on.
func Sign(signer ssh.Signer, namespace, message string) (string, error) {
	if err := checkType(signer.PublicKey()); err != nil {
		return "", err
	}
	if err := checkInput(namespace, message); err != nil {
		return "", err
	}
	made, err := sshsig.Sign(strings.NewReader(message), signer, sshsig.HashSHA512, namespace)
	if err != nil {
		return "", fmt.Errorf("sign for %s: %w", namespace, err)
	}
	return string(sshsig.Armor(made)), nil
}

// Verify checks one armoured block against message and namespace, and returns
// the key that signed. Whose key it is, the caller must know. Everything that
// is not exactly one valid SHA-512 signature by an allowed type of key is
// nhi.ErrInvalid.
func Verify(armoured, namespace, message string) (ssh.PublicKey, error) {
	if err := checkInput(namespace, message); err != nil {
		return nil, err
	}
	made, err := unarmour(armoured)
	if err != nil {
		return nil, err
	}
	if err := checkType(made.PublicKey); err != nil {
		return nil, err
	}
	if made.Namespace != namespace {
		return nil, fmt.Errorf("signature is for %.60q, not for %q: %w", made.Namespace, namespace, nhi.ErrInvalid)
	}
	if made.HashAlgorithm != sshsig.HashSHA512 {
		return nil, fmt.Errorf("signature uses %.20q, not %s: %w", made.HashAlgorithm, sshsig.HashSHA512, nhi.ErrInvalid)
	}
	if made.Signature.Format != made.PublicKey.Type() {
		return nil, fmt.Errorf("signature is of type %.60q by a key of type %.60q: %w",
			made.Signature.Format, made.PublicKey.Type(), nhi.ErrInvalid)
	}
	if !strings.HasPrefix(made.PublicKey.Type(), hardwarePrefix) && len(made.Signature.Rest) != 0 {
		return nil, fmt.Errorf("signature is longer than it may be: %w", nhi.ErrInvalid)
	}
	// For hardware keys the library also demands the flag "user present".
	err = sshsig.Verify(strings.NewReader(message), made, made.PublicKey, sshsig.HashSHA512, namespace)
	if err != nil {
		return nil, fmt.Errorf("signature does not match the text: %w: %w", err, nhi.ErrInvalid)
	}
	return made.PublicKey, nil
}

func checkInput(namespace, message string) error {
	if namespace == "" {
		return fmt.Errorf("a signature needs a namespace: %w", nhi.ErrInvalid)
	}
	if len(message) > nhi.MaxTextBytes {
		return fmt.Errorf("text to sign is longer than %d bytes: %w", nhi.MaxTextBytes, nhi.ErrInvalid)
	}
	return nil
}

// unarmour reads exactly one block, white space around it aside.
func unarmour(armoured string) (*sshsig.Signature, error) {
	text := strings.TrimSpace(armoured)
	if text == "" {
		return nil, fmt.Errorf("there is no signature: %w", nhi.ErrInvalid)
	}
	if len(armoured) > MaxArmoured {
		return nil, fmt.Errorf("signature is longer than %d bytes: %w", MaxArmoured, nhi.ErrInvalid)
	}
	if !strings.HasPrefix(text, blockBegin) || strings.Count(text, "-----BEGIN") != 1 {
		return nil, fmt.Errorf("signature is not exactly one SSH SIGNATURE block: %w", nhi.ErrInvalid)
	}
	block, rest := pem.Decode([]byte(text + "\n"))
	if block == nil || block.Type != sshsig.PEMType || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("signature is not exactly one SSH SIGNATURE block: %w", nhi.ErrInvalid)
	}
	made, err := sshsig.ParseSignature(block.Bytes)
	if err != nil {
		// Quoted, because the library repeats names out of the block.
		return nil, fmt.Errorf("signature cannot be read: %.200q: %w", err.Error(), nhi.ErrInvalid)
	}
	// Nothing may travel along that is not looked at (the reserved field).
	if !bytes.Equal(made.Marshal(), block.Bytes) {
		return nil, fmt.Errorf("signature: %w: %w", nhi.ErrNotCanonical, nhi.ErrInvalid)
	}
	return made, nil
}

// Blocks splits a signature file, which holds one armoured block for each
// signer, into its blocks; each ends in a line break. What stands outside of
// a block, a block without an end, and blocks after MaxBlocks are left out, so
// that they count for nobody.
func Blocks(text string) []string {
	var blocks []string
	for len(blocks) < MaxBlocks {
		_, rest, found := strings.Cut(text, blockBegin)
		if !found {
			break
		}
		body, after, ended := strings.Cut(rest, blockEnd)
		if !ended {
			break
		}
		blocks = append(blocks, blockBegin+body+blockEnd+"\n")
		text = after
	}
	return blocks
}
