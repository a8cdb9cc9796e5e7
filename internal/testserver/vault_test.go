package testserver_test

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

const somePolicy = `path "secret/data/a" { capabilities = ["read"] }`

// through returns a client that goes where what is under test goes.
func through(t *testing.T, server *testserver.VaultServer, token string) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{
		Address: server.Address(), Timeout: 20 * time.Second, HttpClient: &http.Client{Transport: &http.Transport{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(token)
	client.ClearNamespace()
	return client
}

// status is the answer's status, 0 where there was no answer.
func status(err error) int {
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// TestVaultChanges: the target's own log tells what was changed, by whom it
// was, and nothing else.
func TestVaultChanges(t *testing.T) {
	t.Parallel()
	server, other := testserver.Vault(t), testserver.Vault(t)
	if server.Prefix() == other.Prefix() {
		t.Error("two tests share a prefix")
	}
	client := through(t, server, server.Token())
	mark := server.Mark()
	policy := server.Prefix() + "read"
	if err := client.Sys().PutPolicy(policy, somePolicy); err != nil {
		t.Fatal(err)
	}
	if err := through(t, other, other.Token()).Sys().PutPolicy(other.Prefix()+"other", somePolicy); err != nil {
		t.Fatal(err)
	}
	token, err := client.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{policy}})
	if err != nil {
		t.Fatal(err)
	}
	between := server.Mark()
	weak := through(t, server, token.Auth.ClientToken)
	if _, err := weak.Logical().Write("secret/data/a", map[string]any{"data": map[string]any{"b": "c"}}); status(err) != http.StatusForbidden {
		t.Errorf("a policy does not hold: %v", err)
	}
	if _, err := client.Auth().Token().LookupAccessor(token.Auth.Accessor); err != nil {
		t.Error(err)
	}
	if _, err := client.Logical().List("auth/token/accessors"); err != nil {
		t.Error(err)
	}
	if _, err := server.Client("").Logical().Write("secret/data/a", map[string]any{"data": map[string]any{"b": "c"}}); err != nil {
		t.Error(err)
	}
	if got := server.Changes(between); len(got) != 0 {
		t.Errorf("reads, refusals and the test's own writes are no changes: %q", got)
	}
	if err := client.Auth().Token().RevokeAccessor(token.Auth.Accessor); err != nil {
		t.Fatal(err)
	}
	if err := client.Sys().DeletePolicy(policy); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"update sys/policies/acl/" + policy, "update auth/token/create", "update auth/token/revoke-accessor",
		"delete sys/policies/acl/" + policy,
	}
	if got := server.Changes(mark); !slices.Equal(got, want) {
		t.Errorf("changes: %q, want %q", got, want)
	}
	if log := server.AuditLog(); strings.Contains(log, token.Auth.ClientToken) || strings.Contains(log, server.Token()) {
		t.Error("a token is in the audit log")
	}
}

// TestVaultFaults: refused requests do not reach Vault, lost ones do.
func TestVaultFaults(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	client := through(t, server, server.Token())
	put := func(name string) error { return client.Sys().PutPolicy(server.Prefix()+name, somePolicy) }
	policies := func() string {
		t.Helper()
		names, err := server.Client("").Sys().ListPolicies()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}

	server.Cut()
	if err := put("cut"); err == nil || status(err) != 0 {
		t.Errorf("cut off: %v", err)
	}
	server.Restore()
	if err := put("restored"); err != nil {
		t.Errorf("restored: %v", err)
	}
	server.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
		switch {
		case r.Method == http.MethodPut && strings.HasSuffix(r.Path, "-lost"):
			return testserver.VaultLose
		case strings.HasSuffix(r.Path, "-hung"):
			return testserver.VaultHang
		default:
			return testserver.VaultPass
		}
	})
	mark := server.Mark()
	if err := put("lost"); err == nil || status(err) != 0 {
		t.Errorf("a lost answer: %v", err)
	}
	client.SetClientTimeout(200 * time.Millisecond)
	if err := put("hung"); err == nil || status(err) != 0 {
		t.Errorf("no answer: %v", err)
	}
	client.SetClientTimeout(20 * time.Second)
	if err := put("passed"); err != nil {
		t.Errorf("passed: %v", err)
	}
	for name, want := range map[string]bool{"cut": false, "restored": true, "lost": true, "hung": false, "passed": true} {
		if got := strings.Contains(policies(), server.Prefix()+name); got != want {
			t.Errorf("%s: at the target %v, want %v", name, got, want)
		}
	}
	path := "update sys/policies/acl/" + server.Prefix()
	if got, want := server.Changes(mark), []string{path + "lost", path + "passed"}; !slices.Equal(got, want) {
		t.Errorf("changes: %q, want %q", got, want)
	}
}

func TestPrivateVaultIsSealed(t *testing.T) {
	t.Parallel()
	server := testserver.PrivateVault(t)
	client := through(t, server, server.Token())
	if err := client.Sys().PutPolicy("kept", somePolicy); err != nil {
		t.Fatal(err)
	}
	mark := server.Mark()
	server.Seal()
	if _, err := client.Sys().GetPolicy("kept"); status(err) != http.StatusServiceUnavailable {
		t.Errorf("sealed: %v", err)
	}
	server.Unseal()
	if _, err := client.Sys().GetPolicy("kept"); err != nil {
		t.Errorf("unsealed: %v", err)
	}
	if err := client.Sys().DeletePolicy("kept"); err != nil {
		t.Errorf("unsealed: %v", err)
	}
	if got := server.Changes(mark); !slices.Equal(got, []string{"delete sys/policies/acl/kept"}) {
		t.Errorf("the audit log goes on after the seal: %q", got)
	}
}

func TestVaultChild(t *testing.T) {
	file := childFile()
	if file == "" {
		return // this is the other half of TestVaultEndsWithAKilledTest
	}
	server := testserver.Vault(t)
	devices, err := server.Client("").Sys().ListAudit()
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(server.Client("").Address())
	if err != nil {
		t.Fatal(err)
	}
	waitForTheEnd(t, file, address.Host, filepath.Dir(devices["file/"].Options["file_path"]))
}

func TestVaultEndsWithAKilledTest(t *testing.T) {
	t.Parallel()
	testserver.Vault(t) // skips where there is no Vault
	endsWithAKilledTest(t, "TestVaultChild")
}

// TestVaultTakesNothingFromTheEnvironment: a person's own Vault is never asked.
func TestVaultTakesNothingFromTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "own",
		"VAULT_NAMESPACE": "own", "HTTP_PROXY": "http://127.0.0.1:1", "VAULT_PROXY_ADDR": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	server := testserver.PrivateVault(t)
	if _, err := server.Client("").Auth().Token().LookupSelf(); err != nil {
		t.Error(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	if data, err := os.ReadFile(filepath.Join(home, ".vault-token")); err == nil && strings.Contains(string(data), server.Token()) {
		t.Error("the root token was left in the home folder")
	}
}
