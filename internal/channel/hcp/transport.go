package hcp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of one request.
const (
	maxAnswer     = 4 << 20  // bytes of an answer
	maxPlan       = 64 << 20 // bytes of a plan as JSON
	maxCACert     = 1 << 20  // bytes of a file of authorities
	maxHops       = 3
	dialTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second // of one request
)

// trusted reads a file of authorities; nil where none is named.
func trusted(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // this machine's own are meant
	}
	// A pipe would be waited for, and for ever.
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%.200q is not a file that can be read: %w", file, nhi.ErrInvalid)
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, nhi.ErrInvalid)
	}
	defer func() { _ = opened.Close() }()
	pem, err := io.ReadAll(io.LimitReader(opened, maxCACert))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, nhi.ErrInvalid)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !trust.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%.200q holds no certificate: %w", file, nhi.ErrInvalid)
	}
	return trust, nil
}

// newHTTP returns a client that takes no proxy from the environment, bounds
// every answer, and keeps the API token with the host that it is for: the one
// redirect that the API makes, to where a plan lies, is followed without it.
func newHTTP(trust *tls.Config) *http.Client {
	if trust == nil {
		trust = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Timeout: answerTimeout,
		Transport: bounded{&http.Transport{ // without Proxy: no environment
			TLSClientConfig: trust, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}},
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

// bounded ends every answer that is too long with an error.
type bounded struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// The library ends the whole program over a limit that it cannot use.
	response.Header.Del("X-RateLimit-Limit")
	most := int64(maxAnswer)
	if !strings.HasPrefix(request.URL.Path, "/api/v2/") || strings.HasSuffix(request.URL.Path, "/json-output") {
		most = maxPlan
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: most}
	return response, nil
}

var errTooLong = errors.New("the answer is too long")

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
