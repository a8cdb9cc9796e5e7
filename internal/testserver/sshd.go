package testserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshdPatience is how long an sshd may take to start, or to answer a login.
const sshdPatience = 30 * time.Second

// SSHDOptions change what SSHD starts. The zero value is fine.
type SSHDOptions struct {
	// CA is an earlier server whose CA and revocation list this one shares.
	CA *SSHServer
	// Config are more lines for sshd_config. Of a keyword that stands twice,
	// sshd takes the first: these come first.
	Config []string
}

// SSHServer is a running sshd that trusts a CA's user certificates and reads
// its revocation list, and nothing else lets anybody in.
type SSHServer struct {
	Address        string // 127.0.0.1:PORT
	User           string // the only user that can log in: the one who runs the test
	Folder         string
	CAKeyFile      string // the CA's private key; .pub beside it is the public one
	KRLFile        string // not there yet, unless somebody made it
	KnownHostsFile string
	HostKey        ssh.PublicKey

	config string
	binary string
	stop   func()
}

// SSHD starts a real sshd on loopback, for as long as the test runs. Where
// there is none, the test is skipped (see Require).
func SSHD(t testing.TB, options SSHDOptions) *SSHServer {
	t.Helper()
	s := &SSHServer{binary: Require(t, "sshd"), Folder: t.TempDir()}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.User = me.Username
	s.CAKeyFile, s.KRLFile = filepath.Join(s.Folder, "ca"), filepath.Join(s.Folder, "revoked.krl")
	if options.CA != nil {
		s.CAKeyFile, s.KRLFile = options.CA.CAKeyFile, options.CA.KRLFile
	} else {
		NewSSHKey(t, s.CAKeyFile)
	}
	s.HostKey = NewSSHKey(t, filepath.Join(s.Folder, "host")).PublicKey()
	if me.Uid == "0" {
		// sshd drops its privileges into this folder, and distributions make
		// it only when their own daemon starts.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.config = s.writeConfig(t, options.Config)
	t.Cleanup(s.Stop)
	s.Start(t)
	return s
}

// NewSSHKey makes an ed25519 key and writes it to path, as ssh-keygen would,
// with the public key in path.pub.
func NewSSHKey(t testing.TB, path string) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "nhi test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, pem.EncodeToMemory(block))
	writeFile(t, path+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()))
	return signer
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeConfig writes sshd_config without the address, which the command line
// gives. Newer servers punish addresses that fail to log in, and tests fail on
// purpose; older ones do not know the keyword.
func (s *SSHServer) writeConfig(t testing.TB, more []string) string {
	t.Helper()
	lines := append(append([]string{}, more...),
		"HostKey "+filepath.Join(s.Folder, "host"),
		"PidFile none",
		"TrustedUserCAKeys "+s.CAKeyFile+".pub",
		"RevokedKeys "+s.KRLFile,
		"AuthorizedKeysFile none",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"PubkeyAuthentication yes",
		"PermitRootLogin prohibit-password",
		"UsePAM no",
		"UseDNS no",
		"StrictModes no",
		"PrintMotd no",
		"PrintLastLog no",
		"MaxStartups 1000:1:1000",
		"LogLevel VERBOSE",
	)
	path := filepath.Join(s.Folder, "sshd_config")
	writeFile(t, path, []byte(strings.Join(append(lines, "PerSourcePenalties no"), "\n")+"\n"))
	if exec.Command(s.binary, "-t", "-f", path).Run() != nil {
		writeFile(t, path, []byte(strings.Join(lines, "\n")+"\n"))
	}
	if out, err := exec.Command(s.binary, "-t", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("sshd -t: %v\n%s", err, out)
	}
	return path
}

// Start starts the server, on its former address where it had one. SSHD has
// done so already: it is for servers that were stopped.
func (s *SSHServer) Start(t testing.TB) {
	t.Helper()
	const tries = 5 // somebody else may take a free port first
	for try := 1; ; try++ {
		if s.Address == "" {
			s.Address = fmt.Sprintf("127.0.0.1:%d", FreePort(t))
		}
		err := s.start(t)
		if err == nil {
			break
		}
		if try == tries {
			t.Fatalf("sshd: %v\n%s", err, s.Log())
		}
		s.Address = ""
	}
	s.KnownHostsFile = filepath.Join(s.Folder, "known_hosts")
	writeFile(t, s.KnownHostsFile, []byte(knownhosts.Line([]string{s.Address}, s.HostKey)+"\n"))
}

func (s *SSHServer) start(t testing.TB) error {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.Folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(s.binary, "-D", "-e", "-f", s.config, "-o", "ListenAddress="+s.Address)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop := func() {
		_ = command.Process.Kill()
		<-ended
	}
	for deadline := time.Now().Add(sshdPatience); !s.answers(); {
		select {
		case err := <-ended:
			return fmt.Errorf("ended at once: %w", errors.Join(err, errors.New("see the log")))
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			stop()
			return errors.New("did not answer")
		}
	}
	s.stop = stop
	return nil
}

// answers says whether an SSH server shows its banner.
func (s *SSHServer) answers() bool {
	connection, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	banner := make([]byte, 4)
	_, err = io.ReadFull(connection, banner)
	return err == nil && bytes.Equal(banner, []byte("SSH-"))
}

// Stop ends the server. Its address, keys and folder stay.
func (s *SSHServer) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Log returns what sshd wrote, for messages of failing tests.
func (s *SSHServer) Log() string {
	data, err := os.ReadFile(filepath.Join(s.Folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// ErrLoginRefused says that a server refused a login itself, after it had
// shown its known host key: no time-out, and no other server.
var ErrLoginRefused = errors.New("login refused")

// Login is one attempt to log in over SSH.
type Login struct {
	Server      *SSHServer
	User        string // empty: the server's
	Key         ssh.Signer
	Certificate string // in authorized_keys form; empty: the bare key
	Command     string // empty: true
}

// LoginSSH logs in and runs a command, and returns what it wrote. The error
// wraps ErrLoginRefused where the server said no; a command that failed is
// another error; whatever else goes wrong fails the test.
func LoginSSH(t testing.TB, login Login) (string, error) {
	t.Helper()
	check, err := knownhosts.New(login.Server.KnownHostsFile)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", login.Server.Address, &ssh.ClientConfig{
		User: orDefault(login.User, login.Server.User), Auth: []ssh.AuthMethod{ssh.PublicKeys(login.signer(t))},
		HostKeyCallback: check, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, Timeout: sshdPatience,
	})
	if err != nil && strings.Contains(err.Error(), "no supported methods remain") {
		return "", fmt.Errorf("%w: %w", ErrLoginRefused, err)
	}
	if err != nil {
		t.Fatalf("login: %v\n%s", err, login.Server.Log())
	}
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		t.Fatalf("session: %v", err)
	}
	out, err := session.CombinedOutput(orDefault(login.Command, "true"))
	return string(out), err
}

func (l Login) signer(t testing.TB) ssh.Signer {
	t.Helper()
	if l.Certificate == "" {
		return l.Key
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(l.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		t.Fatalf("%s is no certificate", key.Type())
	}
	signer, err := ssh.NewCertSigner(certificate, l.Key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
