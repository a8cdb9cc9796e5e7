package ssh_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// paper is a CA without any server.
func paper(t *testing.T) *world {
	t.Helper()
	folder := t.TempDir()
	server := &testserver.SSHServer{Folder: folder, User: "deploy", CAKeyFile: filepath.Join(folder, "ca"), KRLFile: filepath.Join(folder, "revoked.krl")}
	testserver.NewSSHKey(t, server.CAKeyFile)
	return &world{server: server, key: testserver.NewSSHKey(t, filepath.Join(folder, "user"))}
}

// list reads the revocation list.
func (w *world) list(t *testing.T) *krl.List {
	t.Helper()
	data, err := os.ReadFile(w.server.KRLFile)
	if err != nil {
		t.Fatal(err)
	}
	list, err := krl.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func certificateOf(t *testing.T, account connector.Account) *cryptossh.Certificate {
	t.Helper()
	key, _, _, _, err := cryptossh.ParseAuthorizedKey([]byte(account.Evidence))
	if err != nil {
		t.Fatal(err)
	}
	certificate, ok := key.(*cryptossh.Certificate)
	if !ok {
		t.Fatal("the evidence is no certificate")
	}
	return certificate
}

// TestBrokenListIsLeftAlone: whatever is no list that sshd can read is an
// error for everything, and not one byte of it changes.
func TestBrokenListIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := paper(t)
	key := w.access().Text("public_key")
	good := string(krl.New().Marshal())
	for name, content := range map[string]string{
		"garbage":     "garbage",
		"a text list": key + "\n",
		"torn":        good[:len(good)-3],
		"signed":      good + "\x04\x00\x00\x00\x01x\x00\x00\x00\x01y",
		"more data":   good + "\x09",
	} {
		fresh := paper(t)
		c := open(t, ssh.Kind(), fresh.unprobed("krl"))
		account := activate(t, c, fresh.account(t, time.Hour, fresh.access()))
		write(t, fresh.server.KRLFile, content)
		list := []connector.Account{account}
		if _, err := c.Read(t.Context(), nil); !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("%s: read: %v", name, err)
		}
		for verb, outcomes := range map[string][]connector.Outcome{
			"prepare": c.Prepare(t.Context(), list), "enable": c.Enable(t.Context(), list), "revoke": c.Revoke(t.Context(), list),
		} {
			if outcome := one(t, outcomes); outcome.Err == nil || outcome.State == connector.Absent {
				t.Errorf("%s: %s: %+v", name, verb, outcome)
			}
		}
		if after, err := os.ReadFile(fresh.server.KRLFile); err != nil || string(after) != content {
			t.Errorf("%s: the bytes changed (%v)", name, err)
		}
	}
}

// TestLostListIsNotBegunAnew: an empty new list would let in whom the old one
// refused.
func TestLostListIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	w := paper(t)
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	if err := os.Remove(w.server.KRLFile); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(t.Context(), nil); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("read: %v, want ErrUnreachable", err)
	}
	other := w.account(t, time.Hour, w.access())
	if outcome := one(t, c.Prepare(t.Context(), []connector.Account{other})); !errors.Is(outcome.Err, nhi.ErrUnreachable) {
		t.Errorf("prepare: %+v, want ErrUnreachable", outcome)
	}
	if outcome := revoke(t, c, account); outcome.Err == nil {
		t.Errorf("revoke: %+v, want an error", outcome)
	}
	if w.fingerprint(t) != "none" {
		t.Error("a new list was begun")
	}
}

// TestForeignEntriesSurvive: the list is also used by people with ssh-keygen.
func TestForeignEntriesSurvive(t *testing.T) {
	t.Parallel()
	w := paper(t)
	keygen := testserver.Require(t, "ssh-keygen")
	folder := w.server.Folder
	banned := testserver.NewSSHKey(t, filepath.Join(folder, "banned"))
	testserver.NewSSHKey(t, filepath.Join(folder, "other-ca"))
	write(t, filepath.Join(folder, "spec"), "serial: 1-1000\nserial: 5000\nid: bad id\n")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(keygen, args...).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
		}
	}
	run("-k", "-f", w.server.KRLFile, "-z", "41", "-s", w.server.CAKeyFile+".pub", filepath.Join(folder, "spec"))
	run("-k", "-u", "-f", w.server.KRLFile, "-s", filepath.Join(folder, "other-ca.pub"), filepath.Join(folder, "spec"))
	run("-k", "-u", "-f", w.server.KRLFile, filepath.Join(folder, "banned.pub"))
	if err := os.Chmod(w.server.KRLFile, 0o640); err != nil {
		t.Fatal(err)
	}
	before := w.list(t)
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	first := activate(t, c, w.account(t, time.Hour, w.access()))
	second := activate(t, c, w.account(t, time.Hour, w.access()))
	if w.list(t).Version() != before.Version() {
		t.Error("signing changed the list")
	}
	wantGone(t, revoke(t, c, first), false)

	after := w.list(t)
	ca := certificateOf(t, first).SignatureKey
	for serial := uint64(1); serial < 6000; serial++ {
		if after.RevokesSerial(ca, serial) != before.RevokesSerial(ca, serial) {
			t.Fatalf("serial %d changed", serial)
		}
	}
	victim := *certificateOf(t, second)
	if after.Revokes(&victim) {
		t.Error("another certificate is revoked")
	}
	victim.KeyId = "bad id"
	if !after.Revokes(&victim) {
		t.Error("the revoked key id is lost")
	}
	victim.KeyId, victim.Key = "x", banned.PublicKey()
	if !after.Revokes(&victim) {
		t.Error("the revoked key is lost")
	}
	if !after.Revokes(certificateOf(t, first)) || after.Version() != before.Version()+1 {
		t.Errorf("version went from %d to %d", before.Version(), after.Version())
	}
	if info, err := os.Stat(w.server.KRLFile); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, want 0640 (%v)", info.Mode(), err)
	}
}

// TestLinkStaysALink: the list may be a link into a folder that is shared.
func TestLinkStaysALink(t *testing.T) {
	t.Parallel()
	w := paper(t)
	target := filepath.Join(t.TempDir(), "real.krl")
	write(t, target, "") // and made with touch, as people do
	if err := os.Symlink(target, w.server.KRLFile); err != nil {
		t.Fatal(err)
	}
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	wantGone(t, revoke(t, c, account), false)
	if info, err := os.Lstat(w.server.KRLFile); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone (%v)", err)
	}
	if !w.list(t).Revokes(certificateOf(t, account)) {
		t.Error("not revoked")
	}
}

func caOf(t *testing.T, w *world) cryptossh.PublicKey {
	t.Helper()
	data, err := os.ReadFile(w.server.CAKeyFile + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := cryptossh.ParseAuthorizedKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestRevokeWithoutThePrivateKey: removal must not wait for what only signing
// needs.
func TestRevokeWithoutThePrivateKey(t *testing.T) {
	t.Parallel()
	w := paper(t)
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	known := activate(t, c, w.account(t, time.Hour, w.access()))
	lost := activate(t, c, w.account(t, time.Hour, w.access()))
	certificate := certificateOf(t, lost)
	lost.Evidence = ""
	if err := os.Remove(w.server.CAKeyFile); err != nil {
		t.Fatal(err)
	}
	wantGone(t, revoke(t, c, lost), false)
	if err := os.Remove(w.server.CAKeyFile + ".pub"); err != nil {
		t.Fatal(err)
	}
	wantGone(t, revoke(t, c, known), false)
	for _, revoked := range []*cryptossh.Certificate{certificate, certificateOf(t, known)} {
		if !w.list(t).Revokes(revoked) {
			t.Errorf("serial %d is not revoked", revoked.Serial)
		}
	}
	unknown := w.account(t, time.Hour, w.access())
	unknown.Enabled = true
	if outcome := revoke(t, c, unknown); !errors.Is(outcome.Err, nhi.ErrUnreachable) {
		t.Errorf("revoke under an unknown key: %+v, want ErrUnreachable", outcome)
	}
}

// TestEvidenceDecidesWhatIsIssued: nothing is issued beyond what Enable signed.
func TestEvidenceDecidesWhatIsIssued(t *testing.T) {
	t.Parallel()
	w := paper(t)
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	issuer, ok := connector.IssuerOf(c)
	if !ok {
		t.Fatal("not an issuer")
	}
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	wider := account
	wider.Access = w.access("root")
	if _, err := issuer.Issue(t.Context(), wider, account.NotAfter, nil); !errors.Is(err, nhi.ErrForeign) {
		t.Errorf("issue of more than was enabled: %v", err)
	}
	longer := account
	longer.NotAfter = account.NotAfter.Add(time.Hour)
	if _, err := issuer.Issue(t.Context(), longer, longer.NotAfter, nil); !errors.Is(err, nhi.ErrForeign) {
		t.Errorf("issue for longer than was enabled: %v", err)
	}
	if _, err := issuer.Issue(t.Context(), account, time.Now().Add(-time.Hour), nil); !errors.Is(err, nhi.ErrEnded) {
		t.Errorf("issue into the past: %v", err)
	}
	issued, err := issuer.Issue(t.Context(), account, time.Now().Add(time.Minute), nil)
	if err != nil {
		t.Fatal(err)
	}
	account.Evidence = issued.Values["certificate"].Reveal()
	certificate := certificateOf(t, account)
	if certificate.Serial != certificateOf(t, wider).Serial {
		t.Error("issued under another serial")
	}
}
