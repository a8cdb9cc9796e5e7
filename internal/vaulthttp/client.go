// Package vaulthttp sends requests to one HashiCorp Vault and reads its
// answers strictly: whatever is no clear answer of Vault's is an error, every
// answer is bounded, redirects are not followed, and no VAULT_* variable, proxy
// or token file is read.
package vaulthttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
)

// Bounds of one request.
const (
	maxAnswer   = 1 << 20  // bytes of an answer about one thing
	maxList     = 64 << 20 // bytes of a list
	dialTimeout = 10 * time.Second
)

// MaxConns is the most connections that one client makes: more requests at a
// time wait.
const MaxConns = 16

// Client asks one Vault. The client of the api module takes VAULT_* variables,
// whatever it is configured with, and follows redirects; so only that module's
// requests and answers are used.
type Client struct {
	at    Address
	token nhi.Secret
	http  *http.Client
}

// New reads the file of authorities, where there is one, and nothing else.
// Errors are about that file, and nhi.ErrInvalid.
func New(at Address, token nhi.Secret, caFile string) (*Client, error) {
	trust, err := transport.Trust(caFile)
	if err != nil {
		return nil, err
	}
	return &Client{at: at, token: token, http: &http.Client{
		Transport: &http.Transport{ // without Proxy: no environment
			TLSClientConfig: trust, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxIdleConnsPerHost: MaxConns, MaxConnsPerHost: MaxConns, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// The token stays with the host that was approved.
		CheckRedirect: transport.NoRedirect,
	}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call is one request to Vault.
type Call struct {
	Method string     // LIST is one
	Path   string     // without /v1/; every part of it was checked
	Params url.Values // behind the question mark
	Body   any
	Wrap   time.Duration // wraps the answer in a token
	Free   bool          // it is sent without the client's token
	Above  bool          // it is sent outside of the namespace
	Most   int64         // bytes of the answer; 0 stands for the usual bound
}

// MethodList is how Vault lists what is below a path.
const MethodList = "LIST"

// Read asks for data, and wants some: ErrAbsent where Vault says that there is
// none.
func (c *Client) Read(ctx context.Context, path string, into any) error {
	answer, err := c.Do(ctx, Call{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	return Decode(path, answer, into)
}

// Ask is Read for what Vault looks up by a body.
func (c *Client) Ask(ctx context.Context, path string, body, into any) error {
	answer, err := c.Do(ctx, Call{Method: http.MethodPost, Path: path, Body: body})
	if err != nil {
		return err
	}
	return Decode(path, answer, into)
}

// List returns the keys below path, none where Vault says that there are none.
// A list that Vault itself calls partial is an error.
func (c *Client) List(ctx context.Context, path string, info any) ([]string, error) {
	answer, err := c.Do(ctx, Call{Method: MethodList, Path: path})
	if errors.Is(err, ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if answer != nil && len(answer.Warnings) > 0 {
		return nil, fmt.Errorf("list %s: not whole (%s): %w", path, Line(answer.Warnings[0]), nhi.ErrUnreachable)
	}
	var found struct {
		Keys    *[]string       `json:"keys"`
		KeyInfo json.RawMessage `json:"key_info"`
	}
	if err := Decode(path, answer, &found); err != nil {
		return nil, err
	}
	if found.Keys == nil {
		return nil, Garbage(path, "no keys")
	}
	if info != nil && len(found.KeyInfo) > 0 {
		if err := json.Unmarshal(found.KeyInfo, info); err != nil {
			return nil, Garbage(path, "key_info of another form")
		}
	}
	return *found.Keys, nil
}

// Write changes something, and returns the answer; nil where Vault has nothing
// to say.
func (c *Client) Write(ctx context.Context, path string, body any) (*api.Secret, error) {
	return c.Do(ctx, Call{Method: http.MethodPost, Path: path, Body: body})
}

// Remove deletes something. Vault takes it for done where there is nothing.
func (c *Client) Remove(ctx context.Context, path string) error {
	_, err := c.Do(ctx, Call{Method: http.MethodDelete, Path: path})
	return err
}

// Decode puts an answer's data into a form. An answer without data is garbage.
func Decode(path string, answer *api.Secret, into any) error {
	if answer == nil || answer.Data == nil {
		return Garbage(path, "no data")
	}
	text, err := json.Marshal(answer.Data)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return Garbage(path, "data of another form")
	}
	return nil
}

// Do sends one request. It is tried once: whoever called it looks again. The
// answer is nil where Vault has nothing to say.
func (c *Client) Do(ctx context.Context, call Call) (*api.Secret, error) {
	status, body, err := c.send(ctx, call)
	if err != nil {
		return nil, err
	}
	return answerOf(call, status, body)
}

// send returns the status and the body of the answer, which is bounded.
func (c *Client) send(ctx context.Context, call Call) (int, []byte, error) {
	request, err := c.request(ctx, call)
	if err != nil {
		return 0, nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, noAnswer(ctx, call.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	limit := call.Most
	switch {
	case limit > 0:
	case call.Method == MethodList:
		limit = maxList
	default:
		limit = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return 0, nil, noAnswer(ctx, call.Path, err)
	case int64(len(body)) > limit:
		return 0, nil, fmt.Errorf("%s: the answer is longer than %d bytes: %w", call.Path, limit, nhi.ErrUnreachable)
	}
	return response.StatusCode, body, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	request := &api.Request{
		Method:  call.Method,
		URL:     &url.URL{Scheme: c.at.scheme, Host: c.at.host, Path: "/v1/" + call.Path},
		Params:  url.Values{},
		Headers: http.Header{api.RequestHeaderName: {"true"}},
	}
	maps.Copy(request.Params, call.Params)
	if call.Method == MethodList {
		request.Method = http.MethodGet
		request.Params.Set("list", "true")
	}
	if !call.Free {
		request.ClientToken = c.token.Reveal()
	}
	if c.at.namespace != "" && !call.Above {
		request.Headers.Set(api.NamespaceHeaderName, c.at.namespace)
	}
	if call.Wrap > 0 {
		request.WrapTTL = Seconds(call.Wrap)
	}
	if call.Body != nil {
		if err := request.SetJSONBody(call.Body); err != nil {
			return nil, fmt.Errorf("%s: the request cannot be written: %w", call.Path, nhi.ErrInvalid)
		}
	}
	sent, err := request.ToHTTP()
	if err != nil {
		return nil, fmt.Errorf("%s: the request cannot be made: %w", call.Path, nhi.ErrInvalid)
	}
	return sent.WithContext(ctx), nil
}
