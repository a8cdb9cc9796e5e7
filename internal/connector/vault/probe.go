package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// probeTTL bounds what a probe leaves behind when it cannot clean up.
const probeTTL = time.Minute

// Probe logs in as the account's user would, with a secret id for one use, and
// compares what the token gives with what was approved. The token is revoked at
// once and leaves this process in no way. Absent is that Vault refused.
func (s *system) Probe(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	accessor, mountErr := s.accessor(ctx)
	return each(ctx, accounts, func(ctx context.Context, _ int, account connector.Account) (connector.Observation, error) {
		if mountErr != nil {
			return connector.Observation{}, mountErr
		}
		return s.probe(ctx, accessor, account)
	})
}

func (s *system) probe(ctx context.Context, accessor string, account connector.Account) (connector.Observation, error) {
	h, err := s.look(ctx, accessor, account)
	if err != nil {
		return connector.Observation{}, err
	}
	seen := h.observe(account)
	switch {
	case h.released:
		seen.State = connector.Absent // it is ours no more
		return seen, nil
	case seen.State == connector.Foreign:
		return seen, h.foreignError()
	case seen.State == connector.Absent || h.role == nil || h.entity == nil || h.entity.Disabled:
		// Vault looks at the entity before it makes a token, and at the AppRole
		// before that.
		seen.State = connector.Absent
		return seen, nil
	}
	id, err := s.makeSecretID(ctx, account, probeTTL, 1, 0)
	if err != nil {
		return seen, err
	}
	got, err := s.login(ctx, h.role.id, id.secret)
	if errors.Is(err, errNotLetIn) {
		seen.State = connector.Absent
		return seen, s.destroySecretID(ctx, h.role.name, id.accessor)
	}
	if err != nil {
		return seen, errors.Join(err, s.discard(ctx, h.role.name, id.accessor))
	}
	if err := s.revokeToken(ctx, got.Accessor); err != nil {
		return seen, fmt.Errorf("the token of the probe was not revoked: %w", err)
	}
	want, is := account.Access.Items(accessPolicies), slices.Sorted(slices.Values(got.Policies))
	if got.EntityID != h.entity.ID || !slices.Equal(is, want) {
		return seen, fmt.Errorf("a login as %s gave a token of entity %.40q with the policies %q, and not what was approved: %w",
			account.Principal, got.EntityID, got.Policies, nhi.ErrForeign)
	}
	seen.State = connector.Active
	return seen, nil
}

// errNotLetIn is Vault's clear refusal of a login.
var errNotLetIn = errors.New("the login was refused")

// login logs in, without the system's own token. What Vault says is not passed
// on: it may hold what was sent.
func (s *system) login(ctx context.Context, roleID, secret string) (*api.SecretAuth, error) {
	path := "auth/" + s.at.mount + "/login"
	answer, err := s.vault.Do(ctx, vaulthttp.Call{
		Method: http.MethodPost, Path: path, Body: map[string]string{"role_id": roleID, "secret_id": secret}, Free: true,
	})
	switch {
	case vaulthttp.Refused(err, http.StatusBadRequest, "invalid role or secret ID"), vaulthttp.Refused(err, http.StatusForbidden, "permission denied"):
		return nil, errNotLetIn
	case err != nil:
		return nil, err
	case answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" || checkID(answer.Auth.Accessor) != nil:
		return nil, vaulthttp.Garbage(path, "a login without a token")
	}
	return answer.Auth, nil
}

// discard destroys a secret id that nobody will get, also when the call was
// cancelled: it is bounded by its own deadline.
func (s *system) discard(ctx context.Context, role, accessor string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return s.destroySecretID(ctx, role, accessor)
}
