package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxRows bounds the roles, and the memberships, of one read.
const maxRows = 1_000_000

var errTooMany = fmt.Errorf("more than %d rows: %w", maxRows, nhi.ErrUnreachable)

// loginSuffix follows the account's mark in the mark of its login roles.
const loginSuffix = " login"

// role is a row of pg_roles with its comment.
type role struct {
	oid         uint32
	name        string
	superuser   bool
	inherit     bool
	createRole  bool
	createDB    bool
	login       bool
	replication bool
	bypassRLS   bool
	validUntil  pgtype.Timestamptz
	comment     string
	direct      int // privileges on objects that were given to the role itself
	owned       int // objects, in all databases
}

// end returns the role's VALID UNTIL; zero where it has none.
func (r *role) end() time.Time {
	if !r.validUntil.Valid || r.validUntil.InfinityModifier != pgtype.Finite {
		return time.Time{}
	}
	return r.validUntil.Time.UTC()
}

// membership is a row of pg_auth_members, with names.
type membership struct {
	role, member         uint32
	roleName, memberName string
	grantor              string
	admin                bool // may pass the membership on
	inherit, set         bool // inherits, and may SET ROLE (always, before PostgreSQL 16)
}

// usable says whether the membership gives anything.
func (m membership) usable() bool { return m.inherit || m.set }

// snapshot is what one read saw, at one moment.
type snapshot struct {
	all     bool // every role was read, not only those asked for
	asked   map[string]bool
	roles   map[uint32]*role
	byName  map[string]*role
	holds   map[uint32][]membership // by member
	members map[uint32][]membership // by role
	marked  map[string][]*role      // by comment
	self    string                  // the role that reads
	super   bool                    // and whether it is a superuser
	now     time.Time               // the server's
	version int                     // server_version_num
}

// rolesQuery finds the roles asked for ($1 names, $2 OIDs, $3 comments, or $4
// all) and every member of theirs; and, as not near, the roles that these and
// the approved ones ($5 names) lead to. Everything is named with its schema,
// so that no search_path leads elsewhere.
const rolesQuery = `
WITH RECURSIVE described AS (
  SELECT objoid, description FROM pg_catalog.pg_shdescription
  WHERE classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
), named AS (
  SELECT r.oid FROM pg_catalog.pg_roles r LEFT JOIN described d ON d.objoid = r.oid
  WHERE $4::boolean OR r.rolname::text = ANY ($1::text[]) OR r.oid = ANY ($2::oid[]) OR d.description = ANY ($3::text[])
), kept AS (
  SELECT oid FROM named
  UNION SELECT m.member FROM pg_catalog.pg_auth_members m JOIN named n ON m.roleid = n.oid
), reached (oid) AS (
  (SELECT oid FROM kept UNION SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($5::text[]))
  UNION SELECT m.roleid FROM reached JOIN pg_catalog.pg_auth_members m ON m.member = reached.oid
)
SELECT r.oid, r.rolname::text, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
  r.rolreplication, r.rolbypassrls, r.rolvaliduntil, coalesce(d.description, ''), objects.direct, objects.owned, kept.oid IS NOT NULL
FROM reached JOIN pg_catalog.pg_roles r ON r.oid = reached.oid
LEFT JOIN kept ON kept.oid = r.oid
LEFT JOIN described d ON d.objoid = r.oid
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE s.deptype = 'a')::integer, count(*) FILTER (WHERE s.deptype = 'o')::integer
  FROM pg_catalog.pg_shdepend s
  WHERE kept.oid IS NOT NULL AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = r.oid
) AS objects (direct, owned)`

// membersQuery returns the memberships in the roles with OIDs $1, and of those
// with OIDs $2.
// Before PostgreSQL 16 a membership has no options of its own.
const membersQuery = `
SELECT m.roleid, m.member, g.rolname::text, u.rolname::text,
  coalesce((SELECT b.rolname::text FROM pg_catalog.pg_roles b WHERE b.oid = m.grantor), ''), m.admin_option,
  coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, true),
  coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean, true)
FROM pg_catalog.pg_auth_members m
JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
JOIN pg_catalog.pg_roles u ON u.oid = m.member
WHERE m.roleid = ANY ($1::oid[]) OR m.member = ANY ($2::oid[])`

const serverQuery = `
SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.now(), current_user::text,
  coalesce((SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), false),
  pg_catalog.current_setting('server_version_num')::integer`

// load reads a snapshot about the accounts, or about all roles for nil.
func load(ctx context.Context, tx pgx.Tx, accounts []connector.Account) (*snapshot, error) {
	s := &snapshot{
		all: accounts == nil, asked: map[string]bool{}, roles: map[uint32]*role{}, byName: map[string]*role{},
		holds: map[uint32][]membership{}, members: map[uint32][]membership{}, marked: map[string][]*role{},
	}
	var standby bool
	if err := tx.QueryRow(ctx, serverQuery).Scan(&standby, &s.now, &s.self, &s.super, &s.version); err != nil {
		return nil, fmt.Errorf("read server: %w", err)
	}
	if standby {
		return nil, fmt.Errorf("the server is a standby, whose answers may be old: %w", nhi.ErrUnreachable)
	}
	near, err := s.loadRoles(ctx, tx, accounts)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	if err := s.loadMemberships(ctx, tx, near); err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	return s, nil
}

// loadRoles returns the OIDs of the roles whose members matter.
func (s *snapshot) loadRoles(ctx context.Context, tx pgx.Tx, accounts []connector.Account) ([]uint32, error) {
	names, oids, comments, approved := []string{}, []uint32{}, []string{}, []string{}
	for _, account := range accounts {
		s.asked[askedKey(account)] = true
		names = append(names, account.Principal)
		comments = append(comments, account.Mark.String(), account.Mark.String()+loginSuffix)
		approved = append(approved, account.Access.Items(settingRoles)...)
		if oid, err := accountOID(account); err != nil {
			return nil, err
		} else if oid != 0 {
			oids = append(oids, oid)
		}
	}
	rows, err := tx.Query(ctx, rolesQuery, names, oids, comments, s.all, approved)
	if err != nil {
		return nil, err
	}
	var r role
	var isNear bool
	near := []uint32{}
	_, err = pgx.ForEachRow(rows, []any{
		&r.oid, &r.name, &r.superuser, &r.inherit, &r.createRole, &r.createDB, &r.login, &r.replication, &r.bypassRLS,
		&r.validUntil, &r.comment, &r.direct, &r.owned, &isNear,
	}, func() error {
		if len(s.roles) >= maxRows {
			return errTooMany
		}
		kept := r
		if isNear {
			near = append(near, r.oid)
		}
		s.roles[r.oid], s.byName[r.name] = &kept, &kept
		s.marked[r.comment] = append(s.marked[r.comment], &kept)
		return nil
	})
	return near, err
}

func (s *snapshot) loadMemberships(ctx context.Context, tx pgx.Tx, near []uint32) error {
	var oids []uint32
	for oid := range s.roles {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	rows, err := tx.Query(ctx, membersQuery, near, oids)
	if err != nil {
		return err
	}
	var m membership
	count := 0
	_, err = pgx.ForEachRow(rows, []any{&m.role, &m.member, &m.roleName, &m.memberName, &m.grantor, &m.admin, &m.inherit, &m.set}, func() error {
		if count++; count > maxRows {
			return errTooMany
		}
		s.holds[m.member] = append(s.holds[m.member], m)
		s.members[m.role] = append(s.members[m.role], m)
		return nil
	})
	return err
}

// look reads a snapshot in a transaction of its own that can change nothing.
func (s *system) look(ctx context.Context, accounts []connector.Account) (*snapshot, error) {
	return s.lookFurther(ctx, accounts, func(pgx.Tx, *snapshot) error { return nil })
}

// lookFurther is look, and reads more in the same transaction.
func (s *system) lookFurther(ctx context.Context, accounts []connector.Account, more func(pgx.Tx, *snapshot) error) (*snapshot, error) {
	var seen *snapshot
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := retry(ctx, func() error {
		return pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) (err error) {
			if seen, err = load(ctx, tx, accounts); err != nil {
				return err
			}
			return more(tx, seen)
		})
	})
	if err != nil {
		return nil, unreachable(ctx, "read "+s.at.Endpoint(), err)
	}
	return seen, nil
}

// accountOID returns the OID that was recorded for an account; 0 for none.
func accountOID(account connector.Account) (uint32, error) {
	if account.ID == "" {
		return 0, nil
	}
	oid, err := strconv.ParseUint(account.ID, 10, 32)
	if err != nil || oid == 0 || strconv.FormatUint(oid, 10) != account.ID {
		return 0, fmt.Errorf("id %.40q is not the OID of a role: %w", account.ID, nhi.ErrInvalid)
	}
	return uint32(oid), nil
}
