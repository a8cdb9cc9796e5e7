package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// attempt is how a login ended.
type attempt struct {
	reasons []string      // the server's, where it refused
	left    time.Duration // until the certificate ends
}

// told says how it ended.
func (a attempt) told(key, user string) string {
	left := ""
	if a.left > 0 {
		left = fmt.Sprintf(", with %s left on its certificate", a.left.Round(time.Second))
	}
	if len(a.reasons) == 0 {
		return fmt.Sprintf("asked the server: it lets %s in as %s%s", key, user, left)
	}
	return fmt.Sprintf("asked the server: it refuses %s%s (%s)", key, left, strings.Join(a.reasons, ", and "))
}

// is holds where the login was refused for exactly these reasons; for none,
// where it was let in.
func (a attempt) is(reasons ...string) bool { return slices.Equal(a.reasons, reasons) }

// login does what `ssh -i keys/NAME USER@server whoami` would do, with the
// certificate beside the key where there is one.
func (s *story) login(ctx context.Context, name, user string) (attempt, error) {
	s.logins++
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
	answer, err := s.whoami(connection, user, signer)
	made.reasons = s.server.refusal(from)
	switch {
	case len(made.reasons) > 0 && err == nil:
		err = errors.New("the server let in what it refused")
	case len(made.reasons) > 0:
		err = nil
	case err == nil && answer != user:
		err = fmt.Errorf("whoami says %q", answer)
	}
	if err != nil {
		err = fmt.Errorf("login as %s: %w", user, err)
	}
	return made, err
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
