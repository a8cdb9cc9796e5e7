package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// token is a token, without the token itself.
type token struct {
	Accessor string            `json:"accessor"`
	EntityID string            `json:"entity_id"`
	Path     string            `json:"path"`
	Meta     map[string]string `json:"meta"`
	Policies []string          `json:"policies"`
	TTL      json.Number       `json:"ttl"`
}

const pathAccessors = "auth/token/accessors"

// sweep revokes every token that chosen picks. Vault cannot list the tokens of
// one entity, so each token that it has is looked at. A token's own children,
// and the leases that were got with it, go with it.
//
// Vault answers 403 for an accessor whose token is gone already (it goes just
// before its accessor does, and some accessors stay for ever), in the words in
// which it refuses us. So a 403 is asked again, and one that stays counts as
// ours to fail on unless Vault let us look at another token meanwhile.
func (s *system) sweep(ctx context.Context, chosen func(token) bool) error {
	accessors, err := s.vault.List(ctx, pathAccessors, nil)
	if err != nil {
		return fmt.Errorf("list tokens: %w", err)
	}
	var allowed atomic.Bool
	denied := make([]error, len(accessors))
	err = parallel(ctx, vaulthttp.MaxConns, len(accessors), func(ctx context.Context, i int) error {
		one, err := s.lookupToken(ctx, accessors[i])
		if vaulthttp.Refused(err, http.StatusForbidden, "permission denied") {
			denied[i] = err
			return nil
		}
		if err != nil || one == nil {
			return err
		}
		allowed.Store(true)
		if !chosen(*one) {
			return nil
		}
		return s.revokeToken(ctx, one.Accessor)
	})
	if err == nil && !allowed.Load() {
		err = errors.Join(denied...)
	}
	return err
}

// Bounds of asking again about a token that is just going.
const (
	lookupTries = 4
	lookupWait  = 25 * time.Millisecond
)

// lookupToken returns a token by its accessor, or nil where it is gone.
func (s *system) lookupToken(ctx context.Context, accessor string) (*token, error) {
	const path = "auth/token/lookup-accessor"
	var one token
	err := s.vault.Ask(ctx, path, map[string]string{"accessor": accessor}, &one)
	for try := 1; try < lookupTries && vaulthttp.Refused(err, http.StatusForbidden, "permission denied"); try++ {
		if !pause(ctx, lookupWait<<try) {
			break
		}
		err = s.vault.Ask(ctx, path, map[string]string{"accessor": accessor}, &one)
	}
	switch {
	case vaulthttp.Refused(err, http.StatusBadRequest, "invalid accessor"):
		return nil, nil
	case err != nil:
		return nil, err
	case one.Accessor != accessor:
		return nil, vaulthttp.Garbage(path, "an answer about another token")
	}
	return &one, nil
}

// pause waits, and says whether ctx is still alive.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// revokeToken revokes a token. One already gone is success to Vault.
func (s *system) revokeToken(ctx context.Context, accessor string) error {
	_, err := s.vault.Write(ctx, "auth/token/revoke-accessor", map[string]string{"accessor": accessor})
	return err
}

// limitToken draws a token's end in, and returns how long it lives now. Vault
// counts a renewal's time from now on, also where that is less than was left.
func (s *system) limitToken(ctx context.Context, accessor string, ttl time.Duration) (time.Duration, error) {
	answer, err := s.vault.Write(ctx, "auth/token/renew-accessor", map[string]any{"accessor": accessor, "increment": vaulthttp.Seconds(ttl)})
	if err != nil {
		return 0, err
	}
	if answer == nil || answer.Auth == nil || answer.Auth.Accessor != accessor {
		return 0, vaulthttp.Garbage("auth/token/renew-accessor", "an answer about another token")
	}
	return time.Duration(answer.Auth.LeaseDuration) * time.Second, nil
}

// tokensOf picks the tokens of an account: of its entity, and those that its AppRole
// gave to any other (one that Vault made when the alias was away).
func (s *system) tokensOf(entityIDs []string, roles []string) func(token) bool {
	login := "auth/" + s.at.mount + "/login"
	return func(t token) bool {
		return t.EntityID != "" && slices.Contains(entityIDs, t.EntityID) ||
			t.Path == login && slices.ContainsFunc(roles, func(role string) bool { return strings.EqualFold(t.Meta["role_name"], role) })
	}
}
