package vault_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// publishedPolicy is what the guide tells people to give the system's token.
const publishedPolicy = "../../../examples/vault/admin.hcl"

// limited is the bench with a system whose token has the published policy
// alone, without some lines of it.
func (b *bench) limited(without string) *bench {
	b.t.Helper()
	text, err := os.ReadFile(publishedPolicy)
	b.mustDo(err)
	var kept []string
	for line := range strings.Lines(string(text)) {
		if without == "" || !strings.Contains(line, without) {
			kept = append(kept, strings.ReplaceAll(line, "auth/approle/", "auth/"+b.mount+"/"))
			kept[len(kept)-1] = strings.ReplaceAll(kept[len(kept)-1], `"auth/approle"`, `"auth/`+b.mount+`"`)
		}
	}
	name := b.Prefix() + "admin-" + randomHex(b.t, 4)
	b.mustDo(b.root.Sys().PutPolicy(name, strings.Join(kept, "")))
	token, err := b.root.Auth().Token().CreateOrphan(&api.TokenCreateRequest{Policies: []string{name}, NoDefaultPolicy: true})
	b.mustDo(err)
	settings := b.settings()
	settings.Secrets["token"] = nhi.NewSecret(token.Auth.ClientToken)
	other := *b
	other.system = b.open(settings)
	return &other
}

// TestPublishedPolicyIsEnough lives a whole life, and every other call, with
// the policy of the guide.
func TestPublishedPolicyIsEnough(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t)).limited("")
	account := b.active(b.read, b.write)
	if outcome := b.probe(account); outcome.Err != nil || outcome.State != connector.Active {
		t.Errorf("probe: %s, %v", outcome.State, outcome.Err)
	}
	for _, options := range []nhi.Values{nil, {"form": nhi.Text("token")}, {"wrap_ttl": nhi.Text("5m")}} {
		credential, err := b.issuer().Issue(t.Context(), account, time.Now().Add(10*time.Minute), options)
		b.mustDo(err)
		b.mustDo(b.issuer().Withdraw(t.Context(), account, credential.Handle))
	}
	used := b.issue(account, nil)
	token := b.loginWith(used)
	b.mustDo(b.issuer().Withdraw(t.Context(), account, used.Handle))
	if b.canRead(token, "secret/data/orders") {
		t.Error("a token of a withdrawn secret id works")
	}
	group := b.put("identity/group", map[string]any{"name": b.Prefix() + "g", "member_entity_ids": []string{account.ID}})
	b.put("identity/entity-alias", map[string]any{"name": "eve", "mount_accessor": b.userpass(), "canonical_id": account.ID})
	b.put(b.rolePath(account.Principal)+"/secret-id", nil)
	if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 {
		t.Errorf("repair: %q, %v", outcome.Findings, outcome.Err)
	}
	if members, _ := b.get("identity/group/id/" + group.Data["id"].(string))["member_entity_ids"].([]any); len(members) > 0 {
		t.Errorf("the group has %v", members)
	}
	if _, err := b.system.Read(t.Context(), nil); err != nil {
		t.Errorf("list: %v", err)
	}
	if _, err := b.system.(connector.Surveyor).Survey(t.Context()); err != nil {
		t.Errorf("survey: %v", err)
	}
	if _, err := b.system.(connector.Directory).Knows(t.Context(), "ana@example.com"); err != nil {
		t.Errorf("directory: %v", err)
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
	}
}

// TestEachPermissionIsNeeded: without it something fails, and nothing that
// failed is called gone.
func TestEachPermissionIsNeeded(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	for _, without := range []string{"identity/entity/id/*", "identity/entity/name/*", "auth/approle/role/*", "auth/token/accessors", "auth/token/lookup-accessor", "auth/token/revoke-accessor"} {
		account := b.active()
		token := b.loginWith(b.issue(account, nil))
		outcome := b.limited(without).revoke(account)
		if outcome.Err == nil || outcome.State == connector.Absent && outcome.Verified {
			t.Errorf("without %s: %s, %v", without, outcome.State, outcome.Err)
		}
		if !errors.Is(outcome.Err, nhi.ErrUnreachable) && !errors.Is(outcome.Err, nhi.ErrUnconfirmed) {
			t.Errorf("without %s: %v", without, outcome.Err)
		}
		if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent || b.canRead(token, "secret/data/orders") {
			t.Errorf("with it again: %s, %v", outcome.State, outcome.Err)
		}
	}
}

// TestNothingLeaksInFromTheEnvironment: no variable of Vault's leads elsewhere.
func TestNothingLeaksInFromTheEnvironment(t *testing.T) { //nolint:paralleltest // it sets the environment
	b := newBench(t, testserver.Vault(t))
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "not-the-token", "VAULT_NAMESPACE": "elsewhere",
		"VAULT_CACERT": "/no/such/file", "VAULT_SKIP_VERIFY": "nonsense", "VAULT_WRAP_TTL": "5m", "VAULT_HEADERS": "{", "VAULT_MAX_RETRIES": "x",
		"VAULT_PROXY_ADDR": "http://127.0.0.1:1", "VAULT_HTTP_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
		"VAULT_CLIENT_TIMEOUT": "x", "VAULT_RATE_LIMIT": "x", "VAULT_TLS_SERVER_NAME": "elsewhere", "HOME": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	system := b.open(b.settings())
	account := b.account()
	outcome := system.Prepare(t.Context(), []connector.Account{account})[0]
	if outcome.Err != nil || outcome.State != connector.Inert {
		t.Errorf("prepare: %s, %v", outcome.State, outcome.Err)
	}
}

// TestWrappedSecretID: what comes back is a token that gives the secret id
// once, and the secret id works.
func TestWrappedSecretID(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	credential := b.issue(account, nhi.Values{"form": nhi.Text("secret_id"), "wrap_ttl": nhi.Text("5m")})
	if !credential.Values["secret_id"].IsZero() || credential.Values["wrapping_token"].IsZero() || credential.ExpiresAt.After(account.NotAfter) {
		t.Fatalf("issued %v until %s", credential.Values, credential.ExpiresAt)
	}
	unwrapped, err := b.anonymous(credential.Values["wrapping_token"].Reveal()).Logical().Unwrap("")
	b.mustDo(err)
	if auth := b.login(credential.Values["role_id"].Reveal(), unwrapped.Data["secret_id"].(string)); auth == nil {
		t.Error("the secret id does not work")
	}
	if _, err := b.anonymous(credential.Values["wrapping_token"].Reveal()).Logical().Unwrap(""); err == nil {
		t.Error("it was unwrapped twice")
	}
	b.mustDo(b.issuer().Withdraw(t.Context(), account, credential.Handle))
	if b.login(credential.Values["role_id"].Reveal(), unwrapped.Data["secret_id"].(string)) != nil {
		t.Error("a withdrawn secret id works")
	}
}

// TestNoSecretIsLogged: Vault's audit log, which many people read, holds no
// secret that was issued, and no credential holds the system's token.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	for _, form := range []string{"secret_id", "token"} {
		credential := b.issue(account, nhi.Values{"form": nhi.Text(form)})
		text, err := json.Marshal(b.observe(account))
		b.mustDo(err)
		for _, name := range []string{"secret_id", "token"} {
			value := credential.Values[name].Reveal()
			if value != "" && (strings.Contains(b.AuditLog(), value) || strings.Contains(string(text), value) || strings.Contains(credential.Handle, value)) {
				t.Errorf("%s %s is in the open", form, name)
			}
			if value == b.Token() {
				t.Error("the system's own token was issued")
			}
		}
	}
}

// TestDirectory: a person is known by name or by what they log in as, and only
// while they are not shut out.
func TestDirectory(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	directory := b.system.(connector.Directory)
	person := b.Prefix() + "ana@example.com"
	wants := func(when, person string, want bool) {
		t.Helper()
		b.changedNothing(func() {
			if known, err := directory.Knows(t.Context(), person); err != nil || known != want {
				t.Errorf("%s: %v, %v, want %v", when, known, err, want)
			}
		})
	}
	wants("nobody", person, false)
	id := b.put("identity/entity", map[string]any{"name": person}).Data["id"].(string)
	wants("an entity", person, true)
	b.put("identity/entity/id/"+id, map[string]any{"disabled": true})
	wants("disabled", person, false)
	b.put("identity/entity/id/"+id, map[string]any{"disabled": false, "name": b.Prefix() + "a.user"})
	wants("renamed", person, false)
	b.put("identity/entity-alias", map[string]any{"name": person, "mount_accessor": b.userpass(), "canonical_id": id})
	wants("an alias", person, true)
	b.put("identity/entity/id/"+id, map[string]any{"disabled": true})
	wants("an alias of a disabled entity", person, false)
	wants("odd", "../"+person+`" or 1=1`, false)
	for _, refused := range []string{"identity/lookup/entity", "identity/entity-alias/id"} {
		if known, err := b.limited(refused).system.(connector.Directory).Knows(t.Context(), person); known || !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("without %s: %v, %v, want ErrUnreachable", refused, known, err)
		}
	}
}

// TestSurveyKnowsOwners: who answers for an AppRole is what people wrote on its
// entity.
func TestSurveyKnowsOwners(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	existing := b.existing()
	if !existing.Works(t) {
		t.Fatal("the existing account does not work")
	}
	roleID := b.get(b.rolePath(existing.Name) + "/role-id")["role_id"]
	entity := b.put("identity/lookup/entity", map[string]any{"alias_name": roleID, "alias_mount_accessor": b.accessor()})
	b.put("identity/entity/id/"+entity.Data["id"].(string), map[string]any{"metadata": map[string]string{"owner": "ben@example.com"}})
	found, err := b.system.(connector.Surveyor).Survey(t.Context())
	b.mustDo(err)
	at := slices.IndexFunc(found, func(seen connector.Sighting) bool { return seen.Principal == existing.Name })
	if at < 0 || found[at].Owner != "ben@example.com" || !found[at].Machine || !slices.Contains(found[at].Privileges, "a secret id that never ends") {
		t.Errorf("surveyed %+v", found)
	}
}
