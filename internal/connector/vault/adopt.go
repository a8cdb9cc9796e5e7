package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// The access that takes an existing AppRole over, and what becomes of it.
const (
	accessAdopt    = "adopt"
	accessOnRevoke = "on_revoke"
	onRevokeShut   = "disable"
	onRevokeRemove = "delete"
)

var _ connector.Adopter = (*system)(nil)

// maxRoleName is the longest name of an AppRole that is asked about, in bytes.
const maxRoleName = 128

func adoption(access nhi.Values) connector.Adoption {
	return connector.Adoption{Name: access.Text(accessAdopt), Disable: access.Text(accessOnRevoke) == onRevokeShut}
}

// adopts returns the name of the AppRole that an account takes over, or "".
func adopts(account connector.Account) string { return account.Access.Text(accessAdopt) }

// keeps says whether the account stands at its end, shut.
func keeps(account connector.Account) bool {
	return adopts(account) != "" && adoption(account.Access).Disable
}

func canonicalRoleName(name string) (string, error) { return strings.ToLower(name), nil }

// checkRoleName holds for the name of an AppRole as Vault stores it.
func checkRoleName(name string) error {
	const word = "abcdefghijklmnopqrstuvwxyz0123456789_"
	if name == "" || len(name) > maxRoleName || strings.Trim(name, word+"-.") != "" ||
		!strings.Contains(word, name[:1]) || !strings.Contains(word, name[len(name)-1:]) {
		return fmt.Errorf("%.80q is no name of an AppRole: a-z, 0-9, _ and inner - or ., up to %d: %w", name, maxRoleName, nhi.ErrInvalid)
	}
	return nil
}

func checkOnRevoke(what string) error {
	if what != onRevokeShut && what != onRevokeRemove {
		return fmt.Errorf("must be %q or %q: %w", onRevokeShut, onRevokeRemove, nhi.ErrInvalid)
	}
	return nil
}

// found is an account that was taken over, as it was.
type found struct {
	Role     shape     `json:"role"`
	Policies []string  `json:"policies,omitempty"` // of its entity
	Disabled bool      `json:"disabled,omitempty"`
	Groups   []string  `json:"groups,omitempty"`
	Aliases  []alias   `json:"aliases,omitempty"` // but for the AppRole's own
	Newest   time.Time `json:"newest"`            // when its last secret id was made
}

func (h *held) found() *found {
	was := &found{Role: h.role.shape}
	for _, id := range h.secrets {
		if id.Created.After(was.Newest) {
			was.Newest = id.Created
		}
	}
	if h.entity != nil {
		was.Policies, was.Disabled, was.Groups = h.entity.Policies, h.entity.Disabled, h.entity.Groups
		was.Aliases = h.extraAliases()
	}
	return was
}

// findAdopted looks for an AppRole that is taken over: by its name, and by the
// role id that approvers saw. Its mark is on the entity that its role id leads
// to.
func (s *system) findAdopted(ctx context.Context, h *held, account connector.Account) error {
	named, err := s.readRole(ctx, account.Principal)
	if err != nil {
		return err
	}
	roleID := account.ID
	switch {
	case named != nil && roleID == "":
		roleID = named.id
	case named != nil && named.id != roleID:
		h.foreign("AppRole " + named.name + " has another role id than approvers saw")
		h.replaced = true
		return nil
	case roleID == "":
		return nil
	}
	led, err := s.entityOf(ctx, h.accessor, roleID)
	if err != nil {
		return err
	}
	switch {
	case led != nil && led.marked(account.Mark):
		h.entity, h.role = led, named
	case led != nil && led.hasMark():
		h.foreign("AppRole " + account.Principal + " leads to an entity with " + markText(led))
	case named != nil:
		h.role, h.entity, h.released = named, nil, true
		h.stray = led
	}
	return nil
}

// adopt puts our mark on an account that is taken over, and takes nothing away.
func (s *system) adopt(ctx context.Context, accessor string, account connector.Account) (connector.Observation, error) {
	if account.ID == "" {
		return connector.Observation{}, fmt.Errorf("AppRole %s is to be taken over, and its role id is not known: %w", account.Principal, nhi.ErrInvalid)
	}
	h, err := s.look(ctx, accessor, account)
	switch {
	case err != nil:
		return connector.Observation{}, err
	case h.isForeign():
		return connector.Observation{}, h.foreignError()
	case h.role == nil:
		return connector.Observation{}, fmt.Errorf("AppRole %s is gone: %w", account.Principal, errStays)
	}
	known := evidenceOf(account)
	if h.released {
		h.entity, h.released = h.stray, false
		known.Found = h.found()
		if err := s.markAdopted(ctx, account, h); err != nil {
			return connector.Observation{}, err
		}
	} else if known.Found == nil {
		known.Found = h.found()
	}
	if account.Evidence, err = known.text(); err != nil {
		return connector.Observation{}, err
	}
	if h, err = s.look(ctx, accessor, account); err != nil {
		return connector.Observation{}, err
	}
	seen := h.observe(account)
	if h.entity != nil && !account.Enabled {
		seen.State = connector.Active // it works as it did, whatever that was
	}
	return seen, nil
}

// markAdopted marks the entity that the role id leads to, or makes one.
func (s *system) markAdopted(ctx context.Context, account connector.Account, h *held) error {
	if h.entity != nil {
		return s.setEntity(ctx, h.entity, map[string]any{"metadata": marks(account, h.entity.Metadata)})
	}
	made, err := s.makeEntity(ctx, account, false)
	if err != nil {
		return err
	}
	return s.tie(ctx, h.accessor, h.role.id, made)
}

// letGo takes our mark from the entity of an account that was taken over.
func (s *system) letGo(ctx context.Context, h *held) error {
	if h.entity == nil {
		return nil
	}
	return s.setEntity(ctx, h.entity, map[string]any{"metadata": unmarked(h.entity.Metadata)})
}

// Release gives accounts that were taken over back as they were found.
func (s *system) Release(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	accessor, mountErr := s.accessor(ctx)
	return each(ctx, accounts, func(ctx context.Context, _ int, account connector.Account) (connector.Observation, error) {
		if mountErr != nil {
			return connector.Observation{}, mountErr
		}
		if adopts(account) == "" {
			return connector.Observation{}, fmt.Errorf("%s was not taken over: %w", account.Principal, nhi.ErrInvalid)
		}
		return s.release(ctx, accessor, account)
	})
}

func (s *system) release(ctx context.Context, accessor string, account connector.Account) (connector.Observation, error) {
	h, err := s.look(ctx, accessor, account)
	if err != nil {
		return connector.Observation{}, err
	}
	seen := connector.Observation{Principal: account.Principal, ID: account.ID, State: connector.Released, EnforcedBy: connector.EnforcedByApply, Verified: true}
	switch {
	case h.replaced:
		seen.State = connector.Absent
		return seen, s.forsake(ctx, accessor, account)
	case h.isForeign():
		return h.observe(account), h.foreignError()
	case h.entity == nil && h.role == nil:
		seen.State = connector.Absent
		return seen, nil
	case h.released:
		return seen, nil
	}
	if was := evidenceOf(account).Found; was == nil && account.Enabled { // it was stripped, or given what was approved
		return unconfirmed(h.observe(account), errors.New("how it was found is not known here; the ledger holds it"))
	} else if was == nil {
		seen.Findings = []string{"what it held before is not known, so it was left as it is"}
	} else if seen.Findings, err = s.restore(ctx, account, h, was); err != nil {
		return unconfirmed(h.observe(account), err)
	}
	if h.entity.Metadata[metaMade] != "" {
		err = s.removeEntity(ctx, h.entity.ID)
	} else {
		err = s.letGo(ctx, h)
	}
	if err != nil {
		return unconfirmed(h.observe(account), err)
	}
	if h, err = s.look(ctx, accessor, account); err != nil {
		return unconfirmed(seen, err)
	}
	if !h.released {
		return unconfirmed(h.observe(account), fmt.Errorf("it still carries the mark"))
	}
	return seen, nil
}

// forsake takes our mark from the entity of an AppRole that is gone. What has
// the AppRole's name now is another one, and nothing of ours.
func (s *system) forsake(ctx context.Context, accessor string, account connector.Account) error {
	led, err := s.entityOf(ctx, accessor, account.ID)
	if err != nil || led == nil || !led.marked(account.Mark) {
		return err
	}
	if led.Metadata[metaMade] != "" {
		return s.removeEntity(ctx, led.ID)
	}
	return s.setEntity(ctx, led, map[string]any{"metadata": unmarked(led.Metadata)})
}

// restore puts back what an account had, and says what could not be put back.
func (s *system) restore(ctx context.Context, account connector.Account, h *held, was *found) ([]string, error) {
	var findings []string
	if h.role == nil {
		findings = append(findings, "its AppRole was removed by hand")
	} else if err := s.changeRole(ctx, account, h, was.Role); err != nil {
		return nil, err
	}
	if h.entity.Metadata[metaMade] != "" {
		return findings, nil
	}
	err := s.setEntity(ctx, h.entity, map[string]any{"policies": append([]string{}, was.Policies...), "disabled": was.Disabled})
	if err != nil {
		return nil, err
	}
	for _, id := range was.Groups {
		if slices.Contains(h.entity.Groups, id) {
			continue
		}
		if err := s.join(ctx, h.entity, id); err != nil {
			findings = append(findings, "it could not be put back into the group "+vaulthttp.Line(id)+": "+vaulthttp.Line(err.Error()))
		}
	}
	for _, one := range was.Aliases {
		if _, has := h.entity.aliasFor(one.Accessor, one.Name); has {
			continue
		}
		if err := s.tie(ctx, one.Accessor, one.Name, h.entity); err != nil {
			findings = append(findings, "its alias "+vaulthttp.Line(one.Name)+" could not be put back: "+vaulthttp.Line(err.Error()))
		}
	}
	return findings, nil
}

// join puts an entity back into a group.
func (s *system) join(ctx context.Context, e *entity, id string) error {
	one, err := s.group(ctx, id)
	if err != nil {
		return err
	}
	if one == nil {
		return fmt.Errorf("it is gone: %w", errStays)
	}
	_, err = s.vault.Write(ctx, "identity/group/id/"+id, map[string]any{"member_entity_ids": append(one.Members, e.ID)})
	return err
}
