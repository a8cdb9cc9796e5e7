package nhi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// digestPrefix names the hash, so that another one can follow some day.
const digestPrefix = "sha256:"

// Digest is the SHA-256 of a text, written sha256: and 64 lower-case hex digits.
type Digest string

// DigestOf returns the digest of text.
func DigestOf(text string) Digest {
	sum := sha256.Sum256([]byte(text))
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// ParseDigest reads a digest; anything but the one way to write it is ErrInvalid.
func ParseDigest(text string) (Digest, error) {
	digits, ok := strings.CutPrefix(text, digestPrefix)
	if !ok || len(digits) != hex.EncodedLen(sha256.Size) || strings.ToLower(digits) != digits {
		return "", fmt.Errorf("digest %.80q: %w", text, ErrInvalid)
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", fmt.Errorf("digest %.80q: %w", text, ErrInvalid)
	}
	return Digest(text), nil
}

// Short returns the first characters, for people: sha256:732c58f3….
func (d Digest) Short() string {
	const keep = len(digestPrefix) + 8
	if len(d) <= keep {
		return string(d)
	}
	return string(d[:keep]) + "…"
}
