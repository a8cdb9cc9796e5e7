package signature

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// agentPatience is how long one exchange with the agent may take: a person may
// have to find and touch a hardware token first.
const agentPatience = 2 * time.Minute

// agentSigner signs with a key that ssh-agent holds. It dials for each
// signature, so that nothing is left open.
type agentSigner struct {
	socket string
	key    ssh.PublicKey
}

// loadAgentSigner returns a signer for the public key in the file at path.
func loadAgentSigner(path string) (ssh.Signer, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	_, key, err := ParseKey(string(data))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, fmt.Errorf("key %s needs ssh-agent, and SSH_AUTH_SOCK is not set: %w", path, nhi.ErrUnreachable)
	}
	signer := agentSigner{socket: socket, key: key}
	if err := signer.check(); err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return signer, nil
}

// PublicKey implements ssh.Signer.
func (s agentSigner) PublicKey() ssh.PublicKey { return s.key }

// Sign implements ssh.Signer.
func (s agentSigner) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	var made *ssh.Signature
	err := s.ask(func(client agent.ExtendedAgent) (err error) {
		made, err = client.Sign(s.key, data)
		return err
	})
	return made, err
}

// check holds when the agent answers and has the key.
func (s agentSigner) check() error {
	return s.ask(func(client agent.ExtendedAgent) error {
		held, err := client.List()
		if err != nil {
			return err
		}
		for _, key := range held {
			if string(key.Marshal()) == string(s.key.Marshal()) {
				return nil
			}
		}
		return fmt.Errorf("it has %d keys, and not this one (see ssh-add -l)", len(held))
	})
}

func (s agentSigner) ask(question func(agent.ExtendedAgent) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), agentPatience)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", s.socket)
	if err != nil {
		return fmt.Errorf("ssh-agent: %w: %w", err, nhi.ErrUnreachable)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(agentPatience)); err != nil {
		return fmt.Errorf("ssh-agent: %w", err)
	}
	if err := question(agent.NewClient(conn)); err != nil {
		return fmt.Errorf("ssh-agent: %w: %w", err, nhi.ErrUnreachable)
	}
	return nil
}
