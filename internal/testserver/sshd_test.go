package testserver_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestSSHD: the server lets in what its CA signed, and nothing else. It is what
// every test that asks the target leans on.
func TestSSHD(t *testing.T) {
	t.Parallel()
	server := testserver.SSHD(t, testserver.SSHDOptions{})
	key := testserver.NewSSHKey(t, filepath.Join(server.Folder, "user"))
	data, err := os.ReadFile(server.CAKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(by ssh.Signer) string {
		certificate := &ssh.Certificate{
			Key: key.PublicKey(), CertType: ssh.UserCert, Serial: 7, ValidPrincipals: []string{server.User},
			ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
		}
		if err := certificate.SignCert(rand.Reader, by); err != nil {
			t.Fatal(err)
		}
		return string(ssh.MarshalAuthorizedKey(certificate))
	}
	login := func(certificate string) error {
		out, err := testserver.LoginSSH(t, testserver.Login{Server: server, Key: key, Certificate: certificate, Command: "echo in"})
		if err == nil && strings.TrimSpace(out) != "in" {
			t.Errorf("the command wrote %q", out)
		}
		return err
	}
	if err := login(signed(ca)); !errors.Is(err, testserver.ErrLoginRefused) {
		t.Errorf("without a revocation list sshd must refuse everybody: %v", err)
	}
	list := krl.New()
	put(t, server, list)
	if err := login(signed(ca)); err != nil {
		t.Errorf("signed by its CA: %v\n%s", err, server.Log())
	}
	for name, certificate := range map[string]string{"the bare key": "", "signed by another": signed(key)} {
		if err := login(certificate); !errors.Is(err, testserver.ErrLoginRefused) {
			t.Errorf("%s: %v, want refused", name, err)
		}
	}
	if _, err := list.Revoke(ca.PublicKey(), 7); err != nil {
		t.Fatal(err)
	}
	put(t, server, list)
	if err := login(signed(ca)); !errors.Is(err, testserver.ErrLoginRefused) {
		t.Errorf("revoked: %v, want refused", err)
	}
}

func put(t *testing.T, server *testserver.SSHServer, list *krl.List) {
	t.Helper()
	if err := os.WriteFile(server.KRLFile, list.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
}
