package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// Prepare makes each account exist: an entity that is disabled, and an AppRole
// without policies that leads to it. Of an account of ours from an unfinished
// intent it takes the policies, the secret ids and the tokens. An account that
// is taken over gets our mark, and keeps what it has until it is enabled.
func (s *system) Prepare(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return s.change(ctx, accounts, s.disarm, s.prepared, plainly)
}

func (s *system) disarm(ctx context.Context, accessor string, _ int, account connector.Account) (func(token) bool, error) {
	h, err := s.lookToChange(ctx, accessor, account)
	if err != nil || adopts(account) != "" {
		return nil, err
	}
	switch {
	case h.entity == nil && account.ID != "":
		// It was there and is gone: another one under its name is not it.
		return nil, fmt.Errorf("entity %s (id %s) is gone: %w", account.Principal, account.ID, errStays)
	case h.entity == nil || h.entity.Name == stagingName(account):
		if h.entity, err = s.makeEntity(ctx, account, true); err != nil {
			return nil, err
		}
	}
	live := h.live()
	if err := s.setCorrect(ctx, account, h.entity, true); err != nil {
		return nil, err
	}
	if err := s.changeRole(ctx, account, h, inertShape()); err != nil {
		return nil, err
	}
	if err := s.destroySecretIDs(ctx, h, h.secrets); err != nil {
		return nil, err
	}
	if err := s.tidy(ctx, h); err != nil || !live {
		return nil, err
	}
	return s.tokens(account, h), nil
}

// prepared looks at an account that was prepared.
func (s *system) prepared(ctx context.Context, accessor string, _ int, account connector.Account) (connector.Observation, error) {
	if adopts(account) != "" {
		return s.adopt(ctx, accessor, account)
	}
	h, err := s.look(ctx, accessor, account)
	if err != nil {
		return connector.Observation{}, err
	}
	// Until it is enabled, nothing is due: what is missing is not there yet.
	account.Enabled = false
	seen := h.observe(account)
	if h.entity == nil || h.role == nil || !h.role.is(inertShape()) || len(h.secrets) > 0 || !h.tied() {
		return seen, fmt.Errorf("%s is not inert after it was prepared (%s): %w", account.Principal, vaulthttp.Line(joined(seen.Findings)), errStays)
	}
	return seen, nil
}

// lookToChange reads one account that is to be given something: nothing of
// anybody else may stand in its place, and every approved policy must exist.
func (s *system) lookToChange(ctx context.Context, accessor string, account connector.Account) (*held, error) {
	if err := checkAccess(account.Access); err != nil {
		return nil, err
	}
	h, err := s.look(ctx, accessor, account)
	if err != nil {
		return nil, err
	}
	if h.isForeign() {
		return nil, h.foreignError()
	}
	names := account.Access.Items(accessPolicies)
	if h.texts, err = s.policyTexts(ctx, names); err != nil {
		return nil, err
	}
	return h, h.texts.checkExist(account)
}

// Enable gives each account exactly the approved policies, and takes back
// whatever was changed by hand: policies, groups, aliases, secret ids and the
// tokens that came of them. The entity is enabled last.
func (s *system) Enable(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return s.change(ctx, accounts, s.arm, s.enabled, plainly)
}

func (s *system) arm(ctx context.Context, accessor string, _ int, account connector.Account) (func(token) bool, error) {
	if err := s.setRight(ctx); err != nil {
		return nil, err
	}
	if !account.NotAfter.After(s.clock.now()) {
		return nil, fmt.Errorf("the term of %s ended %s: %w", account.Principal, nhi.FormatTime(account.NotAfter), nhi.ErrEnded)
	}
	h, err := s.lookToChange(ctx, accessor, account)
	switch {
	case err != nil:
		return nil, err
	case h.entity == nil && h.role != nil && !h.released:
		// It would let in whoever has a secret id, and there is nothing to shut.
		err = s.removeRole(ctx, h.role.name)
		return nil, fmt.Errorf("the entity of %s was removed by hand; its AppRole was removed now: apply again: %w", account.Principal, join(errStays, err))
	case h.entity == nil:
		return nil, fmt.Errorf("%s is not there to be enabled: prepare it first: %w", account.Principal, errStays)
	}
	excess := s.excess(account, h)
	if err := s.changeRole(ctx, account, h, wanted(account)); err != nil {
		return nil, err
	}
	if err := s.destroySecretIDs(ctx, h, h.intruders(account)); err != nil {
		return nil, err
	}
	return excess, s.tidy(ctx, h)
}

// excess picks the tokens that an account may not have, where it had anything
// that was not approved: a token keeps the policies that it was made with. Of
// an entity that was shut by hand it is every token, so that none comes back.
func (s *system) excess(account connector.Account, h *held) func(token) bool {
	mine := s.tokens(account, h)
	if h.entity.Disabled && account.Enabled && h.role != nil && !h.role.is(inertShape()) {
		return mine
	}
	approved := account.Access.Items(accessPolicies)
	lasts := tokenTTL(account.Access)
	beyond := func(t token) bool {
		byHand := adopts(account) == "" && t.Meta[metaMark] != "" && !strings.HasPrefix(t.Meta[metaMark], account.Mark.Nonce+"-")
		return byHand || h.stray != nil && t.EntityID == h.stray.ID || durationOf(t.TTL) > lasts ||
			slices.ContainsFunc(t.Policies, func(name string) bool { return !slices.Contains(approved, name) })
	}
	clean := h.stray == nil && len(h.intruders(account)) == 0 && len(h.extraAliases()) == 0 && (h.role == nil || !h.gives(account))
	if clean {
		return nil
	}
	return func(t token) bool { return mine(t) && beyond(t) }
}

// gives says whether the AppRole gives more than was approved.
func (h *held) gives(account connector.Account) bool {
	approved := account.Access.Items(accessPolicies)
	if slices.ContainsFunc(h.role.holds(), func(name string) bool { return !slices.Contains(approved, name) }) {
		return true
	}
	// One that was just prepared differs too, and gives nobody anything.
	return len(h.role.holds()) > 0 && len(h.role.differences(wanted(account))) > 0
}

// enabled opens the entity, and looks at the account.
func (s *system) enabled(ctx context.Context, accessor string, _ int, account connector.Account) (connector.Observation, error) {
	h, err := s.look(ctx, accessor, account)
	switch {
	case err != nil:
		return connector.Observation{}, err
	case h.isForeign():
		return connector.Observation{}, h.foreignError()
	case h.entity == nil || h.role == nil || !h.tied():
		return connector.Observation{}, fmt.Errorf("%s went away while it was enabled: %w", account.Principal, errStays)
	}
	if err := s.setCorrect(ctx, account, h.entity, false); err != nil {
		return connector.Observation{}, err
	}
	if h, err = s.look(ctx, accessor, account); err != nil {
		return connector.Observation{}, err
	}
	if h.texts, err = s.policyTexts(ctx, account.Access.Items(accessPolicies)); err != nil {
		return connector.Observation{}, err
	}
	if account.Evidence, err = h.texts.remember(account); err != nil {
		return connector.Observation{}, err
	}
	account.Enabled = true
	return h.observe(account), nil
}
