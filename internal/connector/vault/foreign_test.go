package vault_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// refusesAll wants every effect to be ErrForeign, and no request that changes
// anything.
func (b *bench) refusesAll(account connector.Account) {
	b.t.Helper()
	b.changedNothing(func() {
		for name, effect := range map[string]func(connector.Account) connector.Outcome{"prepare": b.prepare, "enable": b.enable, "revoke": b.revoke, "probe": b.probe} {
			if outcome := effect(account); !errors.Is(outcome.Err, nhi.ErrForeign) {
				b.t.Errorf("%s: %s, %v, want ErrForeign", name, outcome.State, outcome.Err)
			}
		}
		if seen := b.observe(account); seen.State != connector.Foreign || len(seen.Findings) == 0 {
			b.t.Errorf("read: %s %q, want foreign", seen.State, seen.Findings)
		}
		if _, err := b.issuer().Issue(b.t.Context(), account, account.NotAfter, nil); !errors.Is(err, nhi.ErrForeign) {
			b.t.Errorf("issue: %v, want ErrForeign", err)
		}
	})
}

// TestWhatIsNotOursIsLeft: an entity or an AppRole of somebody else's under our
// next name is neither used nor touched.
func TestWhatIsNotOursIsLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	plant := map[string]func(connector.Account){
		"entity":  func(a connector.Account) { b.put("identity/entity", map[string]any{"name": a.Principal}) },
		"AppRole": func(a connector.Account) { b.put(b.rolePath(a.Principal), map[string]any{"token_policies": b.write}) },
		"another grant's mark": func(a connector.Account) {
			b.put("identity/entity", map[string]any{"name": a.Principal, "metadata": map[string]string{"nhi": b.account().Mark.String()}})
		},
		"our mark with another nonce": func(a connector.Account) {
			mark := a.Mark
			mark.Nonce = strings.Repeat("f", 32)
			b.put("identity/entity", map[string]any{"name": a.Principal, "metadata": map[string]string{"nhi": mark.String()}})
		},
	}
	for name, place := range plant {
		t.Run(name, func(t *testing.T) {
			account := b.account()
			place(account)
			account.Enabled = true
			b.on(t).refusesAll(account)
		})
	}
}

// TestMemoryIsToldByTheMark: what only a memory knows is not ours by name and
// id; the whole mark still tells it.
func TestMemoryIsToldByTheMark(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	account.ByMark = true
	if seen := b.observe(account); seen.State != connector.Active {
		t.Errorf("with its mark it is %s", seen.State)
	}
	b.put("identity/entity/id/"+account.ID, map[string]any{"metadata": map[string]string{}})
	for name, effect := range map[string]func(connector.Account) connector.Outcome{"enable": b.enable, "revoke": b.revoke} {
		if outcome := effect(account); !errors.Is(outcome.Err, nhi.ErrForeign) {
			t.Errorf("%s: %s, %v, want ErrForeign", name, outcome.State, outcome.Err)
		}
	}
	// The AppRole carries the mark in its role id, and goes; the entity stays.
	if b.get("identity/entity/id/"+account.ID) == nil {
		t.Error("an entity was removed for its name and id")
	}
}

// TestACopiedMarkIsNotOurs: a victim's entity with our mark copied onto it is
// not touched, whatever happened to ours.
func TestACopiedMarkIsNotOurs(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	victim := b.put("identity/entity", map[string]any{
		"name": b.Prefix() + "victim", "metadata": map[string]string{"nhi": account.Mark.String()}, "policies": b.write,
	}).Data["id"].(string)
	untouched := func(when string) {
		entity := b.get("identity/entity/id/" + victim)
		if entity == nil || entity["disabled"] == true || fmt.Sprint(entity["policies"]) != "["+b.write+"]" {
			t.Errorf("%s: the victim is %v", when, entity)
		}
	}
	holdings, err := b.system.Read(t.Context(), nil)
	b.mustDo(err)
	if seen := holdings.Of(account); seen.State != connector.Active || seen.ID != account.ID {
		t.Errorf("the list says %s with id %s", seen.State, seen.ID)
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
	}
	untouched("revoked")
	// Under our name it is still not the entity that the ledger recorded.
	b.put("identity/entity/id/"+victim, map[string]any{"name": account.Principal})
	account.Enabled = true
	b.refusesAll(account)
	untouched("renamed")
}

// TestAPlantedSecretIDIsNotBlessed: somebody makes a secret id that they know
// between the preparation and the activation.
func TestAPlantedSecretIDIsNotBlessed(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.account()
	prepared := b.prepare(account)
	b.mustDo(prepared.Err)
	account.ID, account.Enabled = prepared.ID, true
	plant := func() {
		b.put(b.rolePath(account.Principal)+"/custom-secret-id", map[string]any{"secret_id": "hunter2"})
	}
	plant()
	if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 {
		t.Fatalf("enable: %q, %v", outcome.Findings, outcome.Err)
	}
	roleID := b.get(b.rolePath(account.Principal) + "/role-id")["role_id"].(string)
	if b.login(roleID, "hunter2") != nil {
		t.Error("a planted secret id works")
	}
	// The intent is finished by another run: credentials are rotated, sessions end.
	credential := b.issue(account, nil)
	token := b.loginWith(credential)
	if outcome := b.prepare(account); outcome.Err != nil || outcome.State != connector.Inert {
		t.Fatalf("prepare: %s, %v", outcome.State, outcome.Err)
	}
	if b.canRead(token, "secret/data/orders") || b.loginWith(credential) != "" {
		t.Error("a credential from before works on a prepared account")
	}
	b.activate(account)
	if b.canRead(token, "secret/data/orders") || b.loginWith(credential) != "" {
		t.Error("a credential from before the interruption works again")
	}
}

// TestHostileAccounts: what could be read as another path is refused before
// anything is sent.
func TestHostileAccounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	for _, hostile := range []string{"", "..", "a/../b", "a/b", "a?list=true", "a%2fb", "a b", "a\nb", "a\x00", "-a", "a-", "A", ".a", strings.Repeat("a", 200)} {
		account := b.active()
		account.Principal = hostile
		before := len(b.AuditLog())
		for name, effect := range map[string]func(connector.Account) connector.Outcome{"prepare": b.prepare, "enable": b.enable, "revoke": b.revoke} {
			if outcome := effect(account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
				t.Errorf("%s of %q: %v, want ErrInvalid", name, hostile, outcome.Err)
			}
		}
		for line := range strings.Lines(b.AuditLog()[before:]) {
			if hostile != "" && strings.Contains(line, hostile+`"`) {
				t.Errorf("%q was sent: %s", hostile, line)
			}
		}
	}
	account := b.active()
	account.ID = "../../sys/policies/acl/default"
	b.changedNothing(func() {
		if outcome := b.revoke(account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
			t.Errorf("a hostile id: %v", outcome.Err)
		}
	})
}

// TestManyAtOnce: twenty accounts, each by a run of its own, and one that two
// runs make at the same time.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	var all sync.WaitGroup
	for range 20 {
		account := b.account(b.read, b.write)
		all.Go(func() {
			b.run(&account)
			if seen := b.observe(account); seen.State != connector.Active || len(seen.Findings) > 0 {
				t.Errorf("%s: %s %q", account.Principal, seen.State, seen.Findings)
			}
			if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
				t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
			}
		})
	}
	all.Wait()
	shared := b.account()
	for range 4 {
		all.Go(func() { b.prepare(shared) })
	}
	all.Wait()
	shared = b.activate(shared)
	if outcome := b.revoke(shared); outcome.Err != nil || b.left(shared) != "" {
		t.Errorf("revoke: %v, left %s", outcome.Err, b.left(shared))
	}
}
