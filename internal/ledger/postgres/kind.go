// Package postgres keeps a ledger in one table of a PostgreSQL database, 14 or
// later. The table may only be inserted into: a trigger refuses all else to
// everybody, and grants leave whoever writes nothing but INSERT and SELECT.
// Time is the server's.
package postgres

import (
	"context"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/pgurl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// The names of the settings.
const (
	settingURL   = "url"
	settingTable = "table"
)

// Kind describes a ledger in a table of PostgreSQL.
func Kind() ledger.Kind {
	return ledger.Kind{
		Name:        "postgres",
		Description: "A ledger in a table of PostgreSQL that may only be inserted into.",
		Settings: []setting.Field{{
			Name: settingURL, Type: setting.String, Required: true, Secret: true,
			Description: "postgres://USER:PASSWORD@HOST:PORT/DATABASE of a role that may read the table and insert into it. One host, " +
				"the primary; the port is 5432 where none is given. sslmode is verify-full unless the URL says disable, require or " +
				"verify-ca. Also: sslrootcert, sslcert, sslkey, connect_timeout (seconds, 10) and application_name. PG* environment " +
				"variables, service files and password files are not read.",
			Check: func(value string) error { _, err := pgurl.Parse(value); return err },
		}, {
			Name: settingTable, Type: setting.String, Default: defaultTable,
			Description: "The table, as NAME in the schema public, or as SCHEMA.NAME: a-z, 0-9 and _, NAME up to 40 characters.",
			Check:       func(value string) error { _, err := parseTable(value); return err },
		}},
		Open: func(ctx context.Context, settings setting.Settings, options ledger.OpenOptions) (ledger.Store, error) {
			return open(ctx, settings, options.Create)
		},
		Guard: guard,
	}
}

// place reads the settings, and looks at nothing else. Errors are
// nhi.ErrInvalid and hold no password.
func place(settings setting.Settings) (pgurl.URL, table, error) {
	at, err := pgurl.Parse(settings.Secrets[settingURL].Reveal())
	if err != nil {
		return pgurl.URL{}, table{}, fmt.Errorf("%s %w", settingURL, err)
	}
	name, err := tableOf(settings)
	return at, name, err
}

func tableOf(settings setting.Settings) (table, error) {
	text := settings.Values.Text(settingTable)
	if text == "" {
		text = defaultTable
	}
	name, err := parseTable(text)
	if err != nil {
		return table{}, fmt.Errorf("%s %w", settingTable, err)
	}
	return name, nil
}
