package workload

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of a key set.
const (
	// MaxKeySet is the most bytes that a key set may have.
	MaxKeySet  = 256 << 10
	maxKeys    = 100
	minRSA     = 2048 // bits
	maxRSA     = 8192
	exponent   = 65537 // of RSA; proofs rest on it
	maxKeyName = 512   // bytes of a key id
)

// Keys are the public keys of an issuer. The zero Keys hold none: every token
// is refused.
type Keys struct{ keys []jose.JSONWebKey }

// Len is how many keys there are.
func (k Keys) Len() int { return len(k.keys) }

// ParseKeys reads a JSON Web Key Set (RFC 7517) that somebody wrote down. It
// is strict: a key that is secret, weak, or of a kind that is not accepted is
// an error. Errors are nhi.ErrInvalid.
func ParseKeys(text string) (Keys, error) { return parseKeys(text, true) }

// FetchedKeys reads the key set of an issuer's answer, and leaves out the keys
// that are not accepted: issuers publish keys for other purposes, too.
func FetchedKeys(text string) (Keys, error) { return parseKeys(text, false) }

func parseKeys(text string, strict bool) (Keys, error) {
	if len(text) > MaxKeySet {
		return Keys{}, fmt.Errorf("the key set is longer than %d bytes: %w", MaxKeySet, nhi.ErrInvalid)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return Keys{}, fmt.Errorf("it is no JSON Web Key Set: %w", nhi.ErrInvalid)
	}
	if len(set.Keys) > maxKeys {
		return Keys{}, fmt.Errorf("it holds %d keys, and %d is the most allowed: %w", len(set.Keys), maxKeys, nhi.ErrInvalid)
	}
	var keys Keys
	for n, raw := range set.Keys {
		key, err := parseKey(raw)
		switch {
		case err == nil:
			keys.keys = append(keys.keys, key)
		case strict:
			return Keys{}, fmt.Errorf("key %d %w: %w", n+1, err, nhi.ErrInvalid)
		}
	}
	if len(keys.keys) == 0 {
		return Keys{}, fmt.Errorf("it holds no key that is accepted: %w", nhi.ErrInvalid)
	}
	return keys, nil
}

// parseKey reads one key, which must be public and made for signatures.
func parseKey(raw json.RawMessage) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil {
		return key, errors.New("is none that is accepted")
	}
	switch {
	case len(key.KeyID) > maxKeyName:
		return key, fmt.Errorf("has a key id of more than %d bytes", maxKeyName)
	case key.Use != "" && key.Use != "sig":
		return key, errors.New("is not for signatures")
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSA || bits > maxRSA || public.E != exponent || public.N.Bit(0) == 0 {
			return key, fmt.Errorf("is no RSA key of %d to %d bits with the exponent %d", minRSA, maxRSA, exponent)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
		if !key.Valid() {
			return key, errors.New("is not valid")
		}
	default: // a secret key could make tokens, and what is no key proves nothing
		return key, errors.New("is no public RSA, EC or Ed25519 key")
	}
	key.Certificates, key.CertificatesURL = nil, nil // nobody looks at them
	return key, nil
}

// named returns the keys that may have signed a token: those of its key id
// and algorithm.
func (k Keys) named(header jose.Header) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, key := range k.keys {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) {
			found = append(found, key)
		}
	}
	return found
}
