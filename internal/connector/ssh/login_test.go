package ssh_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestExpiry: sshd ends a certificate by itself, and everybody says so.
func TestExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := open(t, ssh.Kind(), w.unprobed(""))
	account := activate(t, c, w.account(t, 10*time.Second, w.access()))
	issuer, ok := connector.IssuerOf(c)
	if !ok {
		t.Fatal("not an issuer")
	}
	issued, err := issuer.Issue(t.Context(), account, account.NotAfter.Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !issued.ExpiresAt.Equal(account.NotAfter) {
		t.Errorf("issued until %s, and the term ends %s", issued.ExpiresAt, account.NotAfter)
	}
	certificate := issued.Values["certificate"].Reveal()
	if !w.works(t, certificate) || !w.works(t, account.Evidence) {
		t.Fatal("refused while active")
	}
	testserver.Wait(t, time.Minute, "sshd refuses an ended certificate", func() bool { return !w.works(t, certificate) })
	if now := time.Now(); now.Before(account.NotAfter) {
		t.Errorf("refused %s before its end", account.NotAfter.Sub(now))
	}
	if seen := observe(t, c, account); seen.State != connector.Absent || !seen.Verified || len(seen.Findings) == 0 {
		t.Errorf("after the end: %+v", seen)
	}
	if _, err := issuer.Issue(t.Context(), account, account.NotAfter.Add(time.Hour), nil); !errors.Is(err, nhi.ErrEnded) {
		t.Errorf("issue after the end: %v", err)
	}
	if outcome := revoke(t, c, account); outcome.Err != nil || outcome.State != connector.Absent || outcome.Verified {
		t.Errorf("revoke after the end: %+v, want absent, and not verified: no host was asked", outcome)
	}
	probing := open(t, ssh.Kind(), w.settings())
	if outcome := revoke(t, probing, account); outcome.Err != nil || outcome.State != connector.Absent || !outcome.Verified {
		t.Errorf("revoke after the end, with a host to ask: %+v", outcome)
	}
}

// TestOptions: the real sshd enforces what the certificate says.
func TestOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := open(t, ssh.Kind(), w.unprobed(""))
	forced := w.access()
	forced["force_command"] = nhi.Text(`printf '%s' "forced: $SSH_ORIGINAL_COMMAND"`)
	forced["source_addresses"] = nhi.List("127.0.0.0/8", "::1")
	account := activate(t, c, w.account(t, time.Hour, forced))
	out, err := testserver.LoginSSH(t, testserver.Login{Server: w.server, Key: w.key, Certificate: account.Evidence, Command: "id"})
	if err != nil || out != "forced: id" {
		t.Errorf("forced command: %q, %v", out, err)
	}
	elsewhere := w.access()
	elsewhere["source_addresses"] = nhi.List("10.0.0.0/8")
	if away := activate(t, c, w.account(t, time.Hour, elsewhere)); w.works(t, away.Evidence) {
		t.Error("works from an address that was not approved")
	}
	other := w.access()
	other["principals"] = nhi.List("somebody-else")
	if stranger := activate(t, c, w.account(t, time.Hour, other)); w.works(t, stranger.Evidence) {
		t.Error("works for a user that is no principal")
	}
}

// TestRSAUserKey: a probe with an RSA certificate must not be refused for the
// hash that it offers.
func TestRSAUserKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := cryptossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	w.key = signer
	c := open(t, ssh.Kind(), w.settings())
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	if outcome := one(t, c.Probe(t.Context(), []connector.Account{account})); outcome.Err != nil || outcome.State != connector.Active || !outcome.Verified {
		t.Errorf("probe: %+v", outcome)
	}
	if outcome := revoke(t, c, account); outcome.Err != nil || !outcome.Verified {
		t.Errorf("revoke: %+v", outcome)
	}
	if outcome := one(t, c.Probe(t.Context(), []connector.Account{account})); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("probe after revoke: %+v", outcome)
	}
}

// TestProbeUser: where user names are not principals, the probe logs in as the
// user that it is told.
func TestProbeUser(t *testing.T) {
	t.Parallel()
	w := &world{server: testserver.SSHD(t, testserver.SSHDOptions{Config: []string{
		"AuthorizedPrincipalsCommandUser root", "AuthorizedPrincipalsCommand /bin/echo etl-role",
	}})}
	if w.server.User != "root" {
		t.Skip("sshd runs AuthorizedPrincipalsCommand as another user for root alone")
	}
	w.key = testserver.NewSSHKey(t, filepath.Join(w.server.Folder, "user"))
	access := w.access()
	access["principals"] = nhi.List("etl-role")
	c := open(t, ssh.Kind(), w.with(nhi.Values{"probe_user": nhi.Text(w.server.User)}))
	account := activate(t, c, w.account(t, time.Hour, access))
	if outcome := one(t, c.Probe(t.Context(), []connector.Account{account})); outcome.Err != nil || outcome.State != connector.Active {
		t.Errorf("probe as %s: %+v\n%s", w.server.User, outcome, w.server.Log())
	}
	bare := open(t, ssh.Kind(), w.settings())
	if outcome := one(t, bare.Probe(t.Context(), []connector.Account{account})); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("probe as the principal, which is no user: %+v", outcome)
	}
	if outcome := revoke(t, c, account); outcome.Err != nil || !outcome.Verified {
		t.Errorf("revoke: %+v", outcome)
	}
}

// TestSSHKeygenAgrees: OpenSSH's own tool reads the certificate, the list and
// the endpoint as we mean them.
func TestSSHKeygenAgrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keygen := testserver.Require(t, "ssh-keygen")
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	account := activate(t, c, w.account(t, time.Hour, w.access("deploy")))
	file := filepath.Join(w.server.Folder, "issued-cert.pub")
	if err := os.WriteFile(file, []byte(account.Evidence+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown, err := exec.Command(keygen, "-L", "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen -L: %v\n%s", err, shown)
	}
	for _, want := range []string{
		"user certificate", `Key ID: "nhi 00000000000000000000000000000000 production/payments/orders-etl:default box"`,
		"Serial: " + account.ID, "deploy", "permit-pty", "Critical Options: (none)",
	} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("ssh-keygen -L does not say %q:\n%s", want, shown)
		}
	}
	revokedSays := func(want bool) {
		t.Helper()
		out, err := exec.Command(keygen, "-Q", "-f", w.server.KRLFile, file).CombinedOutput()
		if revoked := bytes.Contains(out, []byte("REVOKED")); revoked != want || revoked == (err == nil) {
			t.Errorf("ssh-keygen -Q: %v\n%swant revoked: %v", err, out, want)
		}
	}
	revokedSays(false)
	if outcome := revoke(t, c, account); outcome.Err != nil {
		t.Fatal(outcome.Err)
	}
	revokedSays(true)

	out, err := exec.Command(keygen, "-l", "-f", w.server.CAKeyFile+".pub").CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen -l: %v\n%s", err, out)
	}
	if endpoint, err := ssh.Kind().Endpoint(w.settings()); err != nil || endpoint != strings.Fields(string(out))[1] {
		t.Errorf("endpoint is %q (%v), and ssh-keygen -l says %s", endpoint, err, out)
	}
}

// TestDriftByHand: an administrator revokes the serial with ssh-keygen. It is
// seen, and nothing is signed for that account again.
func TestDriftByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keygen := testserver.Require(t, "ssh-keygen")
	c := open(t, ssh.Kind(), w.settings())
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	spec := filepath.Join(w.server.Folder, "spec")
	if err := os.WriteFile(spec, []byte("serial: "+account.ID+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(keygen, "-k", "-u", "-f", w.server.KRLFile, "-s", w.server.CAKeyFile+".pub", spec).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen -k: %v\n%s", err, out)
	}
	if w.works(t, account.Evidence) {
		t.Error("sshd lets in what ssh-keygen revoked")
	}
	seen := observe(t, c, account)
	if seen.State != connector.Absent || len(seen.Findings) == 0 || !strings.Contains(seen.Findings[0], account.ID) {
		t.Errorf("after a revocation by hand: %+v", seen)
	}
	for name, call := range map[string]func() connector.Outcome{
		"prepare": func() connector.Outcome { return one(t, c.Prepare(t.Context(), []connector.Account{account})) },
		"enable":  func() connector.Outcome { return one(t, c.Enable(t.Context(), []connector.Account{account})) },
		"enable of a lost one": func() connector.Outcome {
			lost := account
			lost.Evidence = ""
			return one(t, c.Enable(t.Context(), []connector.Account{lost}))
		},
	} {
		if outcome := call(); !errors.Is(outcome.Err, nhi.ErrEnded) {
			t.Errorf("%s after a revocation: %+v, want ErrEnded", name, outcome)
		}
	}
}
