package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// Discovery fetches the keys of each issuer once in a run, whoever asks, and
// once more where a token names a key that was not there. Failures are not
// remembered. It is safe for concurrent use.
type Discovery struct {
	client *http.Client
	flight singleflight.Group

	mu    sync.Mutex
	known map[string]workload.Keys // by the issuer's URL
}

// New returns a Discovery that trusts the machine's authorities, or those of
// trust where it is not nil.
func New(trust *tls.Config) *Discovery {
	return &Discovery{client: newClient(trust), known: map[string]workload.Keys{}}
}

// Keys returns the keys of an issuer: those that are pinned, else what its
// discovery document leads to. Errors are nhi.ErrUnreachable, or
// nhi.ErrInvalid where the issuer or its pinned keys are.
func (d *Discovery) Keys(ctx context.Context, issuer workload.Issuer) (workload.Keys, error) {
	if issuer.Keys != "" {
		return workload.ParseKeys(issuer.Keys)
	}
	d.mu.Lock()
	keys, known := d.known[issuer.URL]
	d.mu.Unlock()
	if known {
		return keys, nil
	}
	return d.fetch(ctx, issuer.URL)
}

// Verify is workload.Issuer.Verify with the issuer's keys. A token that names
// a key which is not among those fetched before asks the issuer once more: it
// may have a new one.
func (d *Discovery) Verify(ctx context.Context, issuer workload.Issuer, raw nhi.Secret, now time.Time) (workload.Token, error) {
	d.mu.Lock()
	_, old := d.known[issuer.URL]
	d.mu.Unlock()
	keys, err := d.Keys(ctx, issuer)
	if err != nil {
		return workload.Token{}, err
	}
	token, err := issuer.Verify(keys, raw, now)
	if !errors.Is(err, workload.ErrUnknownKey) || !old || issuer.Keys != "" {
		return token, err
	}
	if keys, err = d.fetch(ctx, issuer.URL); err != nil {
		return workload.Token{}, err
	}
	return issuer.Verify(keys, raw, now)
}

// fetch asks the issuer. Whoever asks meanwhile gets the same answer, and one
// who goes away takes it from nobody else.
func (d *Discovery) fetch(ctx context.Context, issuer string) (workload.Keys, error) {
	answer := d.flight.DoChan(issuer, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		keys, err := d.ask(ctx, issuer)
		if err != nil {
			return workload.Keys{}, err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.known[issuer] = keys
		return keys, nil
	})
	select {
	case <-ctx.Done():
		return workload.Keys{}, fmt.Errorf("issuer %s: %w: %w", issuer, nhi.ErrUnreachable, ctx.Err())
	case got := <-answer:
		keys, _ := got.Val.(workload.Keys)
		return keys, got.Err
	}
}

func (d *Discovery) ask(ctx context.Context, issuer string) (workload.Keys, error) {
	unreachable := func(what string, err error) (workload.Keys, error) {
		return workload.Keys{}, fmt.Errorf("issuer %s: %s: %s: %w", issuer, what, line(err), nhi.ErrUnreachable)
	}
	at, err := workload.ParseURL(issuer)
	if err != nil {
		return workload.Keys{}, fmt.Errorf("issuer: %w", err)
	}
	// The library compares the issuer that the document names with this one.
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, d.client), issuer)
	if err != nil {
		return unreachable("its discovery document", err)
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return unreachable("its discovery document", err)
	}
	if err := mayLead(at, document.Keys); err != nil {
		return unreachable("the address of its keys", err)
	}
	body, err := get(ctx, d.client, document.Keys, nhi.Secret{})
	if err != nil {
		return unreachable("its keys", err)
	}
	keys, err := workload.FetchedKeys(string(body))
	if err != nil {
		return unreachable("its keys", err)
	}
	return keys, nil
}

// mayLead holds where an issuer may name a place for its keys: one as safe as
// its own, and this machine only where it is on this machine itself.
func mayLead(issuer *url.URL, place string) error {
	u, err := url.Parse(place)
	if err != nil {
		return err
	}
	u.RawQuery = "" // some issuers have one there
	u, err = workload.ParseURL(u.String())
	if err == nil && workload.Loopback(u) && !workload.Loopback(issuer) {
		err = errors.New("it leads to this machine")
	}
	return err
}

// line writes an error, which may quote an answer, on one short line.
func line(err error) string {
	const longest = 300
	text := strings.ToValidUTF8(strings.Join(strings.Fields(err.Error()), " "), "?")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}
