package provider_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// landscape is a world with real target systems: an sshd that trusts the CA, a
// PostgreSQL database with a table that orders_ro may read, and a Vault with a
// secret that the policy orders-read may read.
type landscape struct {
	*world
	sshd  *testserver.SSHServer
	db    *testserver.PostgresServer
	vault *testserver.VaultServer
	user  ssh.Signer // the machine that the SSH certificate is for
}

// newLandscape starts the systems; private gives PostgreSQL a cluster of its
// own, which the test may stop.
func newLandscape(t testing.TB, private bool) *landscape {
	t.Helper()
	return newLandscapeIn(t, newWorld(t), private)
}

// newLandscapeIn is newLandscape in a world that is there.
func newLandscapeIn(t testing.TB, w *world, private bool) *landscape {
	t.Helper()
	l := &landscape{world: w, sshd: testserver.SSHD(t, testserver.SSHDOptions{})}
	if private {
		l.db = testserver.PrivatePostgres(t)
	} else {
		l.db = testserver.Postgres(t)
	}
	l.vault = testserver.Vault(t)
	l.user = l.newKey("machine")
	l.db.Exec(fmt.Sprintf(`CREATE ROLE %[1]s; CREATE TABLE orders (id int); INSERT INTO orders VALUES (42); GRANT SELECT ON orders TO %[1]s`, l.role()))
	l.furnishVault()
	l.policy(1, l.policySystems(), twoOfSecurity)
	l.Env = append(l.Env, "TF_VAR_orders_url="+l.db.URL(""), "TF_VAR_vault_token="+l.vault.Token())
	return l
}

// role is the approved role of this landscape.
func (l *landscape) role() string { return l.db.Prefix() + "orders_ro" }

func (l *landscape) endpoint() string {
	return fmt.Sprintf("%s:%d/%s", l.db.Host(), l.db.Port(), l.db.Database())
}

func (l *landscape) caFingerprint() string {
	data, err := os.ReadFile(l.sshd.CAKeyFile)
	must(l.t, err)
	signer, err := ssh.ParsePrivateKey(data)
	must(l.t, err)
	return ssh.FingerprintSHA256(signer.PublicKey())
}

func (l *landscape) policySystems() string {
	return fmt.Sprintf("  system \"orders\" { postgres = %q }\n  system \"bastion\" { ssh = %q }\n  system \"secrets\" { vault = %q }\n",
		l.endpoint(), l.caFingerprint(), l.vault.Address()+"/auth/"+l.mount())
}

// systems is the systems map of the provider block.
func (l *landscape) systems() string {
	return l.postgresSystem() + l.vaultSystem() + l.sshSystem(fmt.Sprintf("probe = [%q], known_hosts_file = %q", l.sshd.Address, l.sshd.KnownHostsFile))
}

func (l *landscape) postgresSystem() string {
	return "    orders = { postgres = { url = var.orders_url } }\n"
}

func (l *landscape) sshSystem(confirmation string) string {
	return fmt.Sprintf("    bastion = { ssh = { ca_key_file = %q, krl_file = %q, %s } }\n", l.sshd.CAKeyFile, l.sshd.KRLFile, confirmation)
}

// variables declares what the systems need.
const variables = `
variable "orders_url" {
  type      = string
  ephemeral = true
}
variable "vault_token" {
  type      = string
  ephemeral = true
}
`

// access is a map of all four kinds.
func (l *landscape) access() string {
	return l.dbAccess() + l.boxAccess() + l.kvAccess() + externalAccess
}

func (l *landscape) dbAccess() string {
	return fmt.Sprintf("    db = { system = \"orders\", postgres = { roles = [%q] } }\n", l.role())
}

func (l *landscape) boxAccess() string {
	return fmt.Sprintf("    box = { system = \"bastion\", ssh = { principals = [%q], public_key = file(%q) } }\n", l.sshd.User, l.keyFile("machine")+".pub")
}

// job is a resource that exists while the grant is active and uses its
// credentials: it leaves them in files, so that the test can try them later,
// as a thief would.
func (l *landscape) job() string {
	return `
ephemeral "nhi_credential" "db" {
  lease  = nhi_grant.etl.lease
  target = "db"
  ttl    = "15m"
}
ephemeral "nhi_credential" "box" {
  lease  = nhi_grant.etl.lease
  target = "box"
}
resource "terraform_data" "job" {
  count = nhi_grant.etl.active ? 1 : 0
  provisioner "local-exec" {
    quiet       = true
    command     = "psql -At \"$ORDERS_URL\" -c 'SELECT id FROM orders' > answer.txt && printf %s \"$ORDERS_URL\" > stolen-url && printf %s \"$CERTIFICATE\" > stolen-cert"
    environment = {
      ORDERS_URL  = ephemeral.nhi_credential.db.postgres.url
      CERTIFICATE = ephemeral.nhi_credential.box.ssh.certificate
    }
  }
}
`
}

// read returns a file of the workspace, or "".
func (w *world) read(name string) string {
	data, err := os.ReadFile(filepath.Join(w.Dir, name))
	if err != nil {
		return ""
	}
	return string(data)
}

// sshWorks tries the certificate on the real host.
func (l *landscape) sshWorks(certificate string) bool {
	l.t.Helper()
	out, err := testserver.LoginSSH(l.t, testserver.Login{Server: l.sshd, Key: l.user, Certificate: certificate, Command: "echo in"})
	if errors.Is(err, testserver.ErrLoginRefused) {
		return false
	}
	must(l.t, err)
	return strings.TrimSpace(out) == "in"
}

// postgresWorks tries a URL on the real server.
func (l *landscape) postgresWorks(url string) bool {
	l.t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var id int
	return conn.QueryRow(context.Background(), "SELECT id FROM orders").Scan(&id) == nil && id == 42
}

// roles lists the roles of ours on the server, with their marks.
func (l *landscape) roles() []string { return l.rolesOf(l.ledger) }

// rolesOf lists the roles with the mark of a ledger.
func (l *landscape) rolesOf(id string) []string {
	l.t.Helper()
	var names []string
	for _, row := range l.db.Query(`SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE $1 ORDER BY 1`, "nhi:1 "+id+" %") {
		names = append(names, row[0])
	}
	return names
}

// krl returns the bytes of the revocation list.
func (l *landscape) krl() string {
	data, err := os.ReadFile(l.sshd.KRLFile)
	if err != nil {
		return ""
	}
	return string(data)
}
