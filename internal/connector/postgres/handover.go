package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
)

// handover hands things over once in a transaction.
type handover struct{ in pgx.Tx }

// statements returns what gives what the roles own in this database to the
// heir, and takes away what they were given there. The roles must have neither
// login nor session: DROP OWNED drops what they made since REASSIGN OWNED. The
// server only warns of what the role that we connect as may not take away:
// that is an error which lists it.
func (h *handover) statements(ctx context.Context, tx pgx.Tx, s *system, seen *snapshot, roles []*role) ([]string, error) {
	if len(roles) == 0 {
		return nil, nil
	}
	if h.in == tx {
		return nil, leftError(ctx, tx, roles)
	}
	h.in = tx
	// A SECURITY DEFINER function runs as its owner: it must not become a
	// superuser's, nor that of the role that we connect as.
	for _, r := range roles {
		if err := checkReach(ctx, tx, []string{s.heir}, r.name); err != nil {
			return nil, fmt.Errorf("%s: %w", settingHeir, err)
		}
	}
	var names, owners []string
	for _, r := range roles {
		names, owners = append(names, r.name), append(owners, quoted(r.name))
	}
	list := strings.Join(owners, ", ")
	statements := []string{"REASSIGN OWNED BY " + list + " TO " + quoted(s.heir), "DROP OWNED BY " + list}
	if seen.super {
		return statements, nil
	}
	before, after, err := seen.join(ctx, tx, append(names, s.heir))
	return slices.Concat(before, statements, after), err
}

func leftError(ctx context.Context, tx pgx.Tx, roles []*role) error {
	left, err := dependents(ctx, tx, roles)
	if err != nil {
		return err
	}
	var reasons []string
	for _, r := range roles {
		for _, d := range left[r.oid] {
			reasons = append(reasons, d.text)
		}
	}
	return fmt.Errorf("%s: the role that this system connects as may not take this away, and the objects' owner or a superuser must: %s: %w",
		settingHeir, listed(reasons), errStays)
}

// join returns the statements that make the role that we connect as a member
// of the roles for a moment, which takes more than CREATEROLE to hand things
// over, and those that end it. Where it is a member already nothing is done.
func (s *snapshot) join(ctx context.Context, tx pgx.Tx, roles []string) (before, after []string, err error) {
	const missing = `SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($1::text[])
AND NOT pg_catalog.pg_has_role(r.oid, 'MEMBER') ORDER BY 1`
	rows, err := tx.Query(ctx, missing, roles)
	if err != nil {
		return nil, nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		grant := "GRANT " + quoted(name) + " TO " + quoted(s.self)
		if s.version >= perGrantor {
			grant += " WITH INHERIT TRUE, SET TRUE"
		}
		before = append(before, grant)
		after = append(after, "REVOKE "+quoted(name)+" FROM "+quoted(s.self))
	}
	return before, after, nil
}

// surplus says whether a role that is taken over has something to hand over in
// this database: privileges on objects, and on the first time what it owns.
// What it makes later with its approved roles is its own. What cannot be
// settled from here is an error that lists it.
func (s *system) surplus(ctx context.Context, tx pgx.Tx, account connector.Account, r *role) (bool, error) {
	first := firstTime(account)
	if r.direct == 0 && (!first || r.owned == 0) {
		return false, nil
	}
	all, err := dependents(ctx, tx, []*role{r})
	if err != nil {
		return false, err
	}
	var reasons []string
	some := false
	for _, d := range all[r.oid] {
		if d.owned && !first {
			continue
		}
		some = true
		if s.heir == "" || !d.here {
			reasons = append(reasons, d.text)
		}
	}
	if len(reasons) == 0 {
		return some, nil
	}
	return false, fmt.Errorf("role %s has more than roles can give: %s: settle these first (REASSIGN OWNED BY or DROP OWNED BY, in "+
		"each database; the system's %s does it in the database of its URL): %w", shown(r.name), listed(reasons), settingHeir, errStays)
}

// firstTime says whether the account was never active since it was taken over.
func firstTime(account connector.Account) bool {
	kept := recorded(account)
	return len(kept.Reach) == 0 && kept.Found != nil && kept.Found.New
}
