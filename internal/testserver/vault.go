package testserver

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// VaultServer is one test's view of a real Vault on loopback: an address of its
// own, and a prefix for names, since mounts, policies and identities are shared
// by all tests of a process. Vault runs in dev mode: all that it holds is in
// memory, with KV v2 at secret/, and every request is in its audit log.
type VaultServer struct {
	t       testing.TB
	process *vaultProcess
	proxy   *proxy
	test    string
	private bool
}

// sharedVault is the one server of this test process. It ends when the process
// does, however it does (see vaultProcess).
var sharedVault struct {
	sync.Once
	process *vaultProcess
	err     error
}

var vaultTests atomic.Int64

// Vault returns a view of the server that all tests of this process share. It
// skips the test where there is no Vault, with a reason (and fails it where
// NHI_REQUIRE_SERVERS is 1).
func Vault(t testing.TB) *VaultServer {
	t.Helper()
	binary := requireTool(t, "vault")
	shared := &sharedVault
	shared.Do(func() { shared.process, shared.err = startVault(binary) })
	if shared.err != nil {
		t.Fatalf("Vault did not start: %v", shared.err)
	}
	return newVaultServer(t, shared.process, false)
}

// PrivateVault starts a server for one test alone, which may Seal and Unseal
// it. It ends with the test.
func PrivateVault(t testing.TB) *VaultServer {
	t.Helper()
	process, err := startVault(requireTool(t, "vault"))
	if err != nil {
		t.Fatalf("Vault did not start: %v", err)
	}
	t.Cleanup(process.close)
	return newVaultServer(t, process, true)
}

func newVaultServer(t testing.TB, process *vaultProcess, private bool) *VaultServer {
	t.Helper()
	test := strconv.FormatInt(vaultTests.Add(1), 10)
	proxy, err := startVaultProxy(process.address, test)
	if err != nil {
		t.Fatalf("proxy of Vault: %v", err)
	}
	t.Cleanup(proxy.close)
	return &VaultServer{t: t, process: process, proxy: proxy, test: test, private: private}
}

// Address is the URL for what is under test. It leads to the server through a
// proxy, which Fault can make fail.
func (s *VaultServer) Address() string { return s.proxy.address }

// Token is the root token: a test can look for it where no secret may be.
func (s *VaultServer) Token() string { return s.process.token }

// Prefix starts the names of this test's own mounts, policies and roles: no
// other test of the process has it.
func (s *VaultServer) Prefix() string { return "t" + s.test + "-" }

// Client is the test's own way to the server, for setting up and for asking it
// afterwards: no Fault stops it, and Changes does not list what it does. An
// empty token is the root token.
func (s *VaultServer) Client(token string) *api.Client {
	s.t.Helper()
	client, err := s.process.client(orDefault(token, s.process.token))
	if err != nil {
		s.t.Fatalf("client of Vault: %v", err)
	}
	return client
}

// Mark is the present end of the audit log, for Changes.
func (s *VaultServer) Mark() int {
	s.t.Helper()
	return len(s.auditLog())
}

// Changes lists, in order and as "update auth/approle/role/x", the requests
// after the mark that came through Address and could change something, from
// Vault's own audit log. Vault writes an entry before it does what was asked
// and before it answers, so what was answered, or was done and the answer lost,
// is there. Left out is what Vault refused for want of permission, and what
// only looks something up, though Vault calls it an update. A login is there:
// it makes a token.
func (s *VaultServer) Changes(mark int) []string {
	s.t.Helper()
	changes := []string{}
	for line := range bytes.Lines(s.auditLog()[mark:]) {
		var entry vaultEntry
		if err := json.Unmarshal(line, &entry); err != nil {
			s.t.Fatalf("audit log of Vault: %v\n%s", err, line)
		}
		if entry.Type == "request" && entry.Error == "" && entry.test() == s.test && entry.changes() {
			changes = append(changes, entry.Request.Operation+" "+entry.Request.Path)
		}
	}
	return changes
}

// AuditLog returns the whole audit log, of all tests: Vault writes secrets in
// it as HMACs only.
func (s *VaultServer) AuditLog() string {
	s.t.Helper()
	return string(s.auditLog())
}

// auditLog returns the lines that are complete.
func (s *VaultServer) auditLog() []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.process.auditFile())
	if err != nil {
		s.t.Fatalf("audit log of Vault: %v", err)
	}
	return data[:bytes.LastIndexByte(data, '\n')+1]
}

// vaultEntry is what matters here of one line of the audit log.
type vaultEntry struct {
	Type    string `json:"type"`
	Error   string `json:"error"`
	Request struct {
		Operation string              `json:"operation"`
		Path      string              `json:"path"`
		Headers   map[string][]string `json:"headers"`
	} `json:"request"`
}

func (e vaultEntry) test() string {
	for name, values := range e.Request.Headers {
		if strings.EqualFold(name, vaultTestHeader) && len(values) == 1 {
			return values[0]
		}
	}
	return ""
}

func (e vaultEntry) changes() bool {
	switch e.Request.Operation {
	case "create", "update", "patch", "delete":
	default:
		return false
	}
	if strings.HasPrefix(e.Request.Path, "sys/capabilities") {
		return false
	}
	for part := range strings.SplitSeq(e.Request.Path, "/") {
		switch part {
		case "lookup", "lookup-self", "lookup-accessor":
			return false
		}
	}
	return true
}

// Cut makes Address unreachable until Restore: whoever asks is cut off, and
// Vault hears of nothing. The end of the server itself would lose its data.
func (s *VaultServer) Cut() {
	s.Fault(func(VaultRequest) VaultFault { return VaultRefuse })
}

// Restore lets all requests through again.
func (s *VaultServer) Restore() { s.Fault(nil) }

// Seal seals a private server: it answers, and does nothing for anybody.
func (s *VaultServer) Seal() {
	s.t.Helper()
	s.onlyPrivate()
	if err := s.Client("").Sys().Seal(); err != nil {
		s.t.Fatalf("seal: %v", err)
	}
}

// Unseal opens a private server again; what it held is still there.
func (s *VaultServer) Unseal() {
	s.t.Helper()
	s.onlyPrivate()
	client := s.Client("")
	if _, err := client.Sys().Unseal(s.process.unsealKey); err != nil {
		s.t.Fatalf("unseal: %v", err)
	}
	Wait(s.t, time.Minute, "Vault is unsealed", func() bool {
		health, err := client.Sys().Health()
		return err == nil && health.Initialized && !health.Sealed && !health.Standby
	})
}

func (s *VaultServer) onlyPrivate() {
	s.t.Helper()
	if !s.private {
		s.t.Fatal("only a private Vault can be changed: use PrivateVault")
	}
}
