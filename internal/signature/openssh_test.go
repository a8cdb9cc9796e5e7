package signature_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// requireOpenSSH skips without ssh-keygen, except where servers are required.
func requireOpenSSH(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("NHI_REQUIRE_SERVERS") != "" {
			t.Fatal("ssh-keygen is missing, and NHI_REQUIRE_SERVERS is set")
		}
		t.Skip("ssh-keygen is missing")
	}
}

func keygen(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	command := exec.Command("ssh-keygen", args...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	return string(out), err
}

func mustKeygen(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := keygen(t, stdin, args...)
	if err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
	}
	return out
}

// newKeyFile makes a key as people do, and returns its path.
func newKeyFile(t *testing.T, algorithm, passphrase string) string {
	t.Helper()
	requireOpenSSH(t)
	path := filepath.Join(t.TempDir(), "id")
	args := []string{"-q", "-t", algorithm, "-N", passphrase, "-C", "ana@example.com", "-f", path}
	if passphrase != "" {
		args = append(args, "-a", "1")
	}
	mustKeygen(t, "", args...)
	return path
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOpenSSHAcceptsWhatWeSign(t *testing.T) {
	t.Parallel()
	requireOpenSSH(t)
	for name, signer := range map[string]func(*testing.T) ssh.Signer{
		"ed25519":    func(t *testing.T) ssh.Signer { return mustLoad(t, newKeyFile(t, "ed25519", "")) },
		"ecdsa":      func(t *testing.T) ssh.Signer { return mustLoad(t, newKeyFile(t, "ecdsa", "")) },
		"sk-ed25519": func(t *testing.T) ssh.Signer { return newToken(t, ssh.KeyAlgoSKED25519) },
		"sk-ecdsa":   func(t *testing.T) ssh.Signer { return newToken(t, ssh.KeyAlgoSKECDSA256) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := signer(t)
			block, err := signature.Sign(signer, signature.NamespaceDecision, message)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			sig := writeFile(t, filepath.Join(dir, "sig"), block)
			allowed := writeFile(t, filepath.Join(dir, "allowed"), "ana@example.com "+signature.Key(signer.PublicKey())+"\n")
			verify := func(namespace, text string) error {
				_, err := keygen(t, text, "-Y", "verify", "-f", allowed, "-I", "ana@example.com", "-n", namespace, "-s", sig)
				return err
			}
			mustKeygen(t, message, "-Y", "check-novalidate", "-n", signature.NamespaceDecision, "-s", sig)
			if err := verify(signature.NamespaceDecision, message); err != nil {
				t.Errorf("ssh-keygen -Y verify: %v", err)
			}
			if verify(signature.NamespacePolicy, message) == nil || verify(signature.NamespaceDecision, message+"x") == nil {
				t.Error("ssh-keygen accepts another namespace or text")
			}
		})
	}
}

func TestWeAcceptWhatOpenSSHSigns(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			path := newKeyFile(t, algorithm, "")
			text := writeFile(t, filepath.Join(t.TempDir(), "text"), message)
			mustKeygen(t, "", "-q", "-Y", "sign", "-f", path, "-n", signature.NamespaceDecision, text)
			block := readFile(t, text+".sig")
			key, err := signature.Verify(block, signature.NamespaceDecision, message)
			if algorithm == "rsa" {
				if err == nil {
					t.Error("an RSA key signed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, _, err := signature.ParseKey(readFile(t, path+".pub"))
			if err != nil || signature.Key(key) != want {
				t.Errorf("got %s, want %s, %v", signature.Key(key), want, err)
			}
			if verify(block, signature.NamespacePolicy, message) == nil || verify(block, signature.NamespaceDecision, "x") == nil {
				t.Error("another namespace or text is accepted")
			}
			if got := signature.Blocks(block + block); len(got) != 2 || got[0] != block {
				t.Errorf("Blocks = %q", got)
			}
		})
	}
}
