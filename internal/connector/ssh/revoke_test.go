package ssh_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// wantUnconfirmed wants a removal that was ordered and not confirmed.
func wantUnconfirmed(t *testing.T, account connector.Account, outcome connector.Outcome) {
	t.Helper()
	if !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || outcome.Verified || outcome.State == connector.Absent {
		t.Errorf("revoke: %+v, want ErrUnconfirmed", outcome)
	}
	if !outcome.UsableUntil.Equal(account.NotAfter) {
		t.Errorf("usable until %s, want %s", outcome.UsableUntil, account.NotAfter)
	}
}

func wantGone(t *testing.T, outcome connector.Outcome, verified bool) {
	t.Helper()
	if outcome.Err != nil || outcome.State != connector.Absent || outcome.Verified != verified {
		t.Errorf("revoke: %+v, want absent, verified %v", outcome, verified)
	}
}

// wantNoAnswer wants a probe that concludes nothing.
func wantNoAnswer(t *testing.T, outcome connector.Outcome) {
	t.Helper()
	if !errors.Is(outcome.Err, nhi.ErrUnreachable) || outcome.State == connector.Absent || outcome.State == connector.Active {
		t.Errorf("probe: %+v, want ErrUnreachable and no state", outcome)
	}
}

// TestWithoutProbe: nobody can say that the list reached a host, so only the
// end of the certificate confirms.
func TestWithoutProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := &clock{time.Now()}
	c := open(t, ssh.KindAt(at.time), w.unprobed(""))
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	wantUnconfirmed(t, account, revoke(t, c, account))
	seen := observe(t, c, account)
	if seen.State != connector.Absent || seen.Verified || !seen.UsableUntil.Equal(account.NotAfter) {
		t.Errorf("read: %+v, want absent, not verified, usable until the end", seen)
	}
	lost := account
	lost.Evidence = ""
	wantUnconfirmed(t, account, revoke(t, c, lost))
	at.now = account.NotAfter.Add(-time.Second)
	wantUnconfirmed(t, account, revoke(t, c, account))
	at.now = account.NotAfter
	wantGone(t, revoke(t, c, account), false) // it has ended; no host has said so
	wantGone(t, revoke(t, c, lost), false)
}

func TestConfirmKRL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	outcome := revoke(t, c, account)
	wantGone(t, outcome, false)
	if !outcome.UsableUntil.Equal(account.NotAfter) {
		t.Errorf("usable until %s, want %s", outcome.UsableUntil, account.NotAfter)
	}
	if w.works(t, account.Evidence) {
		t.Error("works after it was revoked")
	}
}

// TestNeverEnabled: where nothing was ever signed, there is nothing to revoke,
// and the list stays as it was.
func TestNeverEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := open(t, ssh.Kind(), w.unprobed(""))
	account := w.account(t, time.Hour, w.access())
	if outcome := one(t, c.Prepare(t.Context(), []connector.Account{account})); outcome.Err != nil {
		t.Fatal(outcome.Err)
	}
	before := w.fingerprint(t)
	wantGone(t, revoke(t, c, account), true)
	if w.fingerprint(t) != before {
		t.Error("the revocation list changed")
	}
}

func TestHostDownAtRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := open(t, ssh.Kind(), w.settings())
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	w.server.Stop()
	wantUnconfirmed(t, account, revoke(t, c, account))
	wantNoAnswer(t, one(t, c.Probe(t.Context(), []connector.Account{account})))
	w.server.Start(t)
	if w.works(t, account.Evidence) {
		t.Error("the serial was not put into the list while the host was down")
	}
	wantGone(t, revoke(t, c, account), true)
}

// TestHostWithoutOurList: the list never reaches this host, and the probe says so.
func TestHostWithoutOurList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deaf := testserver.SSHD(t, testserver.SSHDOptions{CA: w.server, Config: []string{"RevokedKeys none"}})
	both := w.both(t, deaf)
	c := open(t, ssh.Kind(), both)
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	outcome := revoke(t, c, account)
	wantUnconfirmed(t, account, outcome)
	if outcome.Err == nil || !strings.Contains(outcome.Err.Error(), deaf.Address) {
		t.Errorf("the error does not name the host that still accepts: %v", outcome.Err)
	}
	lost := account
	lost.Evidence = ""
	wantUnconfirmed(t, account, revoke(t, c, lost))
	probe := one(t, c.Probe(t.Context(), []connector.Account{account}))
	if probe.Err == nil || probe.State == connector.Absent || probe.Verified {
		t.Errorf("probe of hosts that disagree: %+v", probe)
	}
}

// both are settings that probe the world's server and another one.
func (w *world) both(t *testing.T, other *testserver.SSHServer) setting.Settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	lines := knownhosts.Line([]string{w.server.Address}, w.server.HostKey) + "\n" + knownhosts.Line([]string{other.Address}, other.HostKey) + "\n"
	write(t, file, lines)
	return w.with(nhi.Values{"probe": nhi.List(w.server.Address, other.Address), "known_hosts_file": nhi.Text(file)})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedAtActivation: a host that does not trust the CA makes the probe
// of a fresh certificate fail.
func TestRefusedAtActivation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := testserver.SSHD(t, testserver.SSHDOptions{})
	file := filepath.Join(t.TempDir(), "known_hosts")
	write(t, file, knownhosts.Line([]string{stranger.Address}, stranger.HostKey)+"\n")
	c := open(t, ssh.Kind(), w.with(nhi.Values{"probe": nhi.List(stranger.Address), "known_hosts_file": nhi.Text(file)}))
	// Without a list of its own, the stranger refuses everybody, for another reason.
	write(t, stranger.KRLFile, "")
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	if outcome := one(t, c.Probe(t.Context(), []connector.Account{account})); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("probe: %+v, want absent", outcome)
	}
}

// TestSomebodyElsesEvidence: evidence comes out of a ledger or a state file,
// and may be anything.
func TestSomebodyElsesEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := open(t, ssh.Kind(), w.settings())
	victim := activate(t, c, w.account(t, time.Hour, w.access()))
	for name, evidence := range map[string]string{
		"another account's": victim.Evidence,
		"a plain key":       w.access().Text("public_key"),
		"garbage":           "garbage",
		"tampered with":     victim.Evidence[:len(victim.Evidence)-12] + "AAAAAAAAAAA=",
	} {
		account := w.account(t, time.Hour, w.access())
		account.Evidence = evidence
		if seen := observe(t, c, account); seen.State != connector.Foreign {
			t.Errorf("%s: %+v, want foreign", name, seen)
		}
		if outcome := one(t, c.Enable(t.Context(), []connector.Account{account})); !errors.Is(outcome.Err, nhi.ErrForeign) {
			t.Errorf("%s: enable: %+v, want ErrForeign", name, outcome)
		}
		wantGone(t, revoke(t, c, account), true)
		if !w.works(t, victim.Evidence) {
			t.Fatalf("%s: another account was revoked", name)
		}
	}
}
