package testserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// vaultPatience is how long a Vault may take to start.
const vaultPatience = time.Minute

// vaultProcess is a running server with a folder of its own.
type vaultProcess struct {
	*keeper

	address   string
	token     string
	unsealKey string
}

// startVault starts a server on a free port. Another process may take the port
// between the look and the start, so it tries a few.
func startVault(binary string) (*vaultProcess, error) {
	var err error
	for range 5 {
		p := &vaultProcess{token: "root-" + rand.Text()}
		if p.keeper, err = newKeeper("nhi-vault"); err != nil {
			return nil, err
		}
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
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.address = "http://" + listen
	if err := p.keeper.start(nil, binary, "server", "-dev",
		"-dev-no-store-token", "-dev-listen-address="+listen, "-dev-root-token-id="+p.token); err != nil {
		return err
	}
	return p.prepare()
}

// prepare waits until the server answers, and turns its audit log on. A server
// of somebody else on the same port does not know our token.
func (p *vaultProcess) prepare() error {
	client, err := p.client(p.token)
	if err != nil {
		return err
	}
	if err := p.await(vaultPatience, func() error {
		if _, err := client.Auth().Token().LookupSelf(); err != nil {
			return err
		}
		p.unsealKey, err = p.findUnsealKey()
		return err
	}); err != nil {
		return err
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
