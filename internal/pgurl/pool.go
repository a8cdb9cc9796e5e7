package pgurl

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxMessage bounds one message of the server, in bytes: the driver would make
// room for as much as the server says that it is going to send.
const maxMessage = 16 << 20

// frontend reads the server's messages, up to maxMessage.
func frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	f := pgproto3.NewFrontend(r, w)
	f.SetMaxBodyLen(maxMessage)
	return f
}

// PoolConfig makes the driver's configuration of a pool of at most so many
// connections. TLS files that the URL names are the only thing read. Errors are
// nhi.ErrInvalid and hold no password.
//
// The driver accepts only what its own parser made, and that parser takes
// every setting that is missing from PG* environment variables, service files
// and ~/.pgpass. So no setting is left out here.
func (a URL) PoolConfig(most int32) (*pgxpool.Config, error) {
	settings := map[string]string{
		"host": a.host, "port": strconv.FormatUint(uint64(a.port), 10), "database": a.database,
		"user": a.user, "password": a.password.Reveal(), "passfile": "",
		"sslmode": a.options[optionSSLMode], "sslrootcert": a.options[optionSSLRootCert],
		"sslcert": a.options[optionSSLCert], "sslkey": a.options[optionSSLKey],
		"sslcertmode": "allow", "sslsni": "1", "sslpassword": "", "sslnegotiation": "postgres",
		"target_session_attrs": "any", "min_protocol_version": "3.0", "max_protocol_version": "3.0",
		"channel_binding": "prefer", "require_auth": "", "connect_timeout": a.options[optionTimeout],
	}
	if os.Getenv("PGSERVICE") != "" {
		file, err := emptyServiceFile()
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(file) }()
		settings["servicefile"], settings["service"] = file, emptyService
	}
	config, err := pgxpool.ParseConfig(keywords(settings))
	if err != nil {
		// The driver quotes the settings, password and all but redacted at
		// best effort; only the cause is passed on, a TLS file as a rule.
		return nil, fmt.Errorf("url: %s: %w", causeOf(err), nhi.ErrInvalid)
	}
	conn := config.ConnConfig
	conn.BuildFrontend = frontend
	conn.RuntimeParams = map[string]string{"application_name": a.options[optionApplication]}
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec // no prepared statements: poolers lose them
	if conn.Host != a.host || conn.Port != a.port || conn.User != a.user || conn.Database != a.database || len(conn.Fallbacks) != 0 {
		return nil, fmt.Errorf("url: the driver made another address of it: %w", nhi.ErrInvalid)
	}
	config.MaxConns = most
	config.MaxConnIdleTime = 30 * time.Second
	return config, nil
}

// LoginConfig is the configuration of one connection as another user, without
// the URL's own certificate, which could let it in by itself.
func (a URL) LoginConfig(user, password string) (*pgx.ConnConfig, error) {
	a.user, a.password = user, nhi.NewSecret(password)
	a.options = maps.Clone(a.options)
	delete(a.options, optionSSLCert)
	delete(a.options, optionSSLKey)
	config, err := a.PoolConfig(1)
	if err != nil {
		return nil, err
	}
	return config.ConnConfig, nil
}

// emptyService is a service without settings: PGSERVICE has no other
// antidote, since an unknown or empty service is an error.
const emptyService = "nhi"

func emptyServiceFile() (string, error) {
	file, err := os.CreateTemp("", "nhi-pgservice-")
	if err != nil {
		return "", fmt.Errorf("PGSERVICE is set, and the file that makes it harmless cannot be written: %w", err)
	}
	_, err = file.WriteString("[" + emptyService + "]\n")
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

// keywords writes settings as libpq's key='value' string.
func keywords(settings map[string]string) string {
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		parts = append(parts, name+"='"+escape.Replace(settings[name])+"'")
	}
	return strings.Join(parts, " ")
}

func causeOf(err error) string {
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error()
	}
	return "the driver does not accept it"
}
