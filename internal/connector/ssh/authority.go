package ssh

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// maxKeyFile bounds a key file, in bytes.
const maxKeyFile = 64 << 10

// caTypes are the types of key that sign certificates here.
var caTypes = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521}

// endpoint names a CA by the fingerprint of its key, as ssh-keygen -l shows
// it. It reads the key file and nothing else.
func endpoint(settings setting.Settings) (string, error) {
	read, err := readConfig(settings)
	if err != nil {
		return "", err
	}
	key, err := caPublicKey(read.caKeyFile)
	if err != nil {
		return "", err
	}
	return ssh.FingerprintSHA256(key), nil
}

// caSigner reads the CA's private key. Errors are nhi.ErrUnreachable where it
// cannot be read, and nhi.ErrInvalid where it is none of ours to use. They
// never quote the file.
func caSigner(path string) (ssh.Signer, error) {
	data, err := readBounded(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settingCAKey, err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("%s: %s has a passphrase, and must have none: %w", settingCAKey, path, nhi.ErrInvalid)
	case err != nil:
		return nil, fmt.Errorf("%s: %s is no OpenSSH private key: %w", settingCAKey, path, nhi.ErrInvalid)
	}
	return signer, checkCA(signer.PublicKey())
}

// caPublicKey reads the CA's public key: from the private key, or where that
// cannot be opened, from the .pub file beside it. To observe and to revoke,
// that is enough.
func caPublicKey(path string) (ssh.PublicKey, error) {
	signer, err := caSigner(path)
	if err == nil {
		return signer.PublicKey(), nil
	}
	data, pubErr := readBounded(path+".pub", maxKeyFile)
	if pubErr != nil {
		return nil, err
	}
	key, _, _, _, pubErr := ssh.ParseAuthorizedKey(data)
	if pubErr != nil {
		return nil, fmt.Errorf("%s: %s.pub is no public key: %w", settingCAKey, path, nhi.ErrInvalid)
	}
	return key, checkCA(key)
}

func checkCA(key ssh.PublicKey) error {
	if !slices.Contains(caTypes, key.Type()) {
		return fmt.Errorf("%s: a key of type %.40s cannot be the CA; use ed25519 or ecdsa: %w", settingCAKey, key.Type(), nhi.ErrInvalid)
	}
	return nil
}

// rsaBits returns the size of an RSA key, or 0.
func rsaBits(key ssh.PublicKey) int {
	if holder, ok := key.(ssh.CryptoPublicKey); ok {
		if public, ok := holder.CryptoPublicKey().(*rsa.PublicKey); ok {
			return public.N.BitLen()
		}
	}
	return 0
}

// readBounded reads a file of at most limit bytes. Errors are
// nhi.ErrUnreachable, and fs.ErrNotExist where it is so.
func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file: %w", path, nhi.ErrUnreachable)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes: %w", path, limit, nhi.ErrUnreachable)
	}
	return data, nil
}

func unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", nhi.ErrUnreachable, err)
	}
	return fmt.Errorf("cannot be read: %w: %w", nhi.ErrUnreachable, err)
}
