package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// Keys of an entity's metadata.
const (
	metaMark  = "nhi"         // the mark
	metaRole  = "nhi_approle" // the AppRole that was taken over
	metaMade  = "nhi_made"    // the AppRole had no entity before
	metaOwner = "owner"       // who answers for it, where people wrote that down
)

// entity is an identity entity.
type entity struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
	Policies []string          `json:"policies"`
	Disabled bool              `json:"disabled"`
	Aliases  []alias           `json:"aliases"`
	Groups   []string          `json:"direct_group_ids"`
	Inherits []string          `json:"inherited_group_ids"`
}

// alias ties an entity to a name on an auth mount.
type alias struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Accessor string `json:"mount_accessor"`
	Type     string `json:"mount_type"`
}

func (e *entity) marked(mark nhi.Mark) bool { return e.Metadata[metaMark] == mark.String() }

// mark returns the mark that the entity carries, whoever's it is.
func (e *entity) mark() (nhi.Mark, bool) {
	mark, err := nhi.ParseMark(e.Metadata[metaMark])
	return mark, err == nil
}

func (e *entity) hasMark() bool {
	_, is := e.mark()
	return is
}

// aliasFor returns the entity's alias for a role id on a mount. Vault compares
// the names of aliases without regard to case.
func (e *entity) aliasFor(accessor, roleID string) (alias, bool) {
	for _, one := range e.Aliases {
		if one.Accessor == accessor && strings.EqualFold(one.Name, roleID) {
			return one, true
		}
	}
	return alias{}, false
}

// entityByID returns the entity, or nil where Vault says that there is none.
func (s *system) entityByID(ctx context.Context, id string) (*entity, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	found, err := s.readEntity(ctx, "identity/entity/id/"+id)
	if err == nil && found != nil && found.ID != id {
		return nil, vaulthttp.Garbage("identity/entity/id/"+id, "an answer about another entity")
	}
	return found, err
}

// entityByName is entityByID for a name that was checked.
func (s *system) entityByName(ctx context.Context, name string) (*entity, error) {
	found, err := s.readEntity(ctx, "identity/entity/name/"+name)
	if err == nil && found != nil && !strings.EqualFold(found.Name, name) {
		return nil, vaulthttp.Garbage("identity/entity/name/"+name, "an answer about another entity")
	}
	return found, err
}

// entityOf returns the entity that a role id leads to, or nil.
func (s *system) entityOf(ctx context.Context, accessor, roleID string) (*entity, error) {
	found, err := s.lookupEntity(ctx, map[string]string{"alias_name": roleID, "alias_mount_accessor": accessor})
	if err != nil || found == nil {
		return nil, err
	}
	if _, has := found.aliasFor(accessor, roleID); !has {
		return nil, vaulthttp.Garbage(pathLookupEntity, "an answer about another entity")
	}
	return found, nil
}

const pathLookupEntity = "identity/lookup/entity"

// lookupEntity asks by a body, so that nothing of it is part of a path.
func (s *system) lookupEntity(ctx context.Context, by map[string]string) (*entity, error) {
	answer, err := s.vault.Write(ctx, pathLookupEntity, by)
	if err != nil || answer == nil { // nil: no content, Vault's "there is none" here
		return nil, err
	}
	var found entity
	if err := vaulthttp.Decode(pathLookupEntity, answer, &found); err != nil {
		return nil, err
	}
	return sane(pathLookupEntity, &found)
}

func (s *system) readEntity(ctx context.Context, path string) (*entity, error) {
	var found entity
	err := s.vault.Read(ctx, path, &found)
	if errors.Is(err, vaulthttp.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return sane(path, &found)
}

func sane(path string, found *entity) (*entity, error) {
	if checkID(found.ID) != nil || found.Name == "" {
		return nil, vaulthttp.Garbage(path, "an entity without id or name")
	}
	return found, nil
}

// checkID holds for an id that Vault gave, before it becomes part of a path.
func checkID(id string) error {
	if id == "" || len(id) > nhi.MaxText || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return fmt.Errorf("id %.40q is not one of Vault's: %w", id, nhi.ErrInvalid)
	}
	return nil
}

// stagingName is the name under which an account's entity is made: it holds the
// nonce, so nobody else's entity has it. The name that the account is to have
// comes after, by id, and Vault refuses it where it is taken.
func stagingName(account connector.Account) string {
	return account.Principal + "-" + account.Mark.Nonce
}

// makeEntity makes an account's entity with its mark, and returns it. It finds
// the one that an earlier try left.
func (s *system) makeEntity(ctx context.Context, account connector.Account, disabled bool) (*entity, error) {
	staged, err := s.entityByName(ctx, stagingName(account))
	if err != nil {
		return nil, err
	}
	made := map[string]string{}
	if adopts(account) != "" {
		made[metaMade] = "true"
	}
	if staged == nil {
		_, err = s.vault.Write(ctx, "identity/entity", map[string]any{
			"name": stagingName(account), "metadata": marks(account, made), "disabled": disabled, "policies": []string{},
		})
		if err != nil {
			return nil, err
		}
		if staged, err = s.entityByName(ctx, stagingName(account)); err != nil {
			return nil, err
		}
	}
	if staged == nil || !staged.marked(account.Mark) {
		return nil, fmt.Errorf("%s: the entity that was just made is not there: %w", account.Principal, nhi.ErrUnreachable)
	}
	err = s.setEntity(ctx, staged, map[string]any{"name": account.Principal})
	if vaulthttp.Refused(err, 400, "already in use") {
		if adopts(account) != "" { // its name is of no account to us
			return staged, nil
		}
		return nil, fmt.Errorf("an entity called %s was made meanwhile: %w", account.Principal, errors.Join(nhi.ErrForeign, s.removeEntity(ctx, staged.ID)))
	}
	if err != nil {
		return nil, err
	}
	staged.Name = account.Principal
	return staged, nil
}

// marks returns metadata with an account's mark in it; the rest stays.
func marks(account connector.Account, metadata map[string]string) map[string]string {
	marked := unmarked(metadata)
	marked[metaMark] = account.Mark.String()
	if name := adopts(account); name != "" {
		marked[metaRole] = name
		if made := metadata[metaMade]; made != "" {
			marked[metaMade] = made
		}
	}
	return marked
}

// unmarked returns metadata without anything of ours.
func unmarked(metadata map[string]string) map[string]string {
	rest := map[string]string{}
	for key, value := range metadata {
		if key != metaMark && key != metaRole && key != metaMade {
			rest[key] = value
		}
	}
	return rest
}

// setEntity changes fields of one entity. Vault refuses an id that is gone.
func (s *system) setEntity(ctx context.Context, e *entity, fields map[string]any) error {
	_, err := s.vault.Write(ctx, "identity/entity/id/"+e.ID, fields)
	return err
}

func (s *system) removeEntity(ctx context.Context, id string) error {
	return s.vault.Remove(ctx, "identity/entity/id/"+id)
}

// tie makes the alias of a role id lead to an entity, wherever it led before.
func (s *system) tie(ctx context.Context, accessor, roleID string, e *entity) error {
	_, err := s.vault.Write(ctx, "identity/entity-alias", map[string]any{
		"name": roleID, "mount_accessor": accessor, "canonical_id": e.ID,
	})
	return err
}
