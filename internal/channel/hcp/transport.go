package hcp

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
)

// Bounds of one request.
const (
	maxAnswer     = 4 << 20  // bytes of an answer
	maxPlan       = 64 << 20 // bytes of a plan as JSON
	maxHops       = 3
	dialTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second // of one request
)

// newHTTP returns a client that takes no proxy from the environment, bounds
// every answer, and keeps the API token with the host that it is for: the one
// redirect that the API makes, to where a plan lies, is followed without it.
func newHTTP(trust *tls.Config) *http.Client {
	return &http.Client{
		Timeout: answerTimeout,
		Transport: plain{transport.Bounded{Most: most, Transport: &http.Transport{ // without Proxy: no environment
			TLSClientConfig: trust, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}}},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			plan := strings.HasSuffix(via[0].URL.Path, "/json-output")
			if !plan || len(via) > maxHops || request.URL.Scheme != "https" {
				return errors.New("it redirects to where it must not")
			}
			request.Header.Del("Authorization")
			return nil
		},
	}
}

// plain takes out of an answer what the library ends the whole program over: a
// limit that it cannot use.
type plain struct{ transport.Bounded }

// RoundTrip implements http.RoundTripper.
func (p plain) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := p.Bounded.RoundTrip(request)
	if err == nil {
		response.Header.Del("X-RateLimit-Limit")
	}
	return response, err
}

// most is how many bytes an answer may have: a plan is larger than the rest.
func most(request *http.Request) int64 {
	if !strings.HasPrefix(request.URL.Path, "/api/v2/") || strings.HasSuffix(request.URL.Path, "/json-output") {
		return maxPlan
	}
	return maxAnswer
}
