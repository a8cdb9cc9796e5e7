package signature_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func mustLoad(t *testing.T, path string) ssh.Signer {
	t.Helper()
	signer, err := signature.LoadSigner(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestLoadSignerReadsKeyFiles(t *testing.T) {
	t.Parallel()
	plain, locked := newKeyFile(t, "ed25519", ""), newKeyFile(t, "ecdsa", "open sesame")
	say := func(words string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(words), nil } }
	never := func() ([]byte, error) { t.Error("asked for a passphrase"); return nil, nil }
	for name, c := range map[string]struct {
		path string
		ask  func() ([]byte, error)
		ok   bool
	}{
		"plain":            {plain, never, true},
		"locked":           {locked, say("open sesame"), true},
		"wrong passphrase": {locked, say("open barley"), false},
		"nobody to ask":    {locked, nil, false},
		"rsa":              {newKeyFile(t, "rsa", ""), nil, false},
		"not a key":        {writeFile(t, filepath.Join(t.TempDir(), "x"), "hello"), nil, false},
		"over-long":        {writeFile(t, filepath.Join(t.TempDir(), "x"), strings.Repeat("x", 100<<10)), nil, false},
	} {
		signer, err := signature.LoadSigner(c.path, c.ask)
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil && strings.Contains(err.Error(), "barley") {
			t.Errorf("%s: the error repeats the passphrase: %v", name, err)
		}
		if c.ok {
			if want, _, _ := signature.ParseKey(readFile(t, c.path+".pub")); want != signature.Key(signer.PublicKey()) {
				t.Errorf("%s: another key", name)
			}
		}
	}
	refused := errors.New("no terminal")
	if _, err := signature.LoadSigner(locked, func() ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("err = %v, want %v", err, refused)
	}
	if _, err := signature.LoadSigner(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want fs.ErrNotExist", err)
	}
}

// newAgent serves keys on a socket, as ssh-agent does.
func newAgent(t *testing.T, keys ...any) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, key := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "nhi") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close(); _ = os.RemoveAll(dir) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, conn); _ = conn.Close() }()
		}
	}()
	return socket
}

// Not parallel: the environment is the process's.
func TestLoadSignerUsesTheAgent(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := newSigner(t, private, nil)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", newAgent(t, private))
	public := writeFile(t, filepath.Join(home, "id.pub"), string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	writeFile(t, filepath.Join(home, "stranger.pub"), string(ssh.MarshalAuthorizedKey(newEd25519(t).PublicKey())))
	// A hardware key's private file is a handle, of no use without the token.
	writeFile(t, filepath.Join(home, "sk.pub"), string(ssh.MarshalAuthorizedKey(newToken(t, ssh.KeyAlgoSKED25519).PublicKey())))
	writeFile(t, filepath.Join(home, "sk"), "a handle")

	for _, path := range []string{public, strings.TrimSuffix(public, ".pub"), "~/id.pub", "~/id"} {
		loaded := mustLoad(t, path)
		block, err := signature.Sign(loaded, signature.NamespaceRequest, message)
		if err != nil {
			t.Fatal(err)
		}
		key, err := signature.Verify(block, signature.NamespaceRequest, message)
		if err != nil || signature.Key(key) != signature.Key(signer.PublicKey()) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"~/stranger.pub", "~/stranger", "~/sk"} {
		if _, err := signature.LoadSigner(path, nil); !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("%s: err = %v, want ErrUnreachable", path, err)
		}
	}
	loaded := mustLoad(t, public)
	for _, socket := range []string{"", filepath.Join(home, "none")} {
		t.Setenv("SSH_AUTH_SOCK", socket)
		if _, err := signature.LoadSigner(public, nil); !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("socket %q: err = %v, want ErrUnreachable", socket, err)
		}
	}
	if _, err := signature.Sign(loaded, signature.NamespaceRequest, message); err != nil {
		t.Errorf("a loaded signer keeps its agent: %v", err)
	}
	if _, err := signature.LoadSigner("~/none.pub", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want fs.ErrNotExist", err)
	}
}

func TestLoadSignerReadsWhatGoWrites(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	mustLoad(t, writeFile(t, filepath.Join(t.TempDir(), "id"), string(pem.EncodeToMemory(block))))
}
