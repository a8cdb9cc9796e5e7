// Package postgres is the connector for PostgreSQL 14 and later.
//
// A grant's account is a role without login that is a member of the approved
// roles; its mark is the role's comment and its immutable id is the role's
// OID. Each credential is a login role of its own, a member of the account.
// Roles belong to a whole cluster, so an account works in every database of
// it that the approved roles can reach.
package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/pgurl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// The names of settings, of the access and of a credential's values.
const (
	settingURL    = "url"
	settingHeir   = "reassign_owned_to"
	settingRoles  = "roles"
	settingAdopt  = "adopt"
	settingEnd    = "on_revoke"
	fieldUsername = "username"
	fieldPassword = "password"
	fieldHost     = "host"
	fieldPort     = "port"
	fieldDatabase = "database"
)

// maxRoleName is the longest name of a role, in bytes: PostgreSQL cuts a
// longer one silently (NAMEDATALEN - 1).
const maxRoleName = 63

// Kind describes PostgreSQL as a target system.
func Kind() connector.Kind {
	return connector.Kind{
		Name:        "postgres",
		Description: "PostgreSQL: membership in existing roles, and login roles that end by themselves.",
		Settings: []setting.Field{{
			Name: settingURL, Type: setting.String, Required: true, Secret: true,
			Description: "postgres://ADMIN:PASSWORD@HOST:PORT/DATABASE of a role that may create roles, grant the approved ones " +
				"and end sessions: a superuser, or CREATEROLE with membership in pg_signal_backend. One host; the port is 5432 " +
				"where none is given. sslmode is verify-full unless the URL says disable, require or verify-ca. Also: " +
				"sslrootcert, sslcert, sslkey, connect_timeout (seconds, 10) and application_name. PG* environment variables, " +
				"service files and password files are not read.",
			Check: func(value string) error { _, err := pgurl.Parse(value); return err },
		}, {
			Name: settingHeir, Type: setting.String,
			Description: "An existing role that gets what a grant's roles own in the URL's database when they are dropped, and when " +
				"an account is taken over; privileges that were given to them directly are then taken away. A superuser is refused. " +
				"Empty: a role that owns something is not dropped.",
			Check: checkOwnName,
		}},
		Access: []setting.Field{{
			Name: settingRoles, Type: setting.Strings, Required: true, Privilege: true,
			Description: "The existing roles that the account becomes a member of. A role that is or leads to a superuser is refused.",
			Check:       checkRole,
		}, {
			Name: settingAdopt, Type: setting.String, Late: true,
			Description: "An existing role that is taken over as the account. Its name and password stay; other roles, attributes, " +
				"members and privileges are taken away when the grant becomes active.",
			Check: checkOwnName,
		}, {
			Name: settingEnd, Type: setting.String, Late: true,
			Description: "What becomes of a role that was taken over: disable (no login, no password, no roles; it stays) or delete.",
			Check:       checkOnRevoke,
		}},
		Credential: []setting.Field{
			{Name: fieldUsername, Description: "The login role."},
			{Name: fieldPassword, Secret: true, Description: "Its password."},
			{Name: fieldHost, Description: "The server's host."},
			{Name: fieldPort, Description: "The server's port."},
			{Name: fieldDatabase, Description: "The database of the system's URL."},
			{Name: settingURL, Secret: true, Description: "All of it as one postgres:// URL, with the system's sslmode and sslrootcert."},
		},
		CheckSettings: func(settings setting.Settings) error { _, err := settingsAddress(settings); return err },
		CheckAccess:   checkAccess,
		Endpoint: func(settings setting.Settings) (string, error) {
			at, err := settingsAddress(settings)
			if err != nil {
				return "", err
			}
			return at.Endpoint(), nil
		},
		Weak:       weak,
		Privileges: privileges,
		Adopts:     adopts,
		Open:       open,
		// VALID UNTIL stops password logins alone, and open sessions live on.
		EnforcedBy: connector.EnforcedByApply,
	}
}

// weak says how the admin's own login is insecure.
func weak(settings setting.Settings) []string {
	at, err := settingsAddress(settings)
	if err != nil || !at.Clear() {
		return nil
	}
	return []string{"sslmode=disable sends the admin's login, and each credential that is issued, in clear text to " + at.Host()}
}

func settingsAddress(settings setting.Settings) (pgurl.URL, error) {
	return pgurl.Parse(settings.Secrets[settingURL].Reveal())
}

// privileges says in words what an access gives, sorted.
func privileges(access nhi.Values) []string {
	var words []string
	for _, role := range access.Items(settingRoles) {
		words = append(words, rolePrivilege(role))
	}
	slices.Sort(words)
	return words
}

func rolePrivilege(role string) string { return "role " + shown(role) }

func checkAccess(access nhi.Values) error {
	if len(access.Items(settingRoles)) == 0 {
		return fmt.Errorf("roles must name at least one role: %w", nhi.ErrInvalid)
	}
	for _, role := range access.Items(settingRoles) {
		if err := checkRole(role); err != nil {
			return fmt.Errorf("roles: %w", err)
		}
	}
	return checkAdoption(access)
}

// grantable are the predefined roles that may be asked for. The others reach
// the server's own files and programs, and with these a superuser's power; one
// that a later PostgreSQL adds is refused until somebody has looked at it.
var grantable = []string{
	"pg_checkpoint", "pg_maintain", "pg_monitor", "pg_read_all_data", "pg_read_all_settings",
	"pg_read_all_stats", "pg_signal_backend", "pg_stat_scan_tables", "pg_write_all_data",
}

// checkRole holds for a name that can be the name of a role to be a member of.
func checkRole(name string) error {
	if err := checkRoleName(name); err != nil {
		return err
	}
	if reserved(name) && !slices.Contains(grantable, name) {
		return nhi.AtRisk(nhi.RiskOverprivileged, fmt.Errorf("role %s is none of the predefined roles that may be granted (%s): %w",
			shown(name), strings.Join(grantable, ", "), nhi.ErrInvalid))
	}
	return nil
}

// checkOwnName holds for a name that can be the name of a role that people made.
func checkOwnName(name string) error {
	if reserved(name) {
		return fmt.Errorf("role %s: PostgreSQL keeps names that start with pg_ for itself: %w", shown(name), nhi.ErrInvalid)
	}
	return checkRoleName(name)
}

func checkRoleName(name string) error {
	if name == "" {
		return fmt.Errorf("the name of a role must not be empty: %w", nhi.ErrInvalid)
	}
	if len(name) > maxRoleName {
		return fmt.Errorf("role %.80q is %d bytes long, and PostgreSQL cuts what is over %d: %w",
			name, len(name), maxRoleName, nhi.ErrInvalid)
	}
	if err := nhi.CheckText(name); err != nil {
		return fmt.Errorf("role %.80q %w", name, err)
	}
	return nil
}

// reserved says whether PostgreSQL keeps the name for its own roles.
func reserved(name string) bool { return strings.HasPrefix(name, "pg_") }
