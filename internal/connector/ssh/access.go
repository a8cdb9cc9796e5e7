package ssh

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of an access.
const (
	maxPrincipal = 128
	maxCommand   = 1000
	minRSA       = 2048
	// maxAccess bounds what an access adds to a certificate, in bytes, so that
	// its authorized_keys line stays below connector.MaxEvidence.
	maxAccess = 4500
)

// extensions are the names that PROTOCOL.certkeys defines for user certificates.
var extensions = []string{
	"no-touch-required", "permit-X11-forwarding", "permit-agent-forwarding",
	"permit-port-forwarding", "permit-pty", "permit-user-rc",
}

// keyTypes are the types of public key that a certificate is signed for.
var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSA,
}

func checkPrincipal(principal string) error {
	if err := nhi.CheckText(principal); err != nil {
		return err
	}
	if len(principal) > maxPrincipal {
		return fmt.Errorf("%.40q… is %d bytes long, and %d is the longest allowed: %w", principal, len(principal), maxPrincipal, nhi.ErrInvalid)
	}
	// A comma ends a principal in authorized_principals and from ssh-keygen -n;
	// the others are patterns or quoting somewhere between here and a shell.
	const forbidden = ",*?!'\"`\\/$;|&<>()[]{} "
	if i := strings.IndexAny(principal, forbidden); i >= 0 {
		return fmt.Errorf("%q holds %q, which is not allowed in a principal: %w", principal, principal[i], nhi.ErrInvalid)
	}
	if strings.HasPrefix(principal, "-") || strings.HasPrefix(principal, "#") {
		return fmt.Errorf("%q starts with %q: %w", principal, principal[0], nhi.ErrInvalid)
	}
	return nil
}

// parsePublicKey reads one public key in authorized_keys form, with or without
// a comment, and with nothing else.
func parsePublicKey(text string) (ssh.PublicKey, error) {
	if len(text) > nhi.MaxSetting {
		return nil, fmt.Errorf("is %d bytes long, and %d is the longest allowed: %w", len(text), nhi.MaxSetting, nhi.ErrInvalid)
	}
	if what, leaked := nhi.Leak(text); leaked {
		return nil, nhi.AtRisk(nhi.RiskLeakage, fmt.Errorf("is %s, and must be a public key: whoever saw it must change it: %w", what, nhi.ErrInvalid))
	}
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "\r\n\x00") {
		return nil, fmt.Errorf("must be one public key on one line: %w", nhi.ErrInvalid)
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return nil, fmt.Errorf("is no public key such as \"ssh-ed25519 AAAA…\" (without options): %w", nhi.ErrInvalid)
	}
	if _, isCertificate := key.(*ssh.Certificate); isCertificate {
		return nil, fmt.Errorf("is a certificate, and must be a plain public key: %w", nhi.ErrInvalid)
	}
	if !slices.Contains(keyTypes, key.Type()) {
		return nil, nhi.AtRisk(nhi.RiskAuthentication, fmt.Errorf("keys of type %.40s are not allowed: %w", key.Type(), nhi.ErrInvalid))
	}
	if n := rsaBits(key); key.Type() == ssh.KeyAlgoRSA && n < minRSA {
		return nil, nhi.AtRisk(nhi.RiskAuthentication, fmt.Errorf("is an RSA key of %d bits, and %d is the least allowed: %w", n, minRSA, nhi.ErrInvalid))
	}
	return key, nil
}

func checkPublicKey(text string) error {
	_, err := parsePublicKey(text)
	return err
}

// canonicalPublicKey writes a public key as TYPE BASE64, without a comment.
func canonicalPublicKey(text string) (string, error) {
	key, err := parsePublicKey(text)
	if err != nil {
		return "", err
	}
	return oneLine(key), nil
}

// oneLine writes a key as TYPE BASE64.
func oneLine(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

func checkCommand(command string) error {
	if err := nhi.CheckTextUpTo(command, maxCommand); err != nil {
		return err
	}
	return nil
}

// canonicalSource writes an address or a network in its one way. sshd refuses
// every login where a network has bits beyond its mask, so that is an error.
func canonicalSource(source string) (string, error) {
	if len(source) > 50 {
		return "", fmt.Errorf("%.50q… is no address: %w", source, nhi.ErrInvalid)
	}
	if address, err := netip.ParseAddr(source); err == nil {
		if address.Zone() != "" || address.Is4In6() {
			return "", fmt.Errorf("%q must be a plain address: %w", source, nhi.ErrInvalid)
		}
		return address.String(), nil
	}
	network, err := netip.ParsePrefix(source)
	if err != nil || network.Addr().Is4In6() {
		return "", fmt.Errorf("%q is no address and no network in CIDR form: %w", source, nhi.ErrInvalid)
	}
	if masked := network.Masked(); masked != network {
		return "", fmt.Errorf("%q has bits beyond its mask; %s would be the network: %w", source, masked, nhi.ErrInvalid)
	}
	return network.String(), nil
}

func checkSource(source string) error {
	canonical, err := canonicalSource(source)
	if err == nil && canonical != source {
		return fmt.Errorf("%q must be written %q: %w", source, canonical, nhi.ErrInvalid)
	}
	return err
}

func checkExtension(name string) error {
	if !slices.Contains(extensions, name) {
		return fmt.Errorf("%.40q is none of %s: %w", name, strings.Join(extensions, ", "), nhi.ErrInvalid)
	}
	return nil
}

// checkAccess holds across the fields: a certificate without principals would
// be good for every user, and one that is too large fits nowhere.
func checkAccess(access nhi.Values) error {
	principals := access.Items(accessPrincipals)
	if len(principals) == 0 {
		return fmt.Errorf("%s must not be empty: %w", accessPrincipals, nhi.ErrInvalid)
	}
	for _, principal := range principals {
		if err := checkPrincipal(principal); err != nil {
			return fmt.Errorf("%s: %w", accessPrincipals, err)
		}
	}
	key, err := parsePublicKey(access.Text(accessPublicKey))
	if err != nil {
		return fmt.Errorf("%s %w", accessPublicKey, err)
	}
	size := len(key.Marshal()) + len(access.Text(accessCommand))
	for _, item := range append(principals, access.Items(accessSources)...) {
		size += len(item) + 4
	}
	if size > maxAccess {
		return fmt.Errorf("is too much for one certificate (%d bytes, and %d is the most allowed): %w", size, maxAccess, nhi.ErrInvalid)
	}
	return nil
}

// privileges says in words what an access gives, sorted.
func privileges(access nhi.Values) []string {
	return privilegesOf(access.Items(accessPrincipals), access.Items(accessExtensions))
}

func privilegesOf(principals, extensions []string) []string {
	words := make([]string, 0, len(principals)+len(extensions))
	for _, principal := range principals {
		words = append(words, "principal "+principal)
	}
	for _, extension := range extensions {
		words = append(words, "extension "+extension)
	}
	slices.Sort(words)
	return words
}
