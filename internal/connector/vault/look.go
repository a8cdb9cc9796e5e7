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

// held is what Vault holds of one account, at one look.
type held struct {
	accessor string      // of the mount
	entity   *entity     // ours
	role     *role       // ours
	secrets  []secretID  // of our AppRole
	stray    *entity     // another entity that our role id leads to
	groups   []group     // that our entity is in
	others   []string    // in words: what stands under its name and is not ours
	texts    policyTexts // of the policies that were looked at
	// replaced says of an account that was taken over: another AppRole has its
	// name.
	replaced bool
	// released says of an account that was taken over: it is there, and carries
	// no mark.
	released bool
}

// group is an identity group.
type group struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Members []string `json:"member_entity_ids"`
}

// look reads one account.
func (s *system) look(ctx context.Context, accessor string, account connector.Account) (*held, error) {
	h := &held{accessor: accessor}
	var err error
	if adopts(account) != "" {
		err = s.findAdopted(ctx, h, account)
	} else {
		err = s.find(ctx, h, account)
	}
	if err != nil {
		return nil, err
	}
	return h, s.lookAround(ctx, h)
}

// find looks for the entity and the AppRole that we made. Ours is the entity
// that carries the whole mark and, where an id was recorded, has that id, under
// whatever name; where only the mark was edited, id and name tell it, unless it
// is another grant's mark or the ledger does not vouch for the id.
func (s *system) find(ctx context.Context, h *held, account connector.Account) error {
	if account.ID != "" {
		found, err := s.entityByID(ctx, account.ID)
		if err != nil {
			return err
		}
		h.take(account, found)
	}
	if h.entity == nil || h.entity.Name != account.Principal {
		named, err := s.entityByName(ctx, account.Principal)
		if err != nil {
			return err
		}
		if account.ID == "" && named != nil && named.marked(account.Mark) {
			h.entity = named
		} else if named != nil && (h.entity == nil || named.ID != h.entity.ID) {
			h.foreign("entity " + named.Name + " (id " + named.ID + ") has " + markText(named))
		}
	}
	if h.entity == nil && account.ID == "" && len(h.others) == 0 {
		staged, err := s.entityByName(ctx, stagingName(account))
		if err != nil {
			return err
		}
		h.take(account, staged)
	}
	found, err := s.readRole(ctx, account.Principal)
	if err != nil {
		return err
	}
	if found != nil && found.id == roleIDOf(account.Mark) {
		h.role = found
	} else if found != nil {
		h.foreign("AppRole " + found.name + " has a role id that does not follow from the mark")
	}
	return nil
}

// take keeps an entity that was found by its id, or under the name that holds
// the nonce, where it is ours.
func (h *held) take(account connector.Account, found *entity) {
	if found == nil {
		return
	}
	_, isMark := found.mark()
	if found.marked(account.Mark) || !isMark && !account.ByMark && found.ID == account.ID && found.Name == account.Principal {
		h.entity = found
		return
	}
	h.foreign("entity " + found.Name + " (id " + found.ID + ") has " + markText(found))
}

func (h *held) foreign(text string) {
	if !slices.Contains(h.others, text) {
		h.others = append(h.others, text)
	}
}

func markText(e *entity) string {
	mark, isMark := e.mark()
	switch {
	case isMark:
		return "the mark of " + string(mark.Grant) + ", but not with the nonce, id and name that were recorded"
	case e.Metadata[metaMark] != "":
		return "metadata that is no mark of ours"
	}
	return "no mark"
}

// lookAround reads what hangs on what is ours.
func (s *system) lookAround(ctx context.Context, h *held) error {
	var err error
	if h.role != nil {
		if h.secrets, err = s.secretIDs(ctx, h.role.name); err != nil {
			return err
		}
	}
	if h.entity != nil {
		if h.groups, err = s.groupsOf(ctx, h.entity); err != nil {
			return err
		}
	}
	if h.role == nil || h.entity != nil && h.tied() {
		return nil
	}
	stray, err := s.entityOf(ctx, h.accessor, h.role.id)
	if err == nil && stray != nil && (h.entity == nil || stray.ID != h.entity.ID) {
		h.stray = stray
	}
	return err
}

// tied says whether our role id leads to our entity.
func (h *held) tied() bool {
	if h.role == nil || h.entity == nil {
		return false
	}
	_, has := h.entity.aliasFor(h.accessor, h.role.id)
	return has
}

// groupsOf reads the groups that an entity is in, by itself or through others.
func (s *system) groupsOf(ctx context.Context, e *entity) ([]group, error) {
	var groups []group
	for _, id := range append(slices.Clone(e.Groups), e.Inherits...) {
		one, err := s.group(ctx, id)
		if err != nil {
			return nil, err
		}
		if one != nil {
			groups = append(groups, *one)
		}
	}
	return groups, nil
}

func (s *system) group(ctx context.Context, id string) (*group, error) {
	if err := checkID(id); err != nil {
		return nil, vaulthttp.Garbage("identity/group", "an id that is none")
	}
	var one group
	err := s.vault.Read(ctx, "identity/group/id/"+id, &one)
	switch {
	case errors.Is(err, vaulthttp.ErrAbsent):
		return nil, nil
	case err != nil:
		return nil, err
	case one.ID != id:
		return nil, vaulthttp.Garbage("identity/group/id/"+id, "an answer about another group")
	}
	return &one, nil
}

// leave takes an entity out of a group. Vault has no way to do that by itself,
// so the group is read and written in one go.
func (s *system) leave(ctx context.Context, e *entity, id string) error {
	one, err := s.group(ctx, id)
	if err != nil || one == nil || !slices.Contains(one.Members, e.ID) {
		return err
	}
	if one.Type != "internal" {
		return fmt.Errorf("the entity of %s is in the external group %s, which only a login changes: %w", e.Name, one.Name, errStays)
	}
	rest := slices.DeleteFunc(one.Members, func(member string) bool { return member == e.ID })
	_, err = s.vault.Write(ctx, "identity/group/id/"+id, map[string]any{"member_entity_ids": rest})
	return err
}

// isForeign says whether something stands in the account's place that is not
// ours, so that nothing may be touched.
func (h *held) isForeign() bool { return len(h.others) > 0 }

// foreignError refuses to touch what is in the account's place.
func (h *held) foreignError() error {
	return fmt.Errorf("%s: %w", vaulthttp.Line(joined(h.others)), nhi.ErrForeign)
}
