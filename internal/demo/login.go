package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// attempt is how a login ended: in, with the server's answer to whoami, or
// refused, with the server's reasons.
type attempt struct {
	answer  string
	reasons []string
	left    time.Duration // until the certificate ends
}

// String says it as the server would.
func (a attempt) String() string {
	if a.answer != "" {
		return "in, as " + a.answer
	}
	return "refused: " + strings.Join(a.reasons, ", and ")
}

// is holds where the login was refused for exactly these reasons; for none,
// where it was let in.
func (a attempt) is(reasons ...string) bool {
	return strings.Join(a.reasons, "\n") == strings.Join(reasons, "\n") && (a.answer != "") == (len(reasons) == 0)
}

// login does what `ssh -i keys/NAME USER@server whoami` would do, with the
// certificate beside the key where there is one.
func (s *story) login(ctx context.Context, name, user string) (attempt, error) {
	signer, err := s.keys.signer(name)
	if err != nil {
		return attempt{}, err
	}
	certificate, err := s.keys.certificate(name)
	if err != nil {
		return attempt{}, err
	}
	var made attempt
	if certificate != nil {
		made.left = time.Until(endOf(certificate))
		if signer, err = ssh.NewCertSigner(certificate, signer); err != nil {
			return attempt{}, err
		}
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", s.server.address)
	if err != nil {
		return attempt{}, err
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	from := connection.LocalAddr()
	made.answer, err = s.whoami(connection, user, signer)
	made.reasons = s.server.refusal(from)
	if err != nil && len(made.reasons) == 0 {
		return made, fmt.Errorf("login as %s: %w", user, err)
	}
	if err == nil && len(made.reasons) > 0 {
		return made, errors.New("the server let in what it refused")
	}
	return made, nil
}

// whoami logs in over a connection, and asks who it is there.
func (s *story) whoami(connection net.Conn, user string, signer ssh.Signer) (string, error) {
	known, err := knownhosts.New(s.place.knownHosts())
	if err != nil {
		return "", err
	}
	transport, channels, requests, err := ssh.NewClientConn(connection, s.server.address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: known,
	})
	if err != nil {
		return "", err
	}
	client := ssh.NewClient(transport, channels, requests)
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	out, err := session.Output("whoami")
	return strings.TrimSpace(string(out)), err
}
