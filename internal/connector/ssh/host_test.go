package ssh_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestWrongHostIsNeverRefused: an impostor that refuses everybody confirms
// nothing, and neither does a host that nobody knows.
func TestWrongHostIsNeverRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	impostor := testserver.SSHD(t, testserver.SSHDOptions{})
	folder := t.TempDir()
	wrongKey, unknown := filepath.Join(folder, "wrong key"), filepath.Join(folder, "unknown")
	write(t, wrongKey, knownhosts.Line([]string{impostor.Address}, w.server.HostKey)+"\n")
	write(t, unknown, knownhosts.Line([]string{w.server.Address}, w.server.HostKey)+"\n")
	honest := open(t, ssh.Kind(), w.settings())
	account := activate(t, honest, w.account(t, time.Hour, w.access()))
	for _, file := range []string{wrongKey, unknown, filepath.Join(folder, "missing"), w.server.CAKeyFile} {
		c := open(t, ssh.Kind(), w.with(nhi.Values{"probe": nhi.List(impostor.Address), "known_hosts_file": nhi.Text(file)}))
		wantNoAnswer(t, one(t, c.Probe(t.Context(), []connector.Account{account})))
		outcome := revoke(t, c, account)
		if outcome.Err == nil || outcome.State == connector.Absent || outcome.Verified {
			t.Errorf("revoke with %s: %+v", filepath.Base(file), outcome)
		}
	}
	wantGone(t, revoke(t, honest, account), true)
}

// TestGarbageIsNeverRefused: servers that do everything but answer.
func TestGarbageIsNeverRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := activate(t, open(t, ssh.Kind(), w.settings()), w.account(t, time.Hour, w.access()))
	for name, serve := range map[string]func(net.Conn){
		"closes":      func(net.Conn) {},
		"garbage":     func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("garbage\n"), 1000)) },
		"banner only": func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n")) },
		"failure as text": func(c net.Conn) {
			_, _ = c.Write([]byte("ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain\r\n"))
		},
		"a huge packet": func(c net.Conn) {
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n\x3f\xff\xff\xff"))
			_, _ = io.Copy(c, endless{})
		},
		"lines without end": func(c net.Conn) { _, _ = io.Copy(c, endless{}) },
		"a line without end": func(c net.Conn) {
			_, _ = c.Write([]byte("SSH-2.0-"))
			_, _ = io.Copy(c, zeros{})
		},
		"silent after its banner": func(c net.Conn) {
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
			_, _ = io.Copy(io.Discard, c)
		},
		"silent": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, serve)
			file := filepath.Join(t.TempDir(), "known_hosts")
			write(t, file, knownhosts.Line([]string{address}, w.server.HostKey)+"\n")
			kind := ssh.Kind()
			settings := w.with(nhi.Values{"probe": nhi.List(address), "known_hosts_file": nhi.Text(file)})
			inner, err := kind.Open(t.Context(), settings)
			if err != nil {
				t.Fatal(err)
			}
			c := connector.Checked(kind, "bastion", settings, inner, connector.WithDeadline(2*time.Second, 0))
			wantNoAnswer(t, one(t, c.Probe(t.Context(), []connector.Account{account})))
		})
	}
}

// endless is lines of text, zeros a line that never ends.
type (
	endless struct{}
	zeros   struct{}
)

func (endless) Read(p []byte) (int, error) { return copy(p, "come in, come in\r\n"), nil }
func (zeros) Read(p []byte) (int, error)   { return copy(p, "0000000000000000"), nil }

// listen serves every connection once and closes it.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				serve(connection)
			}()
		}
	}()
	return listener.Addr().String()
}

// TestHostKnownByItsCA: known_hosts may name a CA instead of a key.
func TestHostKnownByItsCA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := t.TempDir()
	hostCA := testserver.NewSSHKey(t, filepath.Join(folder, "host-ca"))
	host := testserver.NewSSHKey(t, filepath.Join(folder, "host"))
	certificate := &cryptossh.Certificate{
		Key: host.PublicKey(), CertType: cryptossh.HostCert, KeyId: "host", ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: cryptossh.CertTimeInfinity,
	}
	if err := certificate.SignCert(rand.Reader, hostCA); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "host-cert.pub"), string(cryptossh.MarshalAuthorizedKey(certificate)))
	server := testserver.SSHD(t, testserver.SSHDOptions{CA: w.server, Config: []string{
		"HostKey " + filepath.Join(folder, "host"), "HostCertificate " + filepath.Join(folder, "host-cert.pub"),
	}})
	known := filepath.Join(folder, "known_hosts")
	write(t, known, fmt.Sprintf("@cert-authority %s", knownhosts.Line([]string{server.Address}, hostCA.PublicKey())+"\n"))
	c := open(t, ssh.Kind(), w.with(nhi.Values{"probe": nhi.List(server.Address), "known_hosts_file": nhi.Text(known)}))
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	if outcome := one(t, c.Probe(t.Context(), []connector.Account{account})); outcome.Err != nil || outcome.State != connector.Active {
		t.Errorf("probe: %+v", outcome)
	}
	wantGone(t, revoke(t, c, account), true)
}
