package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var _ connector.Surveyor = (*system)(nil)

// Appraise says what an AppRole is and gives now. Its id is its role id, which
// is what logs in with it and what stays; Vault has no other.
func (s *system) Appraise(ctx context.Context, name string) (connector.Sighting, error) {
	if err := checkRoleName(name); err != nil {
		return connector.Sighting{}, err
	}
	accessor, err := s.accessor(ctx)
	if err != nil {
		return connector.Sighting{}, err
	}
	one, err := s.readRole(ctx, name)
	if err != nil {
		return connector.Sighting{}, unreachable(err)
	}
	if one == nil {
		return connector.Sighting{}, fmt.Errorf("there is no AppRole %s on auth/%s: %w", name, s.at.mount, nhi.ErrInvalid)
	}
	led, err := s.entityOf(ctx, accessor, one.id)
	if err != nil {
		return connector.Sighting{}, unreachable(err)
	}
	if led != nil {
		if mark, isMark := led.mark(); isMark {
			return connector.Sighting{}, fmt.Errorf("AppRole %s is the account of %s: %w", name, mark.Grant, nhi.ErrForeign)
		}
	}
	if strings.HasPrefix(one.id, roleIDPrefix) {
		return connector.Sighting{}, fmt.Errorf("AppRole %s has the role id of a grant's account: %w", name, nhi.ErrForeign)
	}
	seen, err := s.sight(ctx, accessor, one, led)
	return seen, unreachable(err)
}

// sight describes an AppRole that carries no mark, with the entity that it
// leads to.
func (s *system) sight(ctx context.Context, accessor string, one *role, led *entity) (connector.Sighting, error) {
	h := &held{accessor: accessor, role: one, entity: led}
	if err := s.lookAround(ctx, h); err != nil {
		return connector.Sighting{}, err
	}
	seen := connector.Sighting{Principal: one.name, ID: one.id, Machine: true, Privileges: policyPrivileges(one.holds())}
	if led != nil {
		seen.Owner = led.Metadata[metaOwner]
		for _, name := range led.Policies {
			seen.Privileges = append(seen.Privileges, "policy "+name)
		}
		for _, in := range h.groups {
			seen.Privileges = append(seen.Privileges, "group "+in.Name)
		}
		for _, other := range h.extraAliases() {
			seen.Privileges = append(seen.Privileges, "login as "+other.Name+" ("+other.Type+")")
		}
	}
	if !one.BindSecretID {
		seen.Privileges = append(seen.Privileges, "login without a secret id")
	}
	for _, id := range h.secrets {
		if id.Expires.IsZero() {
			seen.Privileges = append(seen.Privileges, "a secret id that never ends")
			break
		}
	}
	slices.Sort(seen.Privileges)
	seen.Privileges = slices.Compact(seen.Privileges)
	seen.Access = takeOver(one, led)
	return seen, nil
}

// takeOver is the access that takes an AppRole over as it is: its policies, and
// those of its entity. Nil where no access can.
func takeOver(one *role, led *entity) nhi.Values {
	policies := one.holds()
	if led != nil {
		policies = append(policies, led.Policies...)
	}
	lasts := min(durationOf(one.TokenMaxTTL), maxTokenTTL)
	if lasts < time.Second {
		lasts = time.Hour
	}
	access := nhi.Values{
		accessPolicies: nhi.List(policies...), accessTokenTTL: nhi.Text(nhi.FormatTTL(lasts)),
		accessAdopt: nhi.Text(one.name), accessOnRevoke: nhi.Text(onRevokeShut),
	}
	if checkAccess(access) != nil {
		return nil
	}
	return access
}

// Survey lists every entity with a mark, and every AppRole of the mount without
// one. Vault does not know when an AppRole was last used.
func (s *system) Survey(ctx context.Context) ([]connector.Sighting, error) {
	accessor, err := s.accessor(ctx)
	if err != nil {
		return nil, err
	}
	entities, err := s.entities(ctx, accessor)
	if err != nil {
		return nil, unreachable(err)
	}
	found, taken, err := s.surveyMarked(ctx, accessor, entities)
	if err != nil {
		return nil, unreachable(err)
	}
	names, err := s.vault.List(ctx, "auth/"+s.at.mount+"/role", nil)
	if err != nil {
		return nil, unreachable(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return taken[name] || checkRoleName(name) != nil })
	unmarked := make([]connector.Sighting, len(names))
	err = parallel(ctx, width, len(names), func(ctx context.Context, i int) error {
		one, err := s.readRole(ctx, names[i])
		if err != nil || one == nil {
			return err
		}
		led := leadsTo(entities, accessor, one.id)
		unmarked[i], err = s.sight(ctx, accessor, one, led)
		return err
	})
	if err != nil {
		return nil, unreachable(err)
	}
	for _, seen := range unmarked {
		if seen.Principal != "" {
			found = append(found, seen)
		}
	}
	slices.SortFunc(found, func(a, b connector.Sighting) int { return strings.Compare(a.Principal, b.Principal) })
	return found, nil
}

// surveyMarked describes the entities that carry a mark, and names the AppRoles
// that belong to them.
func (s *system) surveyMarked(ctx context.Context, accessor string, entities []*entity) ([]connector.Sighting, map[string]bool, error) {
	var found []connector.Sighting
	taken := map[string]bool{}
	for _, one := range entities {
		mark, isMark := one.mark()
		if !isMark {
			continue
		}
		h, err := s.around(ctx, accessor, one)
		if err != nil {
			return nil, nil, err
		}
		seen := connector.Sighting{Principal: one.Name, ID: one.ID, Mark: mark, Machine: true, Owner: one.Metadata[metaOwner]}
		policies := slices.Clone(one.Policies)
		if h.role != nil {
			policies = append(policies, h.role.holds()...)
			taken[h.role.name] = true
		}
		if name := one.Metadata[metaRole]; name != "" && h.role != nil {
			seen.Principal, seen.ID = h.role.name, h.role.id
		}
		seen.Privileges = policyPrivileges(policies)
		found = append(found, seen)
	}
	return found, taken, nil
}

func leadsTo(entities []*entity, accessor, roleID string) *entity {
	for _, one := range entities {
		if _, has := one.aliasFor(accessor, roleID); has {
			return one
		}
	}
	return nil
}
