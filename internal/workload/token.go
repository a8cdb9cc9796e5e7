package workload

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxToken is the most bytes that a token may have.
const maxToken = 16 << 10

// Leeway is how far the clocks of an issuer and of whoever verifies may be
// apart.
const Leeway = time.Minute

// algorithms are the ways to sign that are accepted. None of them has a secret
// that the verifier shares, and none is "none".
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Token is what a verified token says.
type Token struct {
	Issuer    string
	Subject   string
	Audiences []string
	// Claims are all claims that are one text, number or truth value, as text.
	Claims   map[string]string
	IssuedAt time.Time
	Expires  time.Time
}

// Verify returns what a token says, where it is one of this issuer's, signed
// by one of the keys, for one of the audiences, and valid now. All else is
// ErrRefused, with the reason.
func (i Issuer) Verify(keys Keys, raw nhi.Secret, now time.Time) (Token, error) {
	parsed, err := i.parse(raw.Reveal())
	if err != nil {
		return Token{}, err
	}
	candidates := keys.named(parsed.Headers[0])
	if len(candidates) == 0 {
		return Token{}, fmt.Errorf("%w: it names %.80q", ErrUnknownKey, parsed.Headers[0].KeyID)
	}
	for _, key := range candidates {
		var read claims
		switch err := parsed.Claims(key.Key, &read); {
		case errors.Is(err, jose.ErrCryptoFailure):
		case err != nil:
			return Token{}, malformed(err)
		default:
			return i.admit(read, now)
		}
	}
	return Token{}, ErrSignature
}

// parse reads a token without believing it. What says of itself that another
// issuer made it is refused before any key is looked for.
func (i Issuer) parse(raw string) (*jwt.JSONWebToken, error) {
	if raw == "" || len(raw) > maxToken {
		return nil, fmt.Errorf("%w: it has %d bytes, and 1 to %d are allowed", ErrMalformed, len(raw), maxToken)
	}
	parsed, err := jwt.ParseSigned(raw, algorithms)
	var unexpected *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &unexpected):
		return nil, fmt.Errorf("%w: it is %.20q", ErrAlgorithm, string(unexpected.Got))
	case err != nil || len(parsed.Headers) != 1:
		return nil, ErrMalformed
	}
	var said claims
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return nil, malformed(err)
	}
	if said.token.Issuer != i.URL {
		return nil, &otherIssuerError{says: said.token.Issuer, want: i.URL}
	}
	return parsed, nil
}

// otherIssuerError is ErrIssuer, with what the token says.
type otherIssuerError struct{ says, want string }

// Error implements error.
func (e *otherIssuerError) Error() string {
	return fmt.Sprintf("%s: it says %.120q, and not %.120q", ErrIssuer, e.says, e.want)
}

// Unwrap implements errors.Unwrap.
func (*otherIssuerError) Unwrap() error { return ErrIssuer }

// admit checks what a token that is signed says.
func (i Issuer) admit(read claims, now time.Time) (Token, error) {
	token := read.token
	expected := jwt.Expected{Issuer: i.URL, AnyAudience: jwt.Audience(i.Audiences), Time: now}
	switch {
	case now.IsZero(): // the library would take the machine's clock
		return Token{}, fmt.Errorf("%w: the time is not known", ErrRefused)
	case len(i.Audiences) == 0: // the library would take it for any
		return Token{}, fmt.Errorf("%w: none is expected", ErrAudience)
	case token.Expires.IsZero() || token.IssuedAt.IsZero():
		return Token{}, fmt.Errorf("%w: it does not say when it was issued and when it expires", ErrMalformed)
	}
	switch err := read.registered.ValidateWithLeeway(expected, Leeway); {
	case err == nil:
		return token, nil
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return Token{}, ErrIssuer
	case errors.Is(err, jwt.ErrInvalidAudience):
		return Token{}, fmt.Errorf("%w: it is for %.120q", ErrAudience, token.Audiences)
	case errors.Is(err, jwt.ErrExpired):
		return Token{}, fmt.Errorf("%w, %s", ErrExpired, nhi.FormatTime(token.Expires))
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return Token{}, fmt.Errorf("%w: it was issued %s", ErrNotYetValid, nhi.FormatTime(token.IssuedAt))
	default:
		return Token{}, ErrRefused
	}
}

func malformed(err error) error {
	if errors.Is(err, ErrRefused) {
		return err
	}
	return ErrMalformed
}
