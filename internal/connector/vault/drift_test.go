package vault_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func hasFinding(findings []string, part string) bool {
	return slices.ContainsFunc(findings, func(finding string) bool { return strings.Contains(finding, part) })
}

// TestDriftIsFoundAndRepaired: each change by hand is named, blocks issuing,
// and is taken back by Enable.
func TestDriftIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	for name, drift := range map[string]struct {
		change  func(*bench, connector.Account)
		finding string
		lasting bool // a credential that was issued before works on after the repair
	}{
		"policy added": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_policies": []string{b.read, b.write}})
		}, "policy {p}orders-write was added by hand", true},
		"policy removed": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_policies": []string{b.write}})
		}, "policy {p}orders-read was removed by hand", true},
		"default policy": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_no_default_policy": false})
		}, "policy default was added by hand", true},
		"entity's policy": {func(b *bench, a connector.Account) {
			b.put("identity/entity/id/"+a.ID, map[string]any{"policies": []string{b.write}})
		}, "policy {p}orders-write was added to the entity by hand", true},
		"group": {func(b *bench, a connector.Account) {
			b.put("identity/group", map[string]any{"name": b.Prefix() + "admins", "member_entity_ids": []string{a.ID}})
		}, "the entity was added to the group {p}admins by hand", true},
		"alias added": {func(b *bench, a connector.Account) {
			b.put("identity/entity-alias", map[string]any{"name": "mallory", "mount_accessor": b.userpass(), "canonical_id": a.ID})
		}, "the alias mallory (userpass) was added by hand", true},
		"alias removed": {func(b *bench, a connector.Account) {
			aliases, _ := b.get("identity/entity/id/" + a.ID)["aliases"].([]any)
			b.drop("identity/entity-alias/id/" + aliases[0].(map[string]any)["id"].(string))
		}, "the alias of its AppRole was removed by hand", true},
		"disabled": {func(b *bench, a connector.Account) {
			b.put("identity/entity/id/"+a.ID, map[string]any{"disabled": true})
		}, "the entity was disabled by hand", true},
		"renamed": {func(b *bench, a connector.Account) {
			b.put("identity/entity/id/"+a.ID, map[string]any{"name": a.Principal + "-old"})
		}, "the entity was renamed to {a}-old by hand", true},
		"mark": {func(b *bench, a connector.Account) {
			b.put("identity/entity/id/"+a.ID, map[string]any{"metadata": map[string]string{}})
		}, "its mark was edited by hand", true},
		"token's end": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_max_ttl": "700h"})
		}, "the end was moved by hand to 700h (token_max_ttl, and 1h was approved)", true},
		"period": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_period": "24h"})
		}, "the end was moved by hand to 24h (token_period, and none was approved)", true},
		"explicit end": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_explicit_max_ttl": 0})
		}, "the end was moved by hand to none (token_explicit_max_ttl, and 1h was approved)", true},
		"secret id's end": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"secret_id_ttl": 0})
		}, "the end was moved by hand to none (secret_id_ttl, and 2h was approved)", true},
		"no secret id": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"bind_secret_id": false, "secret_id_bound_cidrs": "0.0.0.0/0"})
		}, "bind_secret_id was changed by hand to false", true},
		"batch tokens": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal), map[string]any{"token_type": "batch"})
		}, "token_type was changed by hand to batch", true},
		"secret id": {func(b *bench, a connector.Account) {
			b.put(b.rolePath(a.Principal)+"/custom-secret-id", map[string]any{"secret_id": "hunter2"})
		}, "was made by hand", true},
		"AppRole removed": {func(b *bench, a connector.Account) {
			b.drop(b.rolePath(a.Principal))
		}, "the AppRole was removed by hand", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, testserver.Vault(t))
			account := b.active()
			credential := b.issue(account, nil)
			drift.change(b, account)
			want := strings.NewReplacer("{p}", b.Prefix(), "{a}", account.Principal).Replace(drift.finding)

			if seen := b.observe(account); !hasFinding(seen.Findings, want) {
				t.Errorf("read: %q, want %q", seen.Findings, want)
			}
			b.changedNothing(func() {
				if _, err := b.issuer().Issue(t.Context(), account, account.NotAfter, nil); !errors.Is(err, nhi.ErrEnded) {
					t.Errorf("issue: %v, want ErrEnded", err)
				}
			})
			outcome := b.enable(account)
			if outcome.Err != nil || outcome.State != connector.Active || len(outcome.Findings) > 0 {
				t.Fatalf("enable: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
			}
			if seen := b.observe(account); len(seen.Findings) > 0 || !slices.Equal(seen.Privileges, []string{"policy " + b.read}) {
				t.Errorf("after the repair: %q %q", seen.Privileges, seen.Findings)
			}
			if drift.lasting && !b.canRead(b.loginWith(credential), "secret/data/orders") {
				t.Error("the repair broke a credential")
			}
			roleID := credential.Values["role_id"].Reveal()
			if b.login(roleID, "hunter2") != nil || b.login(roleID, "") != nil {
				t.Error("a login that nobody approved works after the repair")
			}
			if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
				t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
			}
		})
	}
}

// userpass is the accessor of an auth mount for people.
func (b *bench) userpass() string {
	b.t.Helper()
	path := b.Prefix() + "userpass"
	if b.get("sys/auth")[path+"/"] == nil {
		b.put("sys/auth/"+path, map[string]any{"type": "userpass"})
	}
	accessor, _ := b.get("sys/auth/" + path)["accessor"].(string)
	return accessor
}

// TestEntityRemovedByHand: its AppRole would go on letting people in. Enable
// removes it, and the next read says that the account is gone.
func TestEntityRemovedByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	credential := b.issue(account, nil)
	b.drop("identity/entity/id/" + account.ID)
	token := b.loginWith(credential) // Vault makes another entity for it
	if !b.canRead(token, "secret/data/orders") {
		t.Fatal("the AppRole does not work without its entity, so this tests nothing")
	}
	if seen := b.observe(account); seen.State != connector.Active || len(seen.Findings) == 0 {
		t.Errorf("read: %s %q", seen.State, seen.Findings)
	}
	if outcome := b.enable(account); outcome.Err == nil {
		t.Error("an account without its entity was enabled")
	}
	if seen := b.observe(account); seen.State != connector.Absent {
		t.Errorf("read after the failed repair: %s", seen.State)
	}
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke: %s, %v", outcome.State, outcome.Err)
	}

	account = b.active()
	credential = b.issue(account, nil)
	b.drop("identity/entity/id/" + account.ID)
	token = b.loginWith(credential)
	if outcome := b.revoke(account); outcome.Err != nil || outcome.State != connector.Absent {
		t.Errorf("revoke without the entity: %s, %v", outcome.State, outcome.Err)
	}
	if b.canRead(token, "secret/data/orders") {
		t.Error("a token of the AppRole works after the revocation")
	}
}

// TestPolicyTexts: what a policy says is remembered at activation, and a repair
// does not make it forgotten.
func TestPolicyTexts(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.account(b.Prefix() + "no-such-policy")
	b.changedNothing(func() {
		if outcome := b.prepare(account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
			t.Errorf("prepare with a policy that does not exist: %v, want ErrInvalid", outcome.Err)
		}
	})
	account = b.active()
	want := "policy " + b.read + " has another text than at activation"
	if seen := b.observe(account); len(seen.Warnings) > 0 {
		t.Errorf("warnings %q, and nothing changed", seen.Warnings)
	}
	b.mustDo(b.root.Sys().PutPolicy(b.read, readOrders+"\n# and more"))
	for _, when := range []string{"changed", "repaired"} {
		if seen := b.observe(account); !slices.Equal(seen.Warnings, []string{want}) || len(seen.Findings) > 0 {
			t.Errorf("%s: warnings %q, findings %q, want %q", when, seen.Warnings, seen.Findings, want)
		}
		outcome := b.enable(account)
		if outcome.Err != nil || !slices.Equal(outcome.Warnings, []string{want}) {
			t.Errorf("enable: %q, %v", outcome.Warnings, outcome.Err)
		}
		account.Evidence = outcome.Evidence
	}
	holdings, err := b.system.Read(t.Context(), nil)
	b.mustDo(err)
	if seen := holdings.Of(account); !slices.Equal(seen.Warnings, []string{want}) {
		t.Errorf("the list: warnings %q", seen.Warnings)
	}
	b.drop("sys/policies/acl/" + b.read)
	if seen := b.observe(account); !slices.Equal(seen.Warnings, []string{"policy " + b.read + " does not exist any more"}) {
		t.Errorf("removed: warnings %q", seen.Warnings)
	}
	b.changedNothing(func() {
		if outcome := b.enable(account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
			t.Errorf("enable with a policy that is gone: %v, want ErrInvalid", outcome.Err)
		}
	})
}
