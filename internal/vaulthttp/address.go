package vaulthttp

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Address is where a Vault is: a server and a namespace.
type Address struct {
	scheme    string
	host      string // HOST:PORT
	namespace string
}

// reservedNamespaces are names that Vault gives to no namespace. That auth is
// one of them is what makes an endpoint readable in one way only.
var reservedNamespaces = []string{"root", "sys", "audit", "auth", "cubbyhole", "identity"}

// URL is SCHEME://HOST:PORT.
func (a Address) URL() string { return a.scheme + "://" + a.host }

// Namespace is empty where there is none.
func (a Address) Namespace() string { return a.namespace }

// ParseAddress reads a URL, and looks at nothing else. Errors are
// nhi.ErrInvalid.
func ParseAddress(text string) (Address, error) {
	scheme, host, err := parseURL(text)
	if err != nil {
		return Address{}, err
	}
	return Address{scheme: scheme, host: host}, nil
}

// In returns the address with a namespace, which may be empty. Errors are
// nhi.ErrInvalid.
func (a Address) In(namespace string) (Address, error) {
	if namespace != "" {
		if err := CheckNamespace(namespace); err != nil {
			return Address{}, err
		}
	}
	a.namespace = namespace
	return a, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, nhi.ErrInvalid)...)
}

// CheckURL holds for https://HOST:PORT, and for http of a loopback address.
func CheckURL(text string) error {
	_, _, err := parseURL(text)
	return err
}

// parseURL returns the scheme and HOST:PORT in their one canonical form, so
// that two ways to write an address do not look like two endpoints.
func parseURL(text string) (scheme, host string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" || strings.ContainsAny(text, "\x00\n\r\t ") {
		return "", "", invalid("is not a URL such as https://vault.internal:8200")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#") || u.Path != "" && u.Path != "/" {
		return "", "", invalid("must be https://HOST:PORT, and nothing else")
	}
	ports := map[string]string{"https": "443", "http": "80"}
	port, known := ports[u.Scheme]
	if !known {
		return "", "", invalid("must start with https://")
	}
	if u.Port() != "" || strings.HasSuffix(u.Host, ":") {
		port = u.Port()
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || port[0] == '0' {
			return "", "", invalid("has a port that is no number from 1 to 65535")
		}
	}
	name, loopback, err := parseHost(u)
	if err != nil {
		return "", "", err
	}
	if u.Scheme == "http" && !loopback {
		return "", "", nhi.AtRisk(nhi.RiskAuthentication,
			invalid("must start with https://: plain http is for loopback addresses such as 127.0.0.1 alone, because the token goes in clear"))
	}
	return u.Scheme, net.JoinHostPort(name, port), nil
}

// parseHost returns the host in its one form, and whether it is a loopback
// address (a name is none: it leads wherever somebody says).
func parseHost(u *url.URL) (name string, loopback bool, err error) {
	host := strings.ToLower(u.Hostname())
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return "", false, invalid("must not have an IPv6 zone")
		}
		return ip.Unmap().String(), ip.Unmap().IsLoopback(), nil
	}
	if host == "" || len(host) > 253 {
		return "", false, invalid("must name one host")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		plain := strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
		if label == "" || len(label) > 63 || !plain || strings.HasPrefix(label, "-") {
			return "", false, invalid("must name one host: a DNS name or an IP address")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", false, invalid("has a host that is neither a DNS name nor an IP address in its usual form")
	}
	return host, false, nil
}

// CheckMount holds for the path of a mount, or a path below one.
func CheckMount(mount string) error {
	if len(mount) > nhi.MaxScope || !IsPath(mount) {
		return invalid("%.80q is no path of a mount: a-z, 0-9, - _ . and inner single slashes", mount)
	}
	return nil
}

// CheckNamespace holds for the path of a namespace.
func CheckNamespace(namespace string) error {
	if len(namespace) > nhi.MaxScope || !IsPath(namespace) {
		return invalid("%.80q is no namespace: a-z, 0-9, - _ . and inner single slashes", namespace)
	}
	for part := range strings.SplitSeq(namespace, "/") {
		if slices.Contains(reservedNamespaces, part) {
			return invalid("%.80q holds %s, which no namespace is called", namespace, part)
		}
	}
	return nil
}

// IsPath holds for parts of lower-case letters, digits, - _ and . that are
// joined by single slashes, and of which none leads upwards.
func IsPath(text string) bool {
	for part := range strings.SplitSeq(text, "/") {
		if strings.Trim(part, ".") == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return false
		}
	}
	return true
}

// CheckToken holds for the text of a token, and never quotes it.
func CheckToken(token string) error {
	if token == "" || len(token) > 4096 || strings.Trim(token, tokenCharacters) != "" {
		return invalid("is not the text of a Vault token")
	}
	return nil
}

const tokenCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+/="
