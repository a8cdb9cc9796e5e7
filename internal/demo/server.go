package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
)

// server is an SSH server that decides as sshd does with TrustedUserCAKeys and
// RevokedKeys: it lets in who shows a certificate of the CA, and reads the
// revocation list at every login. It knows nothing of ledgers or Terraform.
type server struct {
	address string
	ca      ssh.PublicKey
	krlFile string

	listener net.Listener
	config   *ssh.ServerConfig
	work     sync.WaitGroup
	stop     context.CancelFunc

	mu      sync.Mutex
	reasons map[string][]string // why a connection was refused, by its address
	probes  int                 // keys that the provider showed, and never uses
}

// startServer starts a server on a free port of this machine.
func startServer(ctx context.Context, host ssh.Signer, ca ssh.PublicKey, krlFile string) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: listener.Addr().String(), ca: ca, krlFile: krlFile, listener: listener, reasons: map[string][]string{}}
	s.config = &ssh.ServerConfig{PublicKeyCallback: s.admit}
	s.config.AddHostKey(host)
	ctx, s.stop = context.WithCancel(ctx)
	s.work.Go(func() { s.serve(ctx) })
	return s, nil
}

// close ends the server and every connection.
func (s *server) close() {
	s.stop()
	_ = s.listener.Close()
	s.work.Wait()
}

func (s *server) serve(ctx context.Context) {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.work.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
			_ = connection.SetDeadline(time.Now().Add(time.Minute))
			s.talk(connection)
		})
	}
}

// admit decides about a key that somebody shows.
func (s *server) admit(who ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	checker := &ssh.CertChecker{IsUserAuthority: s.trusts, IsRevoked: s.revoked}
	permissions, err := checker.Authenticate(who, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.reasons[who.RemoteAddr().String()] = s.explain(key, err)
	}
	if string(who.ClientVersion()) == probeVersion {
		s.probes++
	}
	return permissions, err
}

// probeVersion is what the provider says it is when it probes.
const probeVersion = "SSH-2.0-nhi_probe"

// probed says how often the provider has asked.
func (s *server) probed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probes
}

func (s *server) trusts(ca ssh.PublicKey) bool { return bytes.Equal(ca.Marshal(), s.ca.Marshal()) }

// revoked reads the list anew. Without one, everybody is refused, as by sshd.
func (s *server) revoked(certificate *ssh.Certificate) bool {
	data, err := os.ReadFile(s.krlFile)
	if err != nil {
		return true
	}
	list, err := krl.Parse(data)
	return err != nil || list.Revokes(certificate)
}

// The reasons for which the server refuses in this story.
const (
	reasonBare    = "a key without a certificate"
	reasonRevoked = "in the revocation list"
	reasonExpired = "expired"
)

// explain names every reason against a key that was refused.
func (s *server) explain(key ssh.PublicKey, refusal error) (reasons []string) {
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return []string{reasonBare}
	}
	if s.revoked(certificate) {
		reasons = append(reasons, reasonRevoked)
	}
	if !time.Now().Before(endOf(certificate)) {
		reasons = append(reasons, reasonExpired)
	}
	if len(reasons) == 0 {
		reasons = append(reasons, refusal.Error())
	}
	return reasons
}

// endOf is the end of a certificate.
func endOf(certificate *ssh.Certificate) time.Time {
	return time.Unix(int64(certificate.ValidBefore), 0)
}

// refusal returns why the server refused a connection from that address; none
// where it let it in.
func (s *server) refusal(address net.Addr) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reasons[address.String()]
}

// talk answers one connection: the one command that it knows is whoami.
func (s *server) talk(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	s.mu.Lock()
	delete(s.reasons, connection.RemoteAddr().String()) // of an earlier one
	s.mu.Unlock()
	session, channels, requests, err := ssh.NewServerConn(connection, s.config)
	if err != nil {
		return // refused
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		answer(session.User(), channel, asked)
	}
}

// answer runs the command of a session.
func answer(user string, channel ssh.Channel, asked <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for request := range asked {
		var command struct{ Line string }
		known := request.Type == "exec" && ssh.Unmarshal(request.Payload, &command) == nil && command.Line == "whoami"
		if request.WantReply {
			_ = request.Reply(known, nil)
		}
		if known {
			_, _ = fmt.Fprintln(channel, user)
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{0}))
			return
		}
	}
}
