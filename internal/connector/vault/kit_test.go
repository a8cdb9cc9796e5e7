package vault_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/vault"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// readOrders lets a token read one secret, and renew and look at itself.
const readOrders = `path "secret/data/orders" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/lookup-self" { capabilities = ["read"] }`

const writeOrders = `path "secret/data/written" { capabilities = ["create", "read", "update"] }`

// bench is a Vault with an AppRole mount and two policies of this test, and an
// open connector. It does without the guard, to see what the connector itself
// answers.
type bench struct {
	*testserver.VaultServer
	t           *testing.T
	root        *api.Client
	mount       string
	read, write string // policies
	system      connector.Connector
}

func newBench(t *testing.T, server *testserver.VaultServer) *bench {
	t.Helper()
	b := &bench{VaultServer: server, t: t, root: server.Client(""), mount: server.Prefix() + "approle"}
	b.read, b.write = server.Prefix()+"orders-read", server.Prefix()+"orders-write"
	b.mustDo(b.root.Sys().EnableAuthWithOptions(b.mount, &api.EnableAuthOptions{Type: "approle"}))
	b.mustDo(b.root.Sys().PutPolicy(b.read, readOrders))
	b.mustDo(b.root.Sys().PutPolicy(b.write, writeOrders))
	b.put("secret/data/orders", map[string]any{"data": map[string]any{"n": "1"}})
	b.system = b.open(b.settings())
	return b
}

func (b *bench) mustDo(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) settings() setting.Settings {
	return setting.Settings{
		Values:  nhi.Values{"url": nhi.Text(b.Address()), "approle_mount": nhi.Text(b.mount)},
		Secrets: map[string]nhi.Secret{"token": nhi.NewSecret(b.Token())},
	}
}

func (b *bench) open(settings setting.Settings) connector.Connector {
	b.t.Helper()
	system, err := vault.Kind().Open(b.t.Context(), settings)
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.t.Cleanup(func() { _ = system.Close() })
	return system
}

// put writes as root.
func (b *bench) put(path string, data map[string]any) *api.Secret {
	b.t.Helper()
	answer, err := b.root.Logical().Write(path, data)
	if err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	return answer
}

// get reads as root; nil where there is nothing.
func (b *bench) get(path string) map[string]any {
	b.t.Helper()
	answer, err := b.root.Logical().Read(path)
	if err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	if answer == nil {
		return nil
	}
	return answer.Data
}

// keys lists as root.
func (b *bench) keys(path string) []string {
	b.t.Helper()
	answer, err := b.root.Logical().List(path)
	if err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	if answer == nil {
		return nil
	}
	var keys []string
	list, _ := answer.Data["keys"].([]any)
	for _, key := range list {
		keys = append(keys, key.(string))
	}
	slices.Sort(keys)
	return keys
}

func (b *bench) drop(path string) {
	b.t.Helper()
	if _, err := b.root.Logical().Delete(path); err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
}

func (b *bench) rolePath(name string) string { return "auth/" + b.mount + "/role/" + name }

func (b *bench) access(policies ...string) nhi.Values {
	return nhi.Values{"policies": nhi.List(policies...), "token_ttl": nhi.Text("1h")}
}

// account returns a new account with these policies, read for none.
func (b *bench) account(policies ...string) connector.Account {
	b.t.Helper()
	if len(policies) == 0 {
		policies = []string{b.read}
	}
	grant := nhi.ApprovalID("test/vault/etl-" + randomHex(b.t, 4) + ":default")
	now := time.Now().UTC().Truncate(time.Second)
	return connector.Account{
		Mark:      nhi.Mark{Ledger: strings.Repeat("0", 32), Grant: grant, Target: "kv", Nonce: randomHex(b.t, 16)},
		Principal: nhi.Principal(grant, "kv"),
		Access:    b.access(policies...),
		NotBefore: now,
		NotAfter:  now.Add(2 * time.Hour),
	}
}

func (b *bench) active(policies ...string) connector.Account {
	b.t.Helper()
	return b.activate(b.account(policies...))
}

func (b *bench) activate(account connector.Account) connector.Account {
	b.t.Helper()
	prepared := b.prepare(account)
	if prepared.Err != nil || prepared.State != connector.Inert {
		b.t.Fatalf("prepare: %s %q, %v", prepared.State, prepared.Findings, prepared.Err)
	}
	account.ID, account.Evidence, account.Enabled = prepared.ID, prepared.Evidence, true
	enabled := b.enable(account)
	if enabled.Err != nil || enabled.State != connector.Active || len(enabled.Findings) > 0 {
		b.t.Fatalf("enable: %s %q, %v", enabled.State, enabled.Findings, enabled.Err)
	}
	account.Evidence = enabled.Evidence
	return account
}

func (b *bench) issuer() connector.Issuer {
	b.t.Helper()
	issuer, ok := b.system.(connector.Issuer)
	if !ok {
		b.t.Fatal("the connector issues nothing")
	}
	return issuer
}

func (b *bench) issue(account connector.Account, options nhi.Values) connector.Credential {
	b.t.Helper()
	credential, err := b.issuer().Issue(b.t.Context(), account, account.NotAfter, options)
	if err != nil {
		b.t.Fatalf("issue: %v", err)
	}
	return credential
}

func (b *bench) prepare(account connector.Account) connector.Outcome {
	return b.system.Prepare(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) enable(account connector.Account) connector.Outcome {
	return b.system.Enable(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) revoke(account connector.Account) connector.Outcome {
	return b.system.Revoke(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) probe(account connector.Account) connector.Outcome {
	return b.system.Probe(b.t.Context(), []connector.Account{account})[0]
}

func (b *bench) observe(account connector.Account) connector.Observation {
	b.t.Helper()
	holdings, err := b.system.Read(b.t.Context(), []connector.Account{account})
	if err != nil {
		b.t.Fatalf("read: %v", err)
	}
	return holdings.Of(account)
}

// login logs in as a machine does; nil is a clear refusal.
func (b *bench) login(roleID, secretID string) *api.SecretAuth {
	b.t.Helper()
	answer, err := b.anonymous("").Logical().Write("auth/"+b.mount+"/login", map[string]any{"role_id": roleID, "secret_id": secretID})
	if isRefusal(err) {
		return nil
	}
	if err != nil || answer.Auth == nil {
		b.t.Fatalf("neither let in nor refused: %v", err)
	}
	return answer.Auth
}

// loginWith logs in with a credential.
func (b *bench) loginWith(credential connector.Credential) string {
	b.t.Helper()
	if token := credential.Values["token"].Reveal(); token != "" {
		return token
	}
	auth := b.login(credential.Values["role_id"].Reveal(), credential.Values["secret_id"].Reveal())
	if auth == nil {
		return ""
	}
	return auth.ClientToken
}

// anonymous is a client with another token, or with none.
func (b *bench) anonymous(token string) *api.Client {
	b.t.Helper()
	client := b.Client("none")
	client.SetToken(token)
	return client
}

// canRead says whether a token reads the secret; false is a clear refusal.
func (b *bench) canRead(token, path string) bool {
	b.t.Helper()
	if token == "" {
		return false
	}
	answer, err := b.anonymous(token).Logical().Read(path)
	if isRefusal(err) {
		return false
	}
	if err != nil {
		b.t.Fatalf("neither let in nor refused: %v", err)
	}
	return answer != nil || path != "secret/data/orders"
}

// isRefusal says whether Vault itself refused.
func isRefusal(err error) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusBadRequest)
}

// fingerprint holds all of the server that an effect could change: entities,
// aliases, groups, policies, AppRoles with their secret ids, and tokens.
func (b *bench) fingerprint() string {
	b.t.Helper()
	parts := map[string]any{"tokens": b.keys("auth/token/accessors"), "policies": b.keys("sys/policies/acl")}
	for _, id := range b.keys("identity/entity/id") {
		entity := b.get("identity/entity/id/" + id)
		delete(entity, "last_update_time")
		aliases, _ := entity["aliases"].([]any)
		for _, one := range aliases {
			delete(one.(map[string]any), "last_update_time")
		}
		parts["entity "+id] = entity
	}
	for _, id := range b.keys("identity/group/id") {
		group := b.get("identity/group/id/" + id)
		delete(group, "last_update_time")
		parts["group "+id] = group
	}
	for _, name := range b.keys("auth/" + b.mount + "/role") {
		parts["role "+name] = []any{b.get(b.rolePath(name)), b.get(b.rolePath(name) + "/role-id"), b.keys(b.rolePath(name) + "/secret-id")}
	}
	for _, name := range parts["policies"].([]string) {
		parts["policy "+name] = b.get("sys/policies/acl/" + name)
	}
	text, err := json.Marshal(parts)
	b.mustDo(err)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]) + " of " + strings.Join(slices.Sorted(maps.Keys(parts)), ", ")
}

// changedNothing runs what must not send one changing request.
func (b *bench) changedNothing(run func()) {
	b.t.Helper()
	mark := b.Mark()
	run()
	if changes := b.Changes(mark); len(changes) > 0 {
		b.t.Errorf("something was changed: %q", changes)
	}
}

func randomHex(t *testing.T, n int) string {
	t.Helper()
	random := make([]byte, n)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(random)
}
