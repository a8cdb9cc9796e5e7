// Package pgurl reads the URL of a PostgreSQL database, and makes the driver's
// configuration of it and of nothing else: no PG* environment variables, no
// service file, no password file. One host, and never in clear text by
// accident.
package pgurl

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Query parameters that a URL may have. Any other would be an unseen way to
// lead the connection elsewhere (host, service) or to change what it does
// (options, search_path).
const (
	optionSSLMode     = "sslmode"
	optionSSLRootCert = "sslrootcert"
	optionSSLCert     = "sslcert"
	optionSSLKey      = "sslkey"
	optionTimeout     = "connect_timeout"
	optionApplication = "application_name"
)

// Defaults of the URL. The mode is the only one that proves which server it
// is; prefer and allow are refused, because they fall back to clear text.
const (
	defaultPort    = 5432
	defaultSSLMode = "verify-full"
	defaultTimeout = 10 * time.Second
	maxTimeout     = 5 * time.Minute
	defaultName    = "nhi"
)

// maxName is the longest name of a role or a database, in bytes: PostgreSQL
// cuts a longer one silently (NAMEDATALEN - 1).
const maxName = 63

// URL is a checked URL: exactly one host, one database, one user.
type URL struct {
	host     string
	port     uint16
	database string
	user     string
	password nhi.Secret
	options  map[string]string // every option, defaults written out
}

// Endpoint is HOST:PORT/DATABASE, what policy compares.
func (a URL) Endpoint() string { return a.hostPort() + "/" + a.database }

// Host is the host in its one canonical form.
func (a URL) Host() string { return a.host }

// Port is the port, also where the URL names none.
func (a URL) Port() uint16 { return a.port }

// Database is the database's name.
func (a URL) Database() string { return a.database }

func (a URL) hostPort() string {
	return net.JoinHostPort(a.host, strconv.FormatUint(uint64(a.port), 10))
}

// Timeout is how long a connection may take to be made.
func (a URL) Timeout() time.Duration {
	seconds, err := strconv.Atoi(a.options[optionTimeout])
	if err != nil {
		return defaultTimeout
	}
	return time.Duration(seconds) * time.Second
}

// Clear says that the login and all that follows goes over a network in clear
// text: sslmode is disable, and the host is no loopback address. A name is none,
// since it leads wherever somebody says; localhost alone is this machine.
func (a URL) Clear() bool {
	ip, err := netip.ParseAddr(a.host)
	here := a.host == "localhost" || err == nil && ip.IsLoopback()
	return a.options[optionSSLMode] == "disable" && !here
}

// WithLogin returns the URL for another user, with what it needs to trust the
// server, but without the admin's own certificate.
func (a URL) WithLogin(user, password string) string {
	query := url.Values{optionSSLMode: {a.options[optionSSLMode]}}
	if file := a.options[optionSSLRootCert]; file != "" {
		query.Set(optionSSLRootCert, file)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: a.hostPort(), Path: "/" + a.database, RawQuery: query.Encode(),
	}
	return u.String()
}

// Parse reads a URL strictly. It looks at nothing but the text: no
// environment, no file. Errors are nhi.ErrInvalid and never quote the text,
// since any part of a malformed URL may be the password.
func Parse(text string) (URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || strings.ContainsAny(text, "\x00\n\r\t ") {
		return URL{}, invalid("is not a URL such as postgres://admin:password@host:5432/database " +
			"(special characters in the password are written %%XX)")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return URL{}, invalid("must start with postgres://")
	}
	if u.Fragment != "" || strings.Contains(text, "#") {
		return URL{}, invalid("must not have a # part: write %%23 in a password")
	}
	a := URL{}
	if a.host, a.port, err = parseHost(u); err != nil {
		return URL{}, err
	}
	if a.database, err = parseDatabase(u); err != nil {
		return URL{}, err
	}
	if a.user, a.password, err = parseUser(u); err != nil {
		return URL{}, err
	}
	if a.options, err = parseOptions(u); err != nil {
		return URL{}, err
	}
	return a, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, nhi.ErrInvalid)...)
}

// parseHost returns the host in its one canonical form, so that two ways to
// write an address do not look like two endpoints.
func parseHost(u *url.URL) (string, uint16, error) {
	port := uint64(defaultPort)
	if text := u.Port(); text != "" || strings.HasSuffix(u.Host, ":") {
		var err error
		port, err = strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 || text[0] == '0' {
			return "", 0, invalid("has a port that is no number from 1 to 65535")
		}
	}
	host := strings.ToLower(u.Hostname())
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return "", 0, invalid("must not have an IPv6 zone")
		}
		return ip.Unmap().String(), uint16(port), nil
	}
	if err := checkHostname(host); err != nil {
		return "", 0, err
	}
	return host, uint16(port), nil
}

// checkHostname refuses sockets ("/var/run"), lists ("a,b") and odd forms of
// an IP address ("127.1"), which resolvers read in different ways.
func checkHostname(host string) error {
	if host == "" || len(host) > 253 {
		return invalid("must name one host")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		plain := strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
		if label == "" || len(label) > 63 || !plain || strings.HasPrefix(label, "-") {
			return invalid("must name one host: a DNS name or an IP address, no socket and no list")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return invalid("has a host that is neither a DNS name nor an IP address in its usual form")
	}
	return nil
}

func parseDatabase(u *url.URL) (string, error) {
	database := strings.TrimPrefix(u.Path, "/")
	if database == "" {
		return "", invalid("must name a database: postgres://…@host/DATABASE")
	}
	if len(database) > maxName || nhi.CheckText(database) != nil || strings.Contains(database, "/") {
		return "", invalid("has a malformed database name")
	}
	return database, nil
}

func parseUser(u *url.URL) (string, nhi.Secret, error) {
	user := u.User.Username()
	if user == "" {
		return "", nhi.Secret{}, invalid("must name the admin role: postgres://ADMIN:PASSWORD@host/database")
	}
	if len(user) > maxName || nhi.CheckText(user) != nil {
		return "", nhi.Secret{}, invalid("has a malformed user name")
	}
	password, _ := u.User.Password()
	if strings.ContainsRune(password, 0) {
		return "", nhi.Secret{}, invalid("has a password with a NUL")
	}
	return user, nhi.NewSecret(password), nil
}

func parseOptions(u *url.URL) (map[string]string, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid("has malformed parameters after the question mark")
	}
	options := map[string]string{
		optionSSLMode: defaultSSLMode, optionTimeout: strconv.Itoa(int(defaultTimeout.Seconds())), optionApplication: defaultName,
	}
	allowed := []string{optionSSLMode, optionSSLRootCert, optionSSLCert, optionSSLKey, optionTimeout, optionApplication}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(allowed, name) {
			// The name is not quoted: a "?" in a password would make it one.
			return nil, invalid("has a parameter that is none of %s", strings.Join(allowed, ", "))
		}
		if len(query[name]) != 1 || nhi.CheckText(query[name][0]) != nil {
			return nil, invalid("has a malformed %s", name)
		}
		options[name] = query[name][0]
	}
	return options, checkOptions(options)
}

func checkOptions(options map[string]string) error {
	modes := []string{"disable", "require", "verify-ca", "verify-full"}
	if !slices.Contains(modes, options[optionSSLMode]) {
		return nhi.AtRisk(nhi.RiskAuthentication,
			invalid("has an sslmode that is none of %s (prefer and allow would fall back to clear text)", strings.Join(modes, ", ")))
	}
	if (options[optionSSLCert] == "") != (options[optionSSLKey] == "") {
		return invalid("must have both or none of sslcert and sslkey")
	}
	seconds, err := strconv.Atoi(options[optionTimeout])
	if err != nil || seconds < 1 || seconds > int(maxTimeout.Seconds()) {
		return invalid("has a connect_timeout that is no number of seconds from 1 to %d", int(maxTimeout.Seconds()))
	}
	if len(options[optionApplication]) > maxName {
		return invalid("has an application_name of more than %d bytes", maxName)
	}
	return nil
}
