package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// defaultKey is the key that is used where none is named, below the home.
const defaultKey = ".ssh/id_ed25519"

// keyFlagHelp explains --key.
const keyFlagHelp = "SSH private key, or the .pub of one in ssh-agent (default: the requester's key of nhi.hcl, else ~/" + defaultKey + ")"

// signer loads a key; the passphrase of an encrypted one is asked on the
// terminal.
func (a *app) signer(ctx context.Context, path string) (ssh.Signer, error) {
	var passphrase func() ([]byte, error)
	if a.Terminal != nil {
		passphrase = func() ([]byte, error) {
			return a.Terminal.Secret(ctx, visible(fmt.Sprintf("Passphrase for %s: ", path)))
		}
	}
	signer, err := signature.LoadSigner(path, passphrase)
	switch {
	case err == nil:
		return signer, nil
	case errors.Is(err, nhi.ErrUnreachable):
		return nil, usage("%w", err) // ssh-agent, not the ledger
	default:
		return nil, fmt.Errorf("key: %w", err)
	}
}

// keyPath is the key to sign with: named by a flag, or by the configuration,
// else the usual one.
func (a *app) keyPath(named string, configured string) (string, error) {
	for _, path := range []string{named, configured} {
		if path != "" {
			return path, nil
		}
	}
	path := filepath.Join(a.Home, defaultKey)
	if exists(path) || exists(path+".pub") {
		return path, nil
	}
	return "", usage("no key to sign with: say --key FILE, or make one with\n  ssh-keygen -t ed25519 -f ~/%s", defaultKey)
}

// voter is whoever is about to decide. The key is looked for when it is first
// needed, and loaded once.
type voter struct {
	app             *app
	key, configured string // paths; either may be empty
	signer          ssh.Signer
	half            ssh.PublicKey
}

func (v *voter) path() (string, error) { return v.app.keyPath(v.key, v.configured) }

// load returns the key that signs.
func (v *voter) load(ctx context.Context) (ssh.Signer, error) {
	path, err := v.path()
	if err != nil || v.signer != nil {
		return v.signer, err
	}
	v.signer, err = v.app.signer(ctx, path)
	return v.signer, err
}

// public returns the public half: from the file beside the key where there is
// one, so that no passphrase is asked before anything was shown. What signs in
// the end is checked all the same.
func (v *voter) public(ctx context.Context) (ssh.PublicKey, error) {
	if v.half != nil {
		return v.half, nil
	}
	path, err := v.path()
	if err != nil {
		return nil, err
	}
	if written, err := publicKey(publicPath(path)); err == nil {
		_, v.half, err = signature.ParseKey(written)
		return v.half, err
	}
	signer, err := v.load(ctx)
	if err != nil {
		return nil, err
	}
	v.half = signer.PublicKey()
	return v.half, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// maxPublicKey bounds a public key's file.
const maxPublicKey = 8 << 10

// publicKey reads the one public key in a file, in canonical form.
func publicKey(path string) (string, error) {
	data, err := readFile(path, maxPublicKey)
	if err != nil {
		return "", err
	}
	key, _, err := signature.ParseKey(string(data))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// fingerprint names a key as ssh-keygen -l does.
func fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }
