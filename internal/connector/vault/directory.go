package vault

import (
	"context"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

var _ connector.Directory = (*system)(nil)

// listedAlias is what a list says of an alias.
type listedAlias struct {
	Name   string `json:"name"`
	Entity string `json:"canonical_id"`
	Type   string `json:"mount_type"`
}

// Knows says whether there is an entity of that name, or one with an alias of
// that name on any mount but AppRole, that is not disabled.
func (s *system) Knows(ctx context.Context, person string) (bool, error) {
	named, err := s.lookupEntity(ctx, map[string]string{"name": person})
	if err != nil {
		return false, unreachable(err)
	}
	if named != nil && !strings.EqualFold(named.Name, person) {
		return false, vaulthttp.Garbage(pathLookupEntity, "an answer about another entity")
	}
	if named != nil && !named.Disabled {
		return true, nil
	}
	info := map[string]listedAlias{}
	ids, err := s.vault.List(ctx, "identity/entity-alias/id", &info)
	if err != nil {
		return false, unreachable(err)
	}
	var entities []string
	for _, id := range ids {
		one, told := info[id]
		if !told {
			return false, vaulthttp.Garbage("identity/entity-alias/id", "an alias that nothing is said of")
		}
		if strings.EqualFold(one.Name, person) && one.Type != "approle" {
			entities = append(entities, one.Entity)
		}
	}
	slices.Sort(entities)
	for _, id := range slices.Compact(entities) {
		found, err := s.entityByID(ctx, id)
		if err != nil {
			return false, unreachable(err)
		}
		if found != nil && !found.Disabled {
			return true, nil
		}
	}
	return false, nil
}
