package postgres

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

const (
	defaultTable  = "nhi_ledger"
	defaultSchema = "public" // written out: search_path is another for each role
)

// maxKey bounds a key, in bytes: an index holds no row of over 2704.
const maxKey = 2048

// table is a checked name.
type table struct{ schema, name string }

// tableForm leaves room in the 63 bytes of a name for what follows from it: the
// roles and the trigger.
var tableForm = regexp.MustCompile(`^(?:([a-z_][a-z0-9_]{0,62})\.)?([a-z_][a-z0-9_]{0,39})$`)

func parseTable(text string) (table, error) {
	parts := tableForm.FindStringSubmatch(text)
	if parts == nil {
		return table{}, fmt.Errorf("%.80q is no name of a table: NAME or SCHEMA.NAME of a-z, 0-9 and _, NAME up to 40 characters: %w", text, nhi.ErrInvalid)
	}
	name := table{schema: parts[1], name: parts[2]}
	if name.schema == "" {
		name.schema = defaultSchema
	}
	if strings.HasPrefix(name.schema, "pg_") || name.schema == "information_schema" {
		return table{}, fmt.Errorf("%.80q is in a schema that PostgreSQL keeps for itself: %w", text, nhi.ErrInvalid)
	}
	return name, nil
}

// String is the name for people.
func (t table) String() string { return t.schema + "." + t.name }

func (t table) quoted() string   { return pgx.Identifier{t.schema, t.name}.Sanitize() }
func (t table) trigger() string  { return t.name + "_append_only" }
func (t table) function() string { return pgx.Identifier{t.schema, t.trigger()}.Sanitize() }

// create makes the table and what keeps it append-only. The trigger fires for
// each statement, so one that finds no row is refused too, and always, so also
// where session_replication_role turns others off.
func (t table) create() string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %[1]s (
  key   text COLLATE "C" PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND %[4]d),
  value bytea NOT NULL CHECK (octet_length(value) <= %[5]d)
);
CREATE OR REPLACE FUNCTION %[2]s() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN RAISE EXCEPTION 'the record is append-only'; END $$;
CREATE OR REPLACE TRIGGER %[3]s BEFORE UPDATE OR DELETE OR TRUNCATE ON %[1]s
  FOR EACH STATEMENT EXECUTE FUNCTION %[2]s();
ALTER TABLE %[1]s ENABLE ALWAYS TRIGGER %[3]s;
`, t.quoted(), t.function(), pgx.Identifier{t.trigger()}.Sanitize(), maxKey, ledger.MaxEntry)
}
