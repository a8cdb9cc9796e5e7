package workload

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/openpubkey/openpubkey/gq"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of proofs.
const (
	maxProof    = 32 << 10 // bytes of one
	maxProofRSA = 4096     // bits of a key that proofs are made for
	strength    = 256      // bits, of a proof
)

// Proof shows that somebody held a token when they signed one text. It is a
// Guillou-Quisquater signature (ISO/IEC 14888-2, GQ1), whose private key is
// the RSA signature of the token: whoever reads it can check it with the
// issuer's key, learns nothing of that signature, and so can neither use the
// token nor prove another text. Only RS256 tokens can do this.
type Proof struct {
	// Token is header and payload of the token, as its issuer signed them, and
	// not the signature. Alone it proves nothing.
	Token string
	// Signature is over the text, and over Token.
	Signature string
}

// proofMessage is what a proof signs: its purpose, the token, and the text.
func proofMessage(token, text string) []byte {
	return []byte("nhi-request@v1\n" + token + "\n" + text)
}

// Prove makes a proof for a text out of a token that Verify accepts. A token
// that is not signed with RS256 is ErrAlgorithm.
func (i Issuer) Prove(keys Keys, raw nhi.Secret, now time.Time, text string) (Proof, error) {
	if _, err := i.Verify(keys, raw, now); err != nil {
		return Proof{}, err
	}
	cut := strings.LastIndexByte(raw.Reveal(), '.')
	token, encoded := raw.Reveal()[:cut], raw.Reveal()[cut+1:]
	signature, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Proof{}, ErrMalformed
	}
	candidates, err := i.provable(keys, token)
	if err != nil {
		return Proof{}, err
	}
	for _, public := range candidates {
		proof, err := prove(public, signature, token, text)
		if err != nil {
			return Proof{}, err
		}
		// Of several keys of one name, one signed the token. Nothing is recorded
		// that would not count.
		if _, err := proof.Verify(i, keys, now, text); err == nil {
			return proof, nil
		}
	}
	return Proof{}, ErrProof
}

func prove(public *rsa.PublicKey, signature []byte, token, text string) (Proof, error) {
	signer, err := gq.NewSignerVerifier(public, strength)
	if err != nil {
		return Proof{}, ErrAlgorithm
	}
	private, err := inverse(public, signature)
	if err != nil {
		return Proof{}, err
	}
	made, err := signer.Sign(private, proofMessage(token, text))
	if err != nil {
		return Proof{}, ErrProof
	}
	return Proof{Token: token, Signature: string(made)}, nil
}

// inverse returns the private number of GQ1: the inverse of the signature. The
// library gives it out for whole tokens only, which bind no text. It is blinded
// by a random factor, because the inversion does not take constant time.
func inverse(public *rsa.PublicKey, signature []byte) ([]byte, error) {
	blind, err := rand.Int(rand.Reader, public.N)
	if err != nil {
		return nil, err
	}
	blinded := new(big.Int).Mul(new(big.Int).SetBytes(signature), blind)
	inverted := new(big.Int).ModInverse(blinded.Mod(blinded, public.N), public.N)
	if inverted == nil {
		return nil, ErrSignature
	}
	inverted.Mul(inverted, blind)
	return inverted.Mod(inverted, public.N).FillBytes(make([]byte, public.Size())), nil
}

// Verify returns what the token of a proof says, where the proof is of this
// text and the token one of this issuer's, signed by one of the keys, for one
// of the audiences, and valid at that time: when the proof was recorded.
func (p Proof) Verify(i Issuer, keys Keys, at time.Time, text string) (Token, error) {
	if len(p.Signature) > maxProof {
		return Token{}, fmt.Errorf("%w: it is longer than %d bytes", ErrProof, maxProof)
	}
	candidates, err := i.provable(keys, p.Token)
	if err != nil {
		return Token{}, err
	}
	for _, public := range candidates {
		verifier, err := gq.NewSignerVerifier(public, strength)
		if err != nil || !verifier.Verify([]byte(p.Signature), []byte(p.Token), proofMessage(p.Token, text)) {
			continue
		}
		return p.Unverified(i, at) // now it is
	}
	return Token{}, ErrProof
}

// Unverified returns what the token of a proof says, without any proof. It is
// for telling what could not be verified.
func (p Proof) Unverified(i Issuer, at time.Time) (Token, error) {
	parsed, err := i.parse(unsigned(p.Token))
	if err != nil {
		return Token{}, err
	}
	var read claims
	if err := parsed.UnsafeClaimsWithoutVerification(&read); err != nil {
		return Token{}, malformed(err)
	}
	return i.admit(read, at)
}

// Issuer is the issuer that the token of a proof says it is of. Nothing is
// verified yet.
func (p Proof) Issuer() (string, error) { return issuerOf(unsigned(p.Token)) }

// IssuerOf is the issuer that a token says it is of, so that its rules can be
// looked up. Nothing is verified yet.
func IssuerOf(raw nhi.Secret) (string, error) { return issuerOf(raw.Reveal()) }

func issuerOf(raw string) (string, error) {
	_, err := Issuer{}.parse(raw)
	var other *otherIssuerError
	if errors.As(err, &other) {
		return other.says, nil
	}
	if err == nil {
		err = ErrMalformed // it names none
	}
	return "", err
}

// unsigned writes header and payload as a token whose signature is empty of
// meaning: the library reads no token without one.
func unsigned(token string) string { return token + ".AA" }

// provable returns the keys that a token may be of, where it is one of which
// proofs can be made.
func (i Issuer) provable(keys Keys, token string) ([]*rsa.PublicKey, error) {
	parsed, err := i.parse(unsigned(token))
	if err != nil {
		return nil, err
	}
	header := parsed.Headers[0]
	if header.Algorithm != string(jose.RS256) {
		return nil, fmt.Errorf("%w: it is %s, and only RS256 can prove who asks", ErrAlgorithm, header.Algorithm)
	}
	var found []*rsa.PublicKey
	for _, key := range keys.named(header) {
		if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() <= maxProofRSA {
			found = append(found, public)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: it names %.80q", ErrUnknownKey, header.KeyID)
	}
	return found, nil
}
