package testserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/vault/api"
)

// vaultPatience is how long a Vault may take to start.
const vaultPatience = time.Minute

// vaultKeeper runs the server. When its input ends, for whatever reason (the
// test process finished, panicked or was killed), it ends the server and
// removes its folder. It is in a session of its own: a signal to the test's
// process group does not reach it. The server alone holds the output, which
// ends with it.
const vaultKeeper = `
dir=$1
shift
trap '' PIPE INT TERM HUP
"$@" </dev/null 3>&1 >"$dir/server.log" 2>&1 &
server=$!
exec >&-
read -r order
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$dir"
`

// vaultProcess is a running server with a folder of its own.
type vaultProcess struct {
	dir       string
	address   string
	token     string
	unsealKey string

	keeper *exec.Cmd
	order  io.WriteCloser
	ended  chan struct{}
}

// startVault starts a server on a free port. Another process may take the port
// between the look and the start, so it tries a few.
func startVault(binary string) (*vaultProcess, error) {
	var err error
	for range 5 {
		p := &vaultProcess{token: "root-" + rand.Text(), ended: make(chan struct{})}
		if err = p.start(binary); err == nil {
			return p, nil
		}
		err = fmt.Errorf("%w\n%s", err, tail(p.logFile()))
		p.close()
	}
	return nil, err
}

func (p *vaultProcess) start(binary string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "nhi-vault-"); err != nil {
		return err
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.address = "http://" + listen
	p.keeper = exec.Command("/bin/sh", "-c", vaultKeeper, "nhi-vault-keeper", p.dir, binary, "server", "-dev",
		"-dev-no-store-token", "-dev-listen-address="+listen, "-dev-root-token-id="+p.token)
	p.keeper.Dir = p.dir
	p.keeper.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + p.dir}
	p.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if p.order, err = p.keeper.StdinPipe(); err != nil {
		return err
	}
	output, err := p.keeper.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.keeper.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.ended)
		_, _ = io.Copy(io.Discard, output) // it holds nothing, and its end is all that counts
	}()
	return p.prepare()
}

// prepare waits until the server answers, and turns its audit log on. A server
// of somebody else on the same port does not know our token.
func (p *vaultProcess) prepare() error {
	client, err := p.client(p.token)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(vaultPatience); ; {
		if _, err = client.Auth().Token().LookupSelf(); err == nil {
			if p.unsealKey, err = p.findUnsealKey(); err == nil {
				break
			}
		}
		select {
		case <-p.ended:
			return errors.New("it ended at once")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it was not ready: %w", err)
		}
	}
	if _, err := client.Logical().Write("sys/config/auditing/request-headers/"+vaultTestHeader, map[string]any{"hmac": false}); err != nil {
		return fmt.Errorf("header in the audit log: %w", err)
	}
	if err := client.Sys().EnableAuditWithOptions("file", &api.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": p.auditFile()},
	}); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// client returns a client that takes nothing from the environment.
func (p *vaultProcess) client(token string) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address: p.address, MaxRetries: 0, Timeout: vaultPatience,
		HttpClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	if err != nil {
		return nil, err
	}
	client.SetToken(token)
	client.ClearNamespace()
	return client, nil
}

func (p *vaultProcess) auditFile() string { return filepath.Join(p.dir, "audit.log") }

func (p *vaultProcess) logFile() string { return filepath.Join(p.dir, "server.log") }

// findUnsealKey returns the key that a dev server tells its developer, a moment
// after it began to answer.
func (p *vaultProcess) findUnsealKey() (string, error) {
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if key, ok := strings.CutPrefix(line, "Unseal Key: "); ok && strings.HasSuffix(key, "\n") {
			return strings.TrimSpace(key), nil
		}
	}
	return "", errors.New("no unseal key in the log")
}

// close ends the server and waits until it and its folder are gone.
func (p *vaultProcess) close() {
	if p.keeper != nil && p.keeper.Process != nil {
		_ = p.order.Close()
		done := time.AfterFunc(time.Minute, func() { _ = p.keeper.Process.Kill() })
		defer done.Stop()
		<-p.ended
		_ = p.keeper.Wait()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}
