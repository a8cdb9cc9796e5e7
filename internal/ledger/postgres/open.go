package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// poolSize is the most connections that one store takes.
const poolSize = 4

// patience bounds one operation, connecting included.
const patience = time.Minute

// open connects and looks at the table; with create it makes the table where
// it is missing. It writes nothing else.
func open(ctx context.Context, settings setting.Settings, create bool) (*Store, error) {
	at, name, err := place(settings)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config, err := at.PoolConfig(poolSize)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	// Whatever is the default of the role or the database: keys are UTF-8.
	config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, fmt.Errorf("postgres: the pool of connections: %w", nhi.ErrInvalid)
	}
	s := &Store{pool: pool, table: name, where: fmt.Sprintf("postgres: %s, table %s", at.Endpoint(), name), patience: patience}
	err = s.read(ctx, "open", func(ctx context.Context) error { return s.check(ctx, s.pool) })
	if create && errors.Is(err, ledger.ErrNoLedger) {
		err = s.read(ctx, "create the table", s.create)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// create makes the table, once, whoever else does the same now: whatever is
// there by then is looked at first, and left alone.
func (s *Store) create(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.table.quoted()); err != nil {
			return err
		}
		if err := s.check(ctx, tx); !errors.Is(err, ledger.ErrNoLedger) {
			return err
		}
		if _, err := tx.Exec(ctx, s.table.create(), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		return s.check(ctx, tx)
	})
}

// querier is a pool, or a transaction in it.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// columns are those of the table, as inspect writes them.
const columns = "key text C not null, value bytea - not null"

// inspect looks at the table in the catalogs. 58 is BEFORE DELETE, UPDATE and
// TRUNCATE for each statement.
const inspect = `SELECT pg_is_in_recovery(), getdatabaseencoding(), c.oid IS NOT NULL,
	coalesce(c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relrowsecurity, false),
	coalesce((SELECT string_agg(format('%s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), coalesce(l.collname, '-'),
			CASE WHEN a.attnotnull THEN 'not null' END), ', ' ORDER BY a.attnum)
		FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), ''),
	EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate
		AND i.indnatts = 1 AND i.indkey[0] = (SELECT attnum FROM pg_attribute WHERE attrelid = c.oid AND attname = 'key')),
	EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = $3 AND g.tgenabled = 'A' AND g.tgtype = 58
		AND g.tgqual IS NULL AND g.tgattr = '')
FROM (SELECT) one LEFT JOIN (SELECT r.* FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
	WHERE n.nspname = $1 AND r.relname = $2) c ON true`

// check says whether the table is a ledger's, and guarded. It writes nothing.
func (s *Store) check(ctx context.Context, from querier) error {
	var standby, exists, plain, unique, guarded bool
	var encoding, found string
	err := from.QueryRow(ctx, inspect, s.table.schema, s.table.name, s.table.trigger()).
		Scan(&standby, &encoding, &exists, &plain, &found, &unique, &guarded)
	switch {
	case err != nil:
		return err
	case standby:
		return settled("the server is a standby, which may be behind: name the primary")
	case encoding != "UTF8":
		return settled("the database has the encoding %.40s, and a ledger needs UTF8", encoding)
	case !exists:
		return fmt.Errorf("%w: `nhi init` makes one", ledger.ErrNoLedger)
	case !plain || found != columns || !unique:
		return settled("it is another program's, or was changed: a ledger's table has the columns %s, the first as its primary key, "+
			"is logged and hides no rows", columns)
	case !guarded:
		return settled("the trigger %s is missing, changed or disabled, so the table is not append-only: the guide has the SQL "+
			"that makes it so again; then run `nhi verify`", s.table.trigger())
	default:
		return nil
	}
}
