package workload

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of an issuer.
const (
	maxURL      = 512 // bytes of its URL
	maxAudience = 512 // bytes of one audience
)

// Issuer is who makes tokens, and which of its tokens are believed.
type Issuer struct {
	// URL is the issuer's name, as its tokens write it: compared byte by byte.
	URL string
	// Audiences are whom its tokens may be for: one of them, exactly.
	Audiences []string
	// Keys is a JSON Web Key Set that pins the issuer's keys; empty where they
	// are fetched by the issuer's discovery document.
	Keys string
}

// CheckIssuer holds for the URL of an issuer. Errors are nhi.ErrInvalid.
func CheckIssuer(text string) error {
	_, err := ParseURL(text)
	return err
}

// CheckAudience holds for what an audience may be: one line of text.
func CheckAudience(text string) error {
	if len(text) > maxAudience {
		return fmt.Errorf("an audience is longer than %d bytes: %w", maxAudience, nhi.ErrInvalid)
	}
	return nhi.CheckText(text)
}

// ParseURL reads an https URL without user, query and fragment. Plain http is
// for loopback addresses alone: who answers there could not be told otherwise.
// Errors are nhi.ErrInvalid.
func ParseURL(text string) (*url.URL, error) {
	invalid := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf("%.80q %s: %w", text, why, nhi.ErrInvalid)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Opaque != "" || u.Hostname() == "" || nhi.CheckText(text) != nil || strings.ContainsAny(text, " \\"):
		return invalid("is not a URL such as https://issuer.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return invalid("must have no user, query or fragment")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && Loopback(u):
		return u, nil
	default:
		return invalid("must start with https:// (plain http is for loopback addresses such as 127.0.0.1 alone)")
	}
}

// Loopback says whether a URL names a loopback address. A name is none: it
// leads wherever somebody says.
func Loopback(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}
