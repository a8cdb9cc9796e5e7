package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxKeyFile bounds a key file, in bytes.
const maxKeyFile = 64 << 10

// publicSuffix ends the name of a public key's file, as ssh-keygen writes it.
const publicSuffix = ".pub"

// LoadSigner returns a signer for the key at path, of which a leading "~/" is
// the home directory.
//
// A private key in OpenSSH format is read from the file; passphrase is asked
// only where the file is encrypted, and may be nil. A path that ends in .pub,
// a private key that is not there beside its .pub, and a hardware key are used
// through ssh-agent at SSH_AUTH_SOCK. A key that may not sign or cannot be
// read is nhi.ErrInvalid, a missing file fs.ErrNotExist, and an agent that
// does not answer or lacks the key nhi.ErrUnreachable.
func LoadSigner(path string, passphrase func() ([]byte, error)) (ssh.Signer, error) {
	path, err := expandHome(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, publicSuffix) {
		return loadAgentSigner(path)
	}
	data, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		signer, agentErr := loadAgentSigner(path + publicSuffix)
		if errors.Is(agentErr, fs.ErrNotExist) {
			return nil, err
		}
		return signer, agentErr
	}
	if err != nil {
		return nil, err
	}
	if isHardwareKey(path + publicSuffix) {
		return loadAgentSigner(path + publicSuffix)
	}
	signer, err := parsePrivateKey(data, passphrase)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return signer, nil
}

func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("expand %s: %w", path, err)
	}
	return filepath.Join(home, rest), nil
}

func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("key %s is longer than %d bytes: %w", path, maxKeyFile, nhi.ErrInvalid)
	}
	return data, nil
}

// isHardwareKey says whether the public key file at path is of a hardware
// token, whose private key file is a mere handle that only the agent can use.
func isHardwareKey(path string) bool {
	data, err := readKeyFile(path)
	return err == nil && bytes.HasPrefix(data, []byte(hardwarePrefix))
}

func parsePrivateKey(data []byte, passphrase func() ([]byte, error)) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		if passphrase == nil {
			return nil, fmt.Errorf("it is encrypted, and there is nobody to ask for its passphrase "+
				"(add it to ssh-agent and name its .pub file): %w", nhi.ErrInvalid)
		}
		secret, askErr := passphrase()
		if askErr != nil {
			return nil, fmt.Errorf("ask for the passphrase: %w", askErr)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(data, secret)
	}
	if err != nil {
		return nil, fmt.Errorf("no private key in OpenSSH format, or a wrong passphrase: %w: %w", err, nhi.ErrInvalid)
	}
	return signer, checkType(signer.PublicKey())
}
