package vault_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestTokensStopWithTheAccount: a token that was obtained before a revocation
// is refused after it, its renewal and its children included.
func TestTokensStopWithTheAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	b.mustDo(b.root.Sys().PutPolicy(b.read, readOrders+"\npath \"auth/token/create\" { capabilities = [\"update\"] }"))
	account := b.active()
	token := b.loginWith(b.issue(account, nil))
	child, err := b.anonymous(token).Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{b.read}, NoDefaultPolicy: true})
	b.mustDo(err)
	tokens := map[string]string{"token": token, "child": child.Auth.ClientToken, "issued token": b.loginWith(b.issue(account, nhi.Values{"form": nhi.Text("token")}))}
	for name, one := range tokens {
		if !b.canRead(one, "secret/data/orders") || !b.renews(one) {
			t.Errorf("the %s of an active account does not work", name)
		}
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent || !outcome.Verified {
		t.Fatalf("revoke: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
	}
	for name, one := range tokens {
		if b.canRead(one, "secret/data/orders") || b.renews(one) {
			t.Errorf("the %s works after the revocation", name)
		}
		if _, err := b.root.Auth().Token().Lookup(one); !isRefusal(err) {
			t.Errorf("the %s is still there: %v", name, err)
		}
	}
}

// renews says whether a token renews itself; false is a clear refusal.
func (b *bench) renews(token string) bool {
	b.t.Helper()
	_, err := b.anonymous(token).Auth().Token().RenewSelf(60)
	if err != nil && !isRefusal(err) {
		b.t.Fatalf("neither renewed nor refused: %v", err)
	}
	return err == nil
}

// TestNoTokenComesBack: whoever shut an entity by hand meant its tokens. They
// stay dead when the next apply enables it again.
func TestNoTokenComesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	for name, repair := range map[string]func(connector.Account){
		"enable": func(account connector.Account) {
			if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 {
				t.Errorf("enable: %q, %v", outcome.Findings, outcome.Err)
			}
		},
		"prepare and enable": func(account connector.Account) { b.activate(account) },
	} {
		account := b.active()
		token := b.loginWith(b.issue(account, nil))
		b.put("identity/entity/id/"+account.ID, map[string]any{"disabled": true})
		if b.canRead(token, "secret/data/orders") {
			t.Errorf("%s: a token of a disabled entity works", name)
		}
		if seen := b.observe(account); seen.State != connector.Inert || !hasFinding(seen.Findings, "the entity was disabled by hand") {
			t.Errorf("%s: %s %q", name, seen.State, seen.Findings)
		}
		repair(account)
		if b.canRead(token, "secret/data/orders") {
			t.Errorf("%s: the token came back", name)
		}
		if !b.canRead(b.loginWith(b.issue(account, nil)), "secret/data/orders") {
			t.Errorf("%s: the account does not work", name)
		}
	}
}

// TestEnabledAgainAfterAnInterruptedRevocation: the run was killed after it had
// shut the entity, and somebody opened it again.
func TestEnabledAgainAfterAnInterruptedRevocation(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	token := b.loginWith(b.issue(account, nil))
	b.Fault(func(request testserver.VaultRequest) testserver.VaultFault {
		if request.Method == http.MethodDelete {
			return testserver.VaultRefuse
		}
		return testserver.VaultPass
	})
	outcome := b.revoke(account)
	if !errors.Is(outcome.Err, nhi.ErrUnconfirmed) || outcome.Verified {
		t.Fatalf("revoke: %s, %v, want ErrUnconfirmed", outcome.State, outcome.Err)
	}
	b.Restore()
	if b.canRead(token, "secret/data/orders") {
		t.Error("a token works after the entity was shut")
	}
	b.put("identity/entity/id/"+account.ID, map[string]any{"disabled": false})
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Fatalf("revoke again: %s, %v", outcome.State, outcome.Err)
	}
	if b.canRead(token, "secret/data/orders") {
		t.Error("a token works after the revocation")
	}
}

// TestTokensOfTakenPoliciesStop: a token keeps the policies that it was made
// with, so one that was got while the AppRole had more is revoked with them.
func TestTokensOfTakenPoliciesStop(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	credential := b.issue(account, nil)
	good := b.loginWith(credential)
	b.put(b.rolePath(account.Principal), map[string]any{"token_policies": []string{b.read, b.write}})
	bad := b.loginWith(credential)
	if !b.canRead(bad, "secret/data/written") {
		t.Fatal("the policy that was added does nothing")
	}
	if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 {
		t.Fatalf("enable: %q, %v", outcome.Findings, outcome.Err)
	}
	if b.canRead(bad, "secret/data/written") {
		t.Error("a token keeps a policy that was taken away")
	}
	if !b.canRead(good, "secret/data/orders") {
		t.Error("a token that has what is approved was revoked")
	}
}

// TestEndsAreKept: with real seconds. Neither a secret id nor a token works
// after its time, whatever its holder renews. Vault looks once a minute for
// secret ids that have ended, so each is made to end that much sooner.
func TestEndsAreKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.account()
	account.Access["token_ttl"] = nhi.Text("3s")
	account = b.activate(account)
	last := account.NotAfter.Add(time.Minute + 3*time.Second)
	if outcome := b.observe(account); !outcome.UsableUntil.Equal(last) || outcome.EnforcedBy != connector.EnforcedByApply {
		t.Errorf("usable until %s by %s, want %s", outcome.UsableUntil, outcome.EnforcedBy, last)
	}
	asked := time.Now().Add(10 * time.Minute)
	long, err := b.issuer().Issue(t.Context(), account, asked, nil)
	b.mustDo(err)
	looked := b.put(b.rolePath(account.Principal)+"/secret-id-accessor/lookup", map[string]any{"secret_id_accessor": long.Values["accessor"].Reveal()})
	ends, err := time.Parse(time.RFC3339Nano, looked.Data["expiration_time"].(string))
	b.mustDo(err)
	if ends.Add(time.Minute).After(asked.Add(4*time.Second)) || long.ExpiresAt.Sub(ends).Abs() > 3*time.Second {
		t.Errorf("asked until %s, ends %s, and is said to end %s", asked, ends, long.ExpiresAt)
	}
	token := b.loginWith(long)
	if !b.renews(token) {
		t.Fatal("the token does not renew itself")
	}
	testserver.Wait(t, time.Minute, "the token ends", func() bool { return !b.canRead(token, "secret/data/orders") })

	short, err := b.issuer().Issue(t.Context(), account, time.Now().Add(4*time.Second), nil)
	b.mustDo(err)
	testserver.Wait(t, 2*time.Minute, "the secret id ends", func() bool {
		return !slices.Contains(b.keys(b.rolePath(account.Principal)+"/secret-id"), short.Values["accessor"].Reveal())
	})
	if b.loginWith(short) != "" {
		t.Error("a secret id works after its end")
	}
}

// TestTokenEndsWithTheTerm: where less is left of the term than a token lives,
// its end is drawn in, and no renewal leads beyond.
func TestTokenEndsWithTheTerm(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.account()
	account.NotAfter = account.NotBefore.Add(10 * time.Minute)
	account = b.activate(account)
	asked := time.Now().Add(5 * time.Minute)
	credential, err := b.issuer().Issue(t.Context(), account, asked, nhi.Values{"form": nhi.Text("token")})
	b.mustDo(err)
	token := credential.Values["token"].Reveal()
	if credential.Values["secret_id"].Reveal() != "" || credential.ExpiresAt.After(asked) || credential.ExpiresAt.Before(asked.Add(-time.Minute)) {
		t.Errorf("issued until %s, asked until %s", credential.ExpiresAt, asked)
	}
	ends := func() time.Time {
		looked, err := b.root.Auth().Token().Lookup(token)
		b.mustDo(err)
		at, err := time.Parse(time.RFC3339Nano, looked.Data["expire_time"].(string))
		b.mustDo(err)
		return at
	}
	if at := ends(); at.After(asked.Add(2 * time.Second)) {
		t.Errorf("the token ends %s, asked until %s", at, asked)
	}
	if _, err := b.anonymous(token).Auth().Token().RenewSelf(100_000); err != nil {
		t.Fatal(err)
	}
	if at := ends(); at.After(account.NotAfter.Add(2 * time.Second)) {
		t.Errorf("renewed, the token ends %s, and the term %s", at, account.NotAfter)
	}
	if seen := b.observe(account); len(seen.Findings) > 0 {
		t.Errorf("what issuing draws in is no drift: %q", seen.Findings)
	}
}
