package vault_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/vault"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestEndsByVaultsClock: where the machine's clock is wrong, ends are what they
// would be on another one, and no account is enabled whose term has ended.
func TestEndsByVaultsClock(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	for name, wrong := range map[string]time.Duration{"a day back": -24 * time.Hour, "a day ahead": 24 * time.Hour, "a second back": -time.Second} {
		system, err := vault.OpenAt(b.settings(), func() time.Time { return time.Now().Add(wrong) })
		b.mustDo(err)
		t.Cleanup(func() { _ = system.Close() })
		asked := time.Now().Add(10 * time.Minute)
		for _, form := range []string{"secret_id", "token"} {
			credential, err := system.(connector.Issuer).Issue(t.Context(), account, asked, nhi.Values{"form": nhi.Text(form)})
			if err != nil {
				t.Errorf("%s: %s: %v", name, form, err)
				continue
			}
			accessor := credential.Values["accessor"].Reveal()
			path, field, key := b.rolePath(account.Principal)+"/secret-id-accessor/lookup", "expiration_time", "secret_id_accessor"
			if form == "token" {
				path, field, key = "auth/token/lookup-accessor", "expire_time", "accessor"
			}
			ends, err := time.Parse(time.RFC3339Nano, b.put(path, map[string]any{key: accessor}).Data[field].(string))
			b.mustDo(err)
			if ends.After(asked.Add(4*time.Second)) || ends.Before(time.Now().Add(5*time.Minute)) {
				t.Errorf("%s: %s ends in %s, asked for 10m", name, form, time.Until(ends).Round(time.Second))
			}
		}
		ended := account
		ended.NotAfter = time.Now().Add(-time.Minute)
		if outcome := system.Enable(t.Context(), []connector.Account{ended})[0]; !errors.Is(outcome.Err, nhi.ErrEnded) {
			t.Errorf("%s: an account whose term has ended: %v", name, outcome.Err)
		}
	}
}
