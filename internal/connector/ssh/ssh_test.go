package ssh_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/connectortest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// world is a running sshd, and a user's key.
type world struct {
	server *testserver.SSHServer
	key    cryptossh.Signer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := testserver.SSHD(t, testserver.SSHDOptions{})
	return &world{server: server, key: testserver.NewSSHKey(t, filepath.Join(server.Folder, "user"))}
}

// settings are those of a system that probes the server.
func (w *world) settings() setting.Settings {
	return setting.Settings{Values: nhi.Values{
		"ca_key_file":      nhi.Text(w.server.CAKeyFile),
		"krl_file":         nhi.Text(w.server.KRLFile),
		"probe":            nhi.List(w.server.Address),
		"known_hosts_file": nhi.Text(w.server.KnownHostsFile),
	}}
}

// with returns settings with other values.
func (w *world) with(changes nhi.Values) setting.Settings {
	settings := w.settings()
	for name, value := range changes {
		settings.Values[name] = value
	}
	return settings
}

// unprobed are settings without hosts to ask.
func (w *world) unprobed(confirm string) setting.Settings {
	return w.with(nhi.Values{"probe": nhi.List(), "known_hosts_file": nhi.Text(""), "confirm": nhi.Text(confirm)})
}

func (w *world) access(principals ...string) nhi.Values {
	return nhi.Values{
		"principals":       nhi.List(append([]string{w.server.User}, principals...)...),
		"public_key":       nhi.Text(strings.TrimSpace(string(cryptossh.MarshalAuthorizedKey(w.key.PublicKey())))),
		"force_command":    nhi.Text(""),
		"source_addresses": nhi.List(),
		"extensions":       nhi.List("permit-pty"),
	}
}

// works logs in for real.
func (w *world) works(t *testing.T, certificate string) bool {
	t.Helper()
	out, err := testserver.LoginSSH(t, testserver.Login{Server: w.server, Key: w.key, Certificate: certificate, Command: "echo in"})
	if errors.Is(err, testserver.ErrLoginRefused) {
		return false
	}
	if err != nil || strings.TrimSpace(out) != "in" {
		t.Fatalf("login: %q, %v\n%s", out, err, w.server.Log())
	}
	return true
}

// fingerprint is what an effect could change on the target: the list.
func (w *world) fingerprint(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(w.server.KRLFile)
	if errors.Is(err, os.ErrNotExist) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connectortest.Run(t, connectortest.Setup{
		Kind:     ssh.Kind(),
		Settings: w.settings(),
		Access:   func(*testing.T) nhi.Values { return w.access("deploy") },
		Narrower: func(*testing.T) nhi.Values { return w.access() },
		Works: func(t *testing.T, account connector.Account, credential connector.Credential) bool {
			certificate := credential.Values["certificate"].Reveal()
			if certificate == "" {
				certificate = account.Evidence
			}
			return w.works(t, certificate)
		},
		Fingerprint: w.fingerprint,
		Unreachable: func(t *testing.T) setting.Settings {
			return w.with(nhi.Values{
				"krl_file": nhi.Text(filepath.Join(t.TempDir(), "no such folder", "revoked.krl")),
				"probe":    nhi.List(fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))),
			})
		},
		FreeText: map[string]string{"force_command": "it is a command line, where quotes and paths belong"},
		Skip: map[string]string{
			"clock":                  "a CA is a file, and files tell no time",
			"foreign object":         "the CA holds no objects: an account is a serial that follows from its nonce",
			"survey":                 "a CA keeps no list of what it signed",
			"taking over an account": "a certificate of another CA, or of this one without our serial, is nobody's account",
			"withdrawn credential":   "a certificate cannot be taken back alone: it ends by itself, and revoking the account revokes them all",
		},
	})
}

// clock is a clock that tests move.
type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

// account is a new account with that access, from now on for ttl.
func (w *world) account(t *testing.T, ttl time.Duration, access nhi.Values) connector.Account {
	t.Helper()
	const grant = "production/payments/orders-etl:default"
	sum := sha256.Sum256([]byte(t.Name() + time.Now().String()))
	now := time.Now().UTC().Truncate(time.Second)
	return connector.Account{
		Mark:      nhi.Mark{Ledger: strings.Repeat("0", 32), Grant: grant, Target: "box", Nonce: hex.EncodeToString(sum[:16])},
		Principal: nhi.Principal(grant, "box"), Access: access, NotBefore: now, NotAfter: now.Add(ttl),
	}
}

func open(t *testing.T, kind connector.Kind, settings setting.Settings) connector.Connector {
	t.Helper()
	inner, err := kind.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return connector.Checked(kind, "bastion", settings, inner)
}

func one(t *testing.T, outcomes []connector.Outcome) connector.Outcome {
	t.Helper()
	if len(outcomes) != 1 {
		t.Fatalf("%d outcomes for one account", len(outcomes))
	}
	return outcomes[0]
}

// activate prepares and enables an account.
func activate(t *testing.T, c connector.Connector, account connector.Account) connector.Account {
	t.Helper()
	for _, call := range []func(connector.Account) connector.Outcome{
		func(a connector.Account) connector.Outcome {
			return one(t, c.Prepare(t.Context(), []connector.Account{a}))
		},
		func(a connector.Account) connector.Outcome {
			return one(t, c.Enable(t.Context(), []connector.Account{a}))
		},
	} {
		outcome := call(account)
		if outcome.Err != nil {
			t.Fatal(outcome.Err)
		}
		account.ID, account.Evidence, account.Enabled = outcome.ID, outcome.Evidence, true
	}
	return account
}

func revoke(t *testing.T, c connector.Connector, account connector.Account) connector.Outcome {
	t.Helper()
	return one(t, c.Revoke(t.Context(), []connector.Account{account}))
}

func observe(t *testing.T, c connector.Connector, account connector.Account) connector.Observation {
	t.Helper()
	read, err := c.Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := connector.Look(read, account)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}
