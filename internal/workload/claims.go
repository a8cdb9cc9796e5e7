package workload

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of what a token may say.
const (
	maxClaims = 200
	maxClaim  = 4 << 10 // bytes of one claim as text
)

// claims are what a token says. They are read by the library's own JSON, in
// which a name has one case and stands once.
type claims struct {
	registered jwt.Claims
	token      Token
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *claims) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &c.registered); err != nil {
		return ErrMalformed
	}
	var all map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.SetNumberType(json.UnmarshalJSONNumber)
	if err := decoder.Decode(&all); err != nil {
		return ErrMalformed
	}
	if len(all) > maxClaims {
		return fmt.Errorf("%w: it has %d claims, and %d is the most allowed", ErrMalformed, len(all), maxClaims)
	}
	c.token = Token{
		Issuer: c.registered.Issuer, Subject: c.registered.Subject, Audiences: c.registered.Audience,
		Claims: map[string]string{}, IssuedAt: timeOf(c.registered.IssuedAt), Expires: timeOf(c.registered.Expiry),
	}
	for name, value := range all {
		text, ok := scalar(value)
		if !ok {
			continue // a list or an object is no claim that a policy could name
		}
		if len(name) > maxClaim || len(text) > maxClaim {
			return fmt.Errorf("%w: a claim has more than %d bytes", ErrMalformed, maxClaim)
		}
		// What is no line of text can be in no policy either.
		if nhi.CheckText(name) == nil && nhi.CheckText(text) == nil {
			c.token.Claims[name] = text
		}
	}
	return nil
}

// scalar returns a claim as text: numbers as they are written.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	default:
		return "", false
	}
}

func timeOf(date *jwt.NumericDate) time.Time {
	if date == nil {
		return time.Time{}
	}
	return date.Time().UTC()
}
