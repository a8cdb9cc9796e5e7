package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
)

// maxListed bounds how many objects one error lists.
const maxListed = 20

// dependentsQuery lists what keeps roles ($1) from being dropped. Only the
// current database and shared objects can be described; objects in others are
// counted by database.
const dependentsQuery = `
SELECT r.oid, r.rolname::text, d.deptype::text, coalesce(b.datname::text, ''),
  CASE WHEN d.dbid = 0 OR b.datname = pg_catalog.current_database()
    THEN pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END AS object, count(*)::integer
FROM pg_catalog.pg_shdepend d
JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
LEFT JOIN pg_catalog.pg_database b ON b.oid = d.dbid
WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = ANY ($1::oid[])
GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 4, 3, 5`

// dependent is something that keeps a role from being dropped.
type dependent struct {
	text  string // in words
	here  bool   // in the current database, or shared by all
	owned bool
}

// dependents returns, for each role that cannot be dropped, what it owns or holds.
func dependents(ctx context.Context, tx pgx.Tx, roles []*role) (map[uint32][]dependent, error) {
	var oids []uint32
	for _, r := range roles {
		oids = append(oids, r.oid)
	}
	rows, err := tx.Query(ctx, dependentsQuery, oids)
	if err != nil {
		return nil, err
	}
	found := map[uint32][]dependent{}
	var oid uint32
	var name, kind, database string
	var object *string
	var count int
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &kind, &database, &object, &count}, func() error {
		what := fmt.Sprintf("%d objects", count)
		if object != nil {
			what = printable(*object)
		}
		where := ""
		if database != "" {
			where = " in database " + shown(database)
		}
		text := "role " + shown(name) + " " + dependence(kind) + " " + what + where
		found[oid] = append(found[oid], dependent{text: text, here: object != nil, owned: kind == "o"})
		return nil
	})
	return found, err
}

// dependence names a pg_shdepend.deptype.
func dependence(kind string) string {
	switch kind {
	case "o":
		return "owns"
	case "a", "i":
		return "holds privileges on"
	case "r":
		return "is named in a row security policy of"
	default:
		return "is needed by"
	}
}

func printable(text string) string { return strings.Join(strings.Fields(text), " ") }

// staysError says which roles could not be dropped, and why. What they could
// do is already taken from them.
func staysError(account connector.Account, reasons []string) error {
	return fmt.Errorf("role %s cannot log in or use any role any more, but cannot be dropped: %s: settle these first "+
		"(REASSIGN OWNED BY or DROP OWNED BY, in each database; the system's %s does it in the database of its URL), "+
		"then revoke again: %w", shown(account.Principal), listed(reasons), settingHeir, errStays)
}

// listed writes a bounded list.
func listed(reasons []string) string {
	if len(reasons) <= maxListed {
		return strings.Join(reasons, "; ")
	}
	return fmt.Sprintf("%s (and %d more)", strings.Join(reasons[:maxListed], "; "), len(reasons)-maxListed)
}
