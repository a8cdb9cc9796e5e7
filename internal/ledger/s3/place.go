package s3

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

const defaultRegion = "us-east-1"

// maxPrefix bounds the folder, so that the longest key of a ledger still has a
// name: see maxObjectName.
const maxPrefix = 200

// place is where one ledger is.
type place struct {
	bucket    string
	prefix    string // with a slash at its end, or empty
	region    string
	endpoint  string // empty for Amazon's own
	pathStyle bool
}

// String names the place for people.
func (p place) String() string { return p.bucket + "/" + p.prefix }

// parsePlace reads the settings strictly, and looks at nothing else. Errors are
// nhi.ErrInvalid.
func parsePlace(settings setting.Settings) (place, error) {
	p := place{
		bucket: settings.Values.Text(settingBucket), prefix: settings.Values.Text(settingPrefix),
		region: settings.Values.Text(settingRegion), endpoint: settings.Values.Text(settingEndpoint),
		pathStyle: settings.Values.Text(settingPathStyle) == "true",
	}
	if p.region == "" {
		p.region = defaultRegion
	}
	for _, check := range []struct {
		name, value string
		check       func(string) error
		optional    bool
	}{
		{settingBucket, p.bucket, checkBucket, false},
		{settingPrefix, p.prefix, checkPrefix, true},
		{settingRegion, p.region, checkRegion, false},
		{settingEndpoint, p.endpoint, checkEndpoint, true},
	} {
		if check.optional && check.value == "" {
			continue
		}
		if err := check.check(check.value); err != nil {
			return place{}, fmt.Errorf("%s %w", check.name, err)
		}
	}
	if p.prefix != "" {
		p.prefix += "/"
	}
	return p, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, nhi.ErrInvalid)...)
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixPart = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)
	regionName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	keyID      = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)
)

// checkBucket lets general purpose buckets through, alone: in a directory
// bucket lists have no order, and the alias of an access point can come to
// mean another bucket.
func checkBucket(name string) error {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") {
		return invalid("%.80q is no name of a bucket: 3 to 63 of a-z, 0-9, - and inner dots", name)
	}
	for _, suffix := range []string{"--x-s3", "-s3alias", "--ol-s3", "--table-s3", ".mrap"} {
		if strings.HasSuffix(name, suffix) {
			return invalid("%.80q is not a general purpose bucket", name)
		}
	}
	return nil
}

func checkPrefix(prefix string) error {
	if len(prefix) > maxPrefix {
		return invalid("is %d bytes long, and %d is the longest allowed", len(prefix), maxPrefix)
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if !prefixPart.MatchString(part) {
			return invalid("%.80q is no folder such as nhi/production: letters, digits, - _ . and inner single slashes; no part starts with a dot", prefix)
		}
	}
	return nil
}

func checkRegion(region string) error {
	if !regionName.MatchString(region) {
		return invalid("%.80q is no region such as eu-central-1", region)
	}
	return nil
}

func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return invalid("is not a URL such as https://s3.example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") || u.Path != "" {
		return invalid("must be https://HOST:PORT, and nothing else")
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return invalid("has a port that is no number from 1 to 65535")
		}
	}
	if strings.Trim(u.Hostname(), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:") != "" {
		return invalid("must name one host: a DNS name or an IP address")
	}
	switch u.Scheme {
	case "https":
		return nil
	case "http":
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.Unmap().IsLoopback() {
			return nil
		}
		return invalid("must start with https://: plain http is for loopback addresses such as 127.0.0.1 alone")
	}
	return invalid("must start with https://")
}

func checkAccessKeyID(id string) error {
	if !keyID.MatchString(id) {
		return invalid("is no id of an access key")
	}
	return nil
}

// checkSecret never quotes the secret.
func checkSecret(secret string) error {
	const longest = 4096
	if len(secret) > longest || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return invalid("is no secret of an access key")
	}
	return nil
}
