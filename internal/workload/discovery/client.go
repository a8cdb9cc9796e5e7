// Package discovery fetches the keys of OpenID Connect issuers: the discovery
// document of the issuer, and the key set that it names. It asks https servers
// alone (or loopback addresses), follows no redirect, takes no proxy from the
// environment, and bounds every answer and every wait.
package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// Bounds of one fetch.
const (
	maxAnswer     = workload.MaxKeySet // bytes
	maxHeaders    = 64 << 10
	dialTimeout   = 5 * time.Second
	answerTimeout = 10 * time.Second // until an answer begins
	fetchTimeout  = 20 * time.Second // of document and keys together
)

func newClient(trust *tls.Config) *http.Client {
	if trust == nil {
		trust = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: transport.Bounded{Most: transport.Always(maxAnswer), Transport: &http.Transport{ // without Proxy: no environment
			TLSClientConfig: trust, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			ResponseHeaderTimeout: answerTimeout, MaxResponseHeaderBytes: maxHeaders,
		}},
		CheckRedirect: transport.NoRedirect,
	}
}

// Get returns the body of one answer to a bearer's request, under the bounds of
// a fetch. Errors are nhi.ErrUnreachable, and do not quote the bearer.
func Get(ctx context.Context, url string, bearer nhi.Secret) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	client := newClient(nil)
	defer client.CloseIdleConnections()
	body, err := get(ctx, client, url, bearer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", line(err), nhi.ErrUnreachable)
	}
	return body, nil
}

// get returns the body of one answer, which must be a plain yes.
func get(ctx context.Context, client *http.Client, url string, bearer nhi.Secret) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if !bearer.IsZero() {
		request.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("it answered " + response.Status)
	}
	return io.ReadAll(response.Body)
}
