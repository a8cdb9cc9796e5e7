package vault_test

import (
	"strconv"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/connectortest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/vault"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestConnector runs the suite on a server of its own, since it compares
// fingerprints of the whole server.
func TestConnector(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.PrivateVault(t))
	connectortest.Run(t, connectortest.Setup{
		Kind:     vault.Kind(),
		Settings: b.settings(),
		Access:   func(*testing.T) nhi.Values { return b.access(b.read, b.write) },
		Narrower: func(*testing.T) nhi.Values { return b.access(b.read) },
		Works: func(t *testing.T, account connector.Account, credential connector.Credential) bool {
			return b.on(t).works(account, credential)
		},
		Fingerprint: func(t *testing.T) string { return b.on(t).fingerprint() },
		Unreachable: func(t *testing.T) setting.Settings {
			settings := b.settings()
			settings.Values["url"] = nhi.Text("http://127.0.0.1:" + strconv.Itoa(testserver.FreePort(t)))
			return settings
		},
		Foreign: func(t *testing.T, account connector.Account) func() bool {
			b := b.on(t)
			b.put("identity/entity", map[string]any{"name": account.Principal, "metadata": map[string]string{"team": "other"}})
			b.put(b.rolePath(account.Principal), map[string]any{"token_policies": b.write})
			before := b.fingerprint()
			return func() bool { return b.fingerprint() == before }
		},
		Existing: func(t *testing.T) connectortest.Existing { return b.on(t).existing() },
	})
}

// on is the bench for another test of the same server.
func (b *bench) on(t *testing.T) *bench {
	other := *b
	other.t = t
	return &other
}

// works asks Vault whether the account lets its user in: with the credential,
// or else with a guess.
func (b *bench) works(account connector.Account, credential connector.Credential) bool {
	b.t.Helper()
	if credential.Handle == "" {
		roleID := "a guess"
		if data := b.get(b.rolePath(account.Principal) + "/role-id"); data != nil {
			roleID, _ = data["role_id"].(string)
		}
		return b.login(roleID, "a guess") != nil
	}
	return b.canRead(b.loginWith(credential), "secret/data/orders")
}
