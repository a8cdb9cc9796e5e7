package provider_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestVaultChangedByHand: what a hand added, removed or moved in Vault is drift
// too: listed, and put back as it was approved.
func TestVaultChangedByHand(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.vaultSystem())+variables+grantOf("720h", l.kvAccess()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.follow("approved", "active", `+ "policy `+l.vaultPolicy("read")+`"`)
	role, admin, read := l.appRole(""), l.vaultPolicy("admin"), l.vaultPolicy("read")
	must(t, l.vaultRoot().Sys().PutPolicy(admin, l.reading("payroll")))
	var stolen string
	for _, c := range []struct {
		by    func()
		words []string
	}{
		{func() { l.vaultPut(role, map[string]any{"token_policies": []string{read, admin}}) },
			[]string{"kv: policy " + admin + " was added by hand", `- "policy ` + admin + `"`}},
		{func() { l.vaultPut(role, map[string]any{"token_policies": []string{}}) },
			[]string{"kv: policy " + read + " was removed by hand", `+ "policy ` + read + `"`}},
		{func() { l.vaultPut(l.entity(), map[string]any{"policies": []string{admin}}) },
			[]string{"kv: policy " + admin + " was added to the entity by hand"}},
		{func() { l.vaultPut(l.entity(), map[string]any{"disabled": true}) }, []string{"kv: the entity was disabled by hand"}},
		{func() {
			l.vaultPut(role, map[string]any{"token_max_ttl": "0", "token_explicit_max_ttl": "0", "token_period": "48h"})
		}, []string{"kv: the end was moved by hand to", "token_period, and none was approved"}},
		{func() {
			secret := l.vaultPut(role+"/secret-id", nil)
			id, _ := l.vaultGet(role + "/role-id")["role_id"].(string)
			secretID, _ := secret["secret_id"].(string)
			if stolen = l.vaultLogin(id, secretID); !l.vaultReads(stolen, "orders") {
				t.Fatal("the secret id that was made by hand does not work")
			}
		}, []string{"kv: secret id", "was made by hand"}},
		{func() { l.vaultDrop(role) }, []string{"kv: the AppRole was removed by hand"}},
		{func() { l.vaultDrop(role); l.vaultDrop(l.entity()) }, []string{"kv: it was removed by hand"}},
	} {
		c.by()
		l.follow("drifted", "active", c.words...)
		if held := l.policiesOf(role); held != "["+read+"]" {
			t.Errorf("after the repair of %q it gives %s", c.words, held)
		}
	}
	if l.vaultReads(stolen, "orders") {
		t.Error("a token from a secret id that was made by hand still reads")
	}
	wants(t, l.Destroy(t), 0)
	l.nothingInVault()
}

// TestVaultTermEnds: a token that was got before the end is refused once the
// end was applied, and cannot be renewed either.
func TestVaultTermEnds(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	config := l.providerBlock(l.vaultSystem()) + variables + grantOf("720h", l.kvAccess())
	l.Write(t, "main.tf", config)
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.follow("approved", "active", `~ active = false -> true`)
	token := l.stolenToken()
	if !l.vaultReads(token, "orders") || l.vaultReads(token, "payroll") || !l.vaultRenews(token) {
		t.Fatal("the token does not read what was approved, or it reads more")
	}
	l.Write(t, "main.tf", config)
	l.advance(721 * time.Hour)
	wants(t, l.Plan(t), 2)
	if !l.vaultReads(token, "orders") {
		t.Error("a plan ended access")
	}
	l.follow("expired", "revoked", "the term ended", `- "policy `+l.vaultPolicy("read")+`"`, `~ active = true -> false`)
	if l.vaultReads(token, "orders") || l.vaultRenews(token) {
		t.Error("the token reads or renews itself after the end")
	}
	wants(t, l.Plan(t), 0, "Access is down", "set or raise renewal")
	l.nothingInVault()
}

// TestVaultMoreAndLess: another policy waits for its own approval while what is
// in force stays; fewer policies apply at once.
func TestVaultMoreAndLess(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	read, admin := l.vaultPolicy("read"), l.vaultPolicy("admin")
	must(t, l.vaultRoot().Sys().PutPolicy(admin, l.reading("payroll")))
	wish := func(policies, ttl string) {
		access := "    kv = { system = \"secrets\", vault = { policies = [" + policies + "], token_ttl = \"" + ttl + "\" } }\n"
		l.Write(t, "main.tf", l.providerBlock(l.vaultSystem())+variables+grantOf("720h", access))
	}
	one, both := `"`+read+`"`, `"`+read+`", "`+admin+`"`
	wish(one, "1h")
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	check := l.untouched()
	for _, wider := range []func(){func() { wish(one, "2h") }, func() { wish(both, "1h") }} { // the last one is decided on
		wider()
		wants(t, l.Apply(t), 0, "active = true", "Waiting for approval")
		check("more was asked for")
	}
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.follow("approved", "active", `+ "policy `+admin+`"`)
	wish(one, "1h")
	planned := l.Plan(t, "-out=plan")
	wants(t, planned, 2, `- "policy `+admin+`"`)
	refuses(t, planned, "Waiting for approval")
	wants(t, l.applySaved("plan"), 0, "active = true")
	if held := l.policiesOf(l.appRole("")); held != "["+read+"]" {
		t.Errorf("after narrowing it gives %s", held)
	}
	wants(t, l.Plan(t), 0, "No changes")
}
