package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// Revoke disables the entity, which stops its tokens at once, removes the
// AppRole with its secret ids, revokes the tokens and what was got with them,
// removes the entity, and reads back. Of an account that was taken over and is
// to be kept, entity and AppRole stay, shut and without our mark.
func (s *system) Revoke(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	before := make([]*held, len(accounts))
	failed := func(i int, err error) (connector.Observation, error) {
		if before[i] == nil {
			return connector.Observation{}, err
		}
		return unconfirmed(before[i].observe(accounts[i]), err)
	}
	first := func(ctx context.Context, accessor string, i int, account connector.Account) (func(token) bool, error) {
		h, err := s.look(ctx, accessor, account)
		if err != nil {
			return nil, err
		}
		if h.entity == nil && h.role == nil || h.released {
			if h.isForeign() {
				return nil, h.foreignError()
			}
			return nil, nil
		}
		before[i] = h
		return s.shut(ctx, account, h)
	}
	then := func(ctx context.Context, accessor string, i int, account connector.Account) (connector.Observation, error) {
		return s.removed(ctx, accessor, account, before[i])
	}
	return s.change(ctx, accounts, first, then, failed)
}

// shut ends all ways to get in, and picks the tokens that there may be.
func (s *system) shut(ctx context.Context, account connector.Account, h *held) (func(token) bool, error) {
	var chosen func(token) bool
	if h.live() || account.Enabled {
		chosen = s.tokens(account, h)
	}
	if h.entity != nil && !h.entity.Disabled {
		if err := s.setEntity(ctx, h.entity, map[string]any{"disabled": true}); err != nil {
			return nil, err
		}
	}
	if h.role == nil {
		return chosen, nil
	}
	if keeps(account) {
		if err := s.changeRole(ctx, account, h, inertShape()); err != nil {
			return nil, err
		}
		return chosen, s.destroySecretIDs(ctx, h, h.secrets)
	}
	if now, err := s.readRole(ctx, h.role.name); err != nil {
		return nil, err
	} else if now != nil && now.id != h.role.id {
		h.foreign("AppRole " + now.name + " has another role id")
		return nil, h.foreignError()
	}
	return chosen, s.removeRole(ctx, h.role.name) // and its secret ids
}

// removed removes the entity and says what is left. Before is nil where
// nothing of ours was there to begin with.
func (s *system) removed(ctx context.Context, accessor string, account connector.Account, before *held) (connector.Observation, error) {
	if before != nil && keeps(account) {
		if err := s.letGo(ctx, before); err != nil {
			return connector.Observation{}, err
		}
	} else if before != nil {
		if before.stray != nil {
			if one, has := before.stray.aliasFor(accessor, before.role.id); has {
				if err := s.removeAlias(ctx, one.ID); err != nil {
					return connector.Observation{}, err
				}
			}
		}
		if before.entity != nil {
			if err := s.removeEntity(ctx, before.entity.ID); err != nil {
				return connector.Observation{}, err
			}
		}
	}
	h, err := s.look(ctx, accessor, account)
	if err != nil {
		return connector.Observation{}, err
	}
	return h.gone(account)
}

// gone says how an account is after its removal.
func (h *held) gone(account connector.Account) (connector.Observation, error) {
	seen := h.observe(account)
	switch {
	case seen.State == connector.Absent:
		return seen, nil
	case h.released && !h.isForeign():
		if !keeps(account) {
			return seen, fmt.Errorf("AppRole %s carries no mark: %w", account.Principal, nhi.ErrForeign)
		}
		seen.State, seen.ID, seen.Findings = connector.Released, account.ID, nil
		return seen, nil
	case seen.State == connector.Foreign:
		return seen, h.foreignError()
	}
	return unconfirmed(seen, errors.New("it was made again while it was removed"))
}

// unconfirmed says that the removal was ordered and how far it came.
func unconfirmed(seen connector.Observation, err error) (connector.Observation, error) {
	if finding := "removal not finished: " + vaulthttp.Line(err.Error()); !slices.Contains(seen.Findings, finding) {
		seen.Findings = append(seen.Findings, finding)
	}
	seen.Verified = false
	if !errors.Is(err, nhi.ErrUnconfirmed) && !errors.Is(err, nhi.ErrForeign) {
		err = fmt.Errorf("%w: %w", nhi.ErrUnconfirmed, err)
	}
	return seen, err
}

func join(first, second error) error {
	if second == nil {
		return first
	}
	return errors.Join(first, second)
}
