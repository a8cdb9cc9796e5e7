package signature

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxKey bounds a public key as text, comment included.
const maxKey = 4096

// hardwarePrefix starts the types of key that live in a hardware token.
const hardwarePrefix = "sk-"

// Types lists the types of key that may sign.
func Types() []string {
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256}
}

// checkType refuses every key that is not of one of Types: RSA, DSA, other
// curves, and certificates.
func checkType(key ssh.PublicKey) error {
	if !slices.Contains(Types(), key.Type()) {
		return fmt.Errorf("a key of type %.60q may not sign (allowed: %s): %w",
			key.Type(), strings.Join(Types(), ", "), nhi.ErrInvalid)
	}
	return nil
}

// Hardware says whether a key lives in a hardware token, so that each of its
// signatures took a touch.
func Hardware(key ssh.PublicKey) bool { return strings.HasPrefix(key.Type(), hardwarePrefix) }

// Key returns the canonical form of a public key, "TYPE BASE64".
func Key(key ssh.PublicKey) string {
	return key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
}

// ParseKey reads one public key, "TYPE BASE64" and perhaps a comment, and
// returns it in canonical form. Options, principals ("*" among them),
// certificates, more than one line and types that may not sign are
// nhi.ErrInvalid.
func ParseKey(authorized string) (string, ssh.PublicKey, error) {
	line := strings.TrimSpace(authorized)
	if len(line) > maxKey || strings.ContainsAny(line, "\r\n\x00") {
		return "", nil, fmt.Errorf("a public key is one line of at most %d bytes: %w", maxKey, nhi.ErrInvalid)
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", nil, fmt.Errorf("public key %.60q is not \"TYPE BASE64\": %w", line, nhi.ErrInvalid)
	}
	// The type must come first, so options and principals cannot.
	if !slices.Contains(Types(), fields[0]) {
		return "", nil, fmt.Errorf("public key starts with %.60q, and must start with one of %s: %w",
			fields[0], strings.Join(Types(), ", "), nhi.ErrInvalid)
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil {
		return "", nil, fmt.Errorf("public key %.60q: not base64: %w", line, nhi.ErrInvalid)
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return "", nil, fmt.Errorf("public key %.60q: %.120q: %w", line, err.Error(), nhi.ErrInvalid)
	}
	// Two ways to write one key would make one person two.
	if canonical := Key(key); canonical != fields[0]+" "+fields[1] {
		return "", nil, fmt.Errorf("public key %.60q: %w: %w", line, nhi.ErrNotCanonical, nhi.ErrInvalid)
	}
	return Key(key), key, nil
}
