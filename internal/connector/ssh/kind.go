// Package ssh is the connector for an SSH certificate authority: a CA key and
// an OpenSSH key revocation list, both files. It needs no server.
//
// A grant's access is a user certificate (PROTOCOL.certkeys) for a public key
// that the asker holds. sshd ends it at the end of its term by itself; before
// that, its serial goes into the revocation list (PROTOCOL.krl). How that list
// reaches the hosts is not ours, so a revocation counts as confirmed only when
// every host in `probe` refuses the certificate, or when its end has come.
package ssh

import (
	"context"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// The names of settings, of the access and of a credential's values.
const (
	settingCAKey      = "ca_key_file"
	settingKRL        = "krl_file"
	settingProbe      = "probe"
	settingKnownHosts = "known_hosts_file"
	settingProbeUser  = "probe_user"
	settingConfirm    = "confirm"

	accessPrincipals = "principals"
	accessPublicKey  = "public_key"
	accessCommand    = "force_command"
	accessSources    = "source_addresses"
	accessExtensions = "extensions"

	fieldCertificate = "certificate"
)

// confirmKRL is the value of confirm that takes the revocation list's word.
const confirmKRL = "krl"

// Kind describes an SSH certificate authority as a target system.
func Kind() connector.Kind { return KindAt(time.Now) }

// KindAt is Kind with another clock. Certificates are dated by it, and it says
// when one has ended; sshd keeps to its own.
func KindAt(now func() time.Time) connector.Kind {
	return connector.Kind{
		Name:          "ssh",
		Description:   "An SSH certificate authority: user certificates for machines that log in over SSH, revoked by serial in an OpenSSH key revocation list.",
		Settings:      settingFields(),
		Access:        accessFields(),
		Credential:    []setting.Field{{Name: fieldCertificate, Type: setting.String, Description: "The user certificate, as one line for a file beside the private key (id_ed25519-cert.pub)."}},
		CheckSettings: func(settings setting.Settings) error { _, err := readConfig(settings); return err },
		CheckAccess:   checkAccess,
		Endpoint:      endpoint,
		Privileges:    privileges,
		EnforcedBy:    connector.EnforcedByTarget,
		Fixed:         true,
		Open: func(_ context.Context, settings setting.Settings) (connector.Connector, error) {
			return open(settings, now)
		},
	}
}

func settingFields() []setting.Field {
	return []setting.Field{
		{Name: settingCAKey, Type: setting.String, Required: true, Check: nhi.CheckText, Description: "The CA's private key: an OpenSSH file, ed25519 or ecdsa, without a passphrase. sshd trusts it through TrustedUserCAKeys. Its fingerprint is the system's endpoint."},
		{Name: settingKRL, Type: setting.String, Required: true, Check: nhi.CheckText, Description: "The key revocation list that sshd reads through RevokedKeys. An empty one is made where there is none yet; other entries in it are kept. A lock file stands beside it."},
		{Name: settingProbe, Type: setting.Strings, Check: checkHost, Description: "Hosts, as host:port, that must accept a certificate when it is activated and refuse it when it is revoked. Without any, a revocation is not confirmed before the certificate ends, unless confirm says otherwise."},
		{Name: settingKnownHosts, Type: setting.String, Check: nhi.CheckText, Description: "The known_hosts file with the probed hosts' keys. Required with probe: what another host answers counts for nothing."},
		{Name: settingProbeUser, Type: setting.String, Check: nhi.CheckText, Description: "The user name that a probe logs in as. By default each principal is tried."},
		{Name: settingConfirm, Type: setting.String, Check: checkConfirm, Description: "\"krl\" takes a revocation for done when it is in the revocation list, and shows it as not verified. With probe, the hosts' answer counts."},
	}
}

func accessFields() []setting.Field {
	return []setting.Field{
		{Name: accessPrincipals, Type: setting.Strings, Required: true, Privilege: true, Check: checkPrincipal, Description: "The principals of the certificate: by sshd's default, the user names that it may log in as."},
		{Name: accessPublicKey, Type: setting.String, Required: true, Check: checkPublicKey, Canonical: canonicalPublicKey, Description: "The public key that the certificate is for, as in authorized_keys. A comment is dropped."},
		{Name: accessCommand, Type: setting.String, Check: checkCommand, Description: "The one command that the certificate may run (force-command)."},
		{Name: accessSources, Type: setting.Strings, Check: checkSource, Canonical: canonicalSource, Description: "The addresses, or networks in CIDR form, that the certificate may be used from (source-address). Empty: from anywhere. A probe must come from one of them."},
		{Name: accessExtensions, Type: setting.Strings, Privilege: true, Default: "permit-pty", Check: checkExtension, Description: "What a session may do: permit-pty, permit-port-forwarding, permit-agent-forwarding, permit-X11-forwarding, permit-user-rc, no-touch-required."},
	}
}
