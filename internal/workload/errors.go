package workload

import (
	"errors"
	"fmt"
)

// ErrRefused says that a token, or a proof that somebody held one, does not
// count. Each reason below is ErrRefused, too. No error of this package quotes
// a token.
var ErrRefused = errors.New("the token is refused")

// Why a token or a proof is refused.
var (
	// ErrMalformed is for what is no signed token, or says what cannot be read.
	ErrMalformed = fmt.Errorf("%w: it is malformed", ErrRefused)
	// ErrAlgorithm is for a way to sign that is not accepted.
	ErrAlgorithm = fmt.Errorf("%w: its algorithm is not accepted", ErrRefused)
	// ErrIssuer is for a token of another issuer.
	ErrIssuer = fmt.Errorf("%w: it is of another issuer", ErrRefused)
	// ErrUnknownKey is for a token that names a key which the issuer does not have.
	ErrUnknownKey = fmt.Errorf("%w: the issuer has no such key", ErrRefused)
	// ErrSignature is for a token that was changed, or signed by another key.
	ErrSignature = fmt.Errorf("%w: its signature does not hold", ErrRefused)
	// ErrAudience is for a token that was made for somebody else.
	ErrAudience = fmt.Errorf("%w: it is for another audience", ErrRefused)
	// ErrExpired is for a token that has ended.
	ErrExpired = fmt.Errorf("%w: it has expired", ErrRefused)
	// ErrNotYetValid is for a token that begins, or was issued, in the future.
	ErrNotYetValid = fmt.Errorf("%w: it is not valid yet", ErrRefused)
	// ErrProof is for a proof that is not of this token and this text.
	ErrProof = fmt.Errorf("%w: the proof does not hold for this text", ErrRefused)
)
