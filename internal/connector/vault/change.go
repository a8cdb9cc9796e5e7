package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// step is the first part of an effect on one account. Tokens that it chooses
// are revoked before the second part.
type step func(ctx context.Context, accessor string, i int, account connector.Account) (chosen func(token) bool, err error)

// finish is the second part, which says how the account is now.
type finish func(ctx context.Context, accessor string, i int, account connector.Account) (connector.Observation, error)

// change runs an effect on many accounts: the first part of each, then one look
// at all tokens, where any part wants some revoked, then the second part of each
// that came so far.
func (s *system) change(ctx context.Context, accounts []connector.Account, first step, then finish, failed func(i int, err error) (connector.Observation, error)) []connector.Outcome {
	accessor, mountErr := s.accessor(ctx)
	chosen := make([]func(token) bool, len(accounts))
	outcomes := each(ctx, accounts, func(ctx context.Context, i int, account connector.Account) (connector.Observation, error) {
		if mountErr != nil {
			return failed(i, mountErr)
		}
		var err error
		if chosen[i], err = first(ctx, accessor, i, account); err != nil {
			return failed(i, err)
		}
		return connector.Observation{}, nil
	})
	swept := s.sweepFor(ctx, chosen)
	second := each(ctx, accounts, func(ctx context.Context, i int, account connector.Account) (connector.Observation, error) {
		if outcomes[i].Err != nil {
			return outcomes[i].Observation, outcomes[i].Err
		}
		if chosen[i] != nil && swept != nil {
			return failed(i, swept)
		}
		seen, err := then(ctx, accessor, i, account)
		if err != nil && seen.Principal == "" {
			return failed(i, err)
		}
		return seen, err
	})
	return second
}

// sweepFor revokes the tokens that any of the choices picks.
func (s *system) sweepFor(ctx context.Context, choices []func(token) bool) error {
	choices = slices.DeleteFunc(slices.Clone(choices), func(chosen func(token) bool) bool { return chosen == nil })
	if len(choices) == 0 {
		return nil
	}
	return s.sweep(ctx, func(t token) bool {
		return slices.ContainsFunc(choices, func(chosen func(token) bool) bool { return chosen(t) })
	})
}

// plainly returns a failure as it is, with nothing seen.
func plainly(_ int, err error) (connector.Observation, error) { return connector.Observation{}, err }

// changeRole sets our AppRole, or makes it where there was none. Vault cannot
// check whose it is in the same step, so it is looked at just before. The role id
// is always said: where the AppRole goes away in between, the write makes it
// anew, and it is still known as ours.
func (s *system) changeRole(ctx context.Context, account connector.Account, h *held, want shape) error {
	now, err := s.readRole(ctx, account.Principal)
	if err != nil {
		return err
	}
	roleID := roleIDOf(account.Mark)
	if adopts(account) != "" {
		roleID = account.ID
	}
	if now != nil && now.id != roleID {
		h.foreign("AppRole " + now.name + " has another role id")
		return h.foreignError()
	}
	if now != nil && now.is(want) {
		h.role = now
		return nil
	}
	if now == nil && adopts(account) != "" {
		return fmt.Errorf("AppRole %s is gone: %w", account.Principal, errStays)
	}
	if err := s.setRole(ctx, account.Principal, roleID, want); err != nil {
		return err
	}
	h.role, err = s.readRole(ctx, account.Principal)
	if err == nil && (h.role == nil || !h.role.is(want)) {
		err = fmt.Errorf("AppRole %s: Vault took the change and did not follow it: %w", account.Principal, errStays)
	}
	return err
}

// tidy takes away what hangs on our entity and was not approved, and ties it to
// our AppRole.
func (s *system) tidy(ctx context.Context, h *held) error {
	for _, id := range h.entity.Groups {
		if err := s.leave(ctx, h.entity, id); err != nil {
			return err
		}
	}
	for _, one := range h.extraAliases() {
		if err := s.removeAlias(ctx, one.ID); err != nil {
			return err
		}
	}
	if !h.tied() {
		return s.tie(ctx, h.accessor, h.role.id, h.entity)
	}
	return nil
}

func (s *system) removeAlias(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return vaulthttp.Garbage("identity/entity-alias", "an id that is none")
	}
	return s.vault.Remove(ctx, "identity/entity-alias/id/"+id)
}

// correct returns the fields of our entity that are not as they should be.
func correct(account connector.Account, e *entity, disabled bool) map[string]any {
	fields := map[string]any{}
	if e.Disabled != disabled {
		fields["disabled"] = disabled
	}
	if len(e.Policies) > 0 {
		fields["policies"] = []string{}
	}
	if e.Name != account.Principal && adopts(account) == "" {
		fields["name"] = account.Principal
	}
	if !e.marked(account.Mark) {
		fields["metadata"] = marks(account, e.Metadata)
	}
	return fields
}

// setCorrect makes our entity what it should be.
func (s *system) setCorrect(ctx context.Context, account connector.Account, e *entity, disabled bool) error {
	fields := correct(account, e, disabled)
	if len(fields) == 0 {
		return nil
	}
	return s.setEntity(ctx, e, fields)
}

// destroySecretIDs destroys some secret ids of our AppRole.
func (s *system) destroySecretIDs(ctx context.Context, h *held, ids []secretID) error {
	return parallel(ctx, width, len(ids), func(ctx context.Context, i int) error {
		return s.destroySecretID(ctx, h.role.name, ids[i].Accessor)
	})
}

// live says whether anybody could have got in, so that there may be tokens.
func (h *held) live() bool {
	return h.entity != nil && !h.entity.Disabled || h.role != nil && !h.role.is(inertShape()) || len(h.secrets) > 0 || h.stray != nil
}

// tokens picks every token of the account.
func (s *system) tokens(account connector.Account, h *held) func(token) bool {
	var entities []string
	for _, e := range []*entity{h.entity, h.stray} {
		if e != nil && (e == h.entity || h.role != nil) {
			entities = append(entities, e.ID)
		}
	}
	return s.tokensOf(entities, []string{account.Principal})
}
