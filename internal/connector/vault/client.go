package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of one request.
const (
	maxAnswer   = 1 << 20  // bytes of an answer about one thing
	maxList     = 64 << 20 // bytes of a list
	dialTimeout = 10 * time.Second
	maxConns    = 16 // connections at a time
)

// client asks one Vault. The client of the api module takes VAULT_* variables,
// whatever it is configured with, and follows redirects; so only that module's
// requests and answers are used.
type client struct {
	at    address
	token nhi.Secret
	http  *http.Client
}

// newClient reads the file of authorities, where there is one, and nothing else.
func newClient(at address, token nhi.Secret, caFile string) (*client, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", settingCACert, err, nhi.ErrInvalid)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate: %w", settingCACert, nhi.ErrInvalid)
		}
	}
	return &client{at: at, token: token, http: &http.Client{
		Transport: &http.Transport{ // without Proxy: no environment
			TLSClientConfig: trust, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxIdleConnsPerHost: maxConns, MaxConnsPerHost: maxConns, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// The token stays with the host that was approved.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// call is one request to Vault.
type call struct {
	method string // LIST is one
	path   string // without /v1/; every part of it was checked
	body   any
	wrap   time.Duration // wraps the answer in a token
	free   bool          // it is sent without the system's token
}

const methodList = "LIST"

// read asks for data, and wants some: errAbsent where Vault says that there is
// none.
func (c *client) read(ctx context.Context, path string, into any) error {
	answer, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return decode(path, answer, into)
}

// ask is read for what Vault looks up by a body.
func (c *client) ask(ctx context.Context, path string, body, into any) error {
	answer, err := c.do(ctx, call{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return err
	}
	return decode(path, answer, into)
}

// list returns the keys below path, none where Vault says that there are none.
// A list that Vault itself calls partial is an error.
func (c *client) list(ctx context.Context, path string, info any) ([]string, error) {
	answer, err := c.do(ctx, call{method: methodList, path: path})
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if answer != nil && len(answer.Warnings) > 0 {
		return nil, fmt.Errorf("list %s: not whole (%s): %w", path, line(answer.Warnings[0]), nhi.ErrUnreachable)
	}
	var found struct {
		Keys    *[]string       `json:"keys"`
		KeyInfo json.RawMessage `json:"key_info"`
	}
	if err := decode(path, answer, &found); err != nil {
		return nil, err
	}
	if found.Keys == nil {
		return nil, garbage(path, "no keys")
	}
	if info != nil && len(found.KeyInfo) > 0 {
		if err := json.Unmarshal(found.KeyInfo, info); err != nil {
			return nil, garbage(path, "key_info of another form")
		}
	}
	return *found.Keys, nil
}

// write changes something, and returns the answer; nil where Vault has nothing
// to say.
func (c *client) write(ctx context.Context, path string, body any) (*api.Secret, error) {
	return c.do(ctx, call{method: http.MethodPost, path: path, body: body})
}

// remove deletes something. Vault takes it for done where there is nothing.
func (c *client) remove(ctx context.Context, path string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path})
	return err
}

// decode puts an answer's data into a form. An answer without data is garbage.
func decode(path string, answer *api.Secret, into any) error {
	if answer == nil || answer.Data == nil {
		return garbage(path, "no data")
	}
	text, err := json.Marshal(answer.Data)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return garbage(path, "data of another form")
	}
	return nil
}

// do sends one request. It is tried once: whoever called it looks again.
func (c *client) do(ctx context.Context, call call) (*api.Secret, error) {
	request, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, noAnswer(ctx, call.path, err)
	}
	defer func() { _ = response.Body.Close() }()
	limit := int64(maxAnswer)
	if call.method == methodList {
		limit = maxList
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, noAnswer(ctx, call.path, err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%s: the answer is longer than %d bytes: %w", call.path, limit, nhi.ErrUnreachable)
	}
	return answerOf(call, response, body)
}

func (c *client) request(ctx context.Context, call call) (*http.Request, error) {
	request := &api.Request{
		Method:  call.method,
		URL:     &url.URL{Scheme: c.at.scheme, Host: c.at.host, Path: "/v1/" + call.path},
		Params:  url.Values{},
		Headers: http.Header{api.RequestHeaderName: {"true"}},
	}
	if call.method == methodList {
		request.Method = http.MethodGet
		request.Params.Set("list", "true")
	}
	if !call.free {
		request.ClientToken = c.token.Reveal()
	}
	if c.at.namespace != "" {
		request.Headers.Set(api.NamespaceHeaderName, c.at.namespace)
	}
	if call.wrap > 0 {
		request.WrapTTL = seconds(call.wrap)
	}
	if call.body != nil {
		if err := request.SetJSONBody(call.body); err != nil {
			return nil, fmt.Errorf("%s: the request cannot be written: %w", call.path, nhi.ErrInvalid)
		}
	}
	sent, err := request.ToHTTP()
	if err != nil {
		return nil, fmt.Errorf("%s: the request cannot be made: %w", call.path, nhi.ErrInvalid)
	}
	return sent.WithContext(ctx), nil
}
