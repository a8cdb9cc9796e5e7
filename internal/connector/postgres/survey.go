package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Survey lists every role with a mark, login roles whose account is gone, and
// every role that looks like a machine's: one that can log in, is not
// PostgreSQL's own, not the superuser of initdb and not the role that this
// system connects as, and whose name is not written like a person's (with an @,
// or as two words with a dot between). Roles without login are no identities.
func (s *system) Survey(ctx context.Context) ([]connector.Sighting, error) {
	var busy map[uint32]bool
	seen, err := s.lookFurther(ctx, nil, func(tx pgx.Tx, _ *snapshot) (err error) {
		busy, err = inUse(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var found []connector.Sighting
	for _, r := range seen.roles {
		account, isLogin := strings.CutSuffix(r.comment, loginSuffix)
		mark, err := nhi.ParseMark(account)
		switch {
		case err == nil && isLogin && len(seen.marked[account]) > 0: // it goes with its account
		case err == nil:
			sighting := s.sighting(seen, r, busy)
			sighting.Mark, sighting.Machine = mark, true
			found = append(found, sighting)
		case isMachine(seen, r):
			found = append(found, s.sighting(seen, r, busy))
		}
	}
	slices.SortFunc(found, func(a, b connector.Sighting) int { return strings.Compare(a.Principal, b.Principal) })
	return found, nil
}
