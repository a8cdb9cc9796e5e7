package provider_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestVault is the life of an access to a real Vault: approved, used, changed
// by hand in every way that a plan must show, expired, and gone.
func TestVault(t *testing.T) {
	t.Parallel()
	w, server := newWorld(t), testserver.Vault(t)
	root, mount, policy := server.Client(""), server.Prefix()+"approle", server.Prefix()+"orders-read"
	must(t, root.Sys().EnableAuthWithOptions(mount, &api.EnableAuthOptions{Type: "approle"}))
	must(t, root.Sys().PutPolicy(policy, `path "secret/data/orders" { capabilities = ["read"] }`))
	put := func(path string, data map[string]any) {
		t.Helper()
		if _, err := root.Logical().Write(path, data); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	put("secret/data/orders", map[string]any{"data": map[string]any{"n": "42"}})

	w.policy(1, fmt.Sprintf("  system \"secrets\" { vault = %q }\n", server.Address()+"/auth/"+mount), twoOfSecurity)
	w.Env = append(w.Env, "TF_VAR_vault_token="+server.Token())
	w.Write(t, "main.tf", "variable \"vault_token\" {\n  type      = string\n  ephemeral = true\n}\n"+
		w.providerBlock(fmt.Sprintf("    secrets = { vault = { url = %q, token = var.vault_token, approle_mount = %q } }\n", server.Address(), mount))+
		grantOf("720h", fmt.Sprintf("    kv = { system = \"secrets\", vault = { policies = [%q] } }\n", policy))+`
ephemeral "nhi_credential" "kv" {
  lease   = nhi_grant.etl.lease
  target  = "kv"
  options = { form = "token" }
}
resource "terraform_data" "job" {
  count            = nhi_grant.etl.active ? 1 : 0
  triggers_replace = nhi_grant.etl.lease
  provisioner "local-exec" {
    quiet       = true
    command     = "printf %s \"$VAULT_TOKEN\" > stolen-token"
    environment = { VAULT_TOKEN = ephemeral.nhi_credential.kv.vault.token }
  }
}
`)
	mark := server.Mark()
	wants(t, w.Apply(t), 0, "active = false")
	if changes := server.Changes(mark); len(changes) > 0 {
		t.Errorf("before it was approved, Vault was asked to %q", changes)
	}
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Plan(t), 2, `"approved" -> "active"`, "policy "+policy)
	wants(t, w.Apply(t), 0, "active = true")
	wants(t, w.Plan(t), 0, "No changes")
	stolen := server.Client(w.read("stolen-token"))
	if _, err := stolen.Logical().Read("secret/data/orders"); err == nil {
		t.Error("a token works after the run that it was for")
	}

	principal := nhi.Principal(w.etl, "kv")
	put("auth/"+mount+"/role/"+principal, map[string]any{"token_policies": []string{policy, "default"}})
	wants(t, w.Plan(t), 2, `"drifted" -> "active"`, "policy default was added by hand")
	wants(t, w.Apply(t), 0)
	put("identity/entity/name/"+principal, map[string]any{"disabled": true})
	wants(t, w.Plan(t), 2, `"drifted" -> "active"`, "the entity was disabled by hand")
	wants(t, w.Apply(t), 0)
	for _, path := range []string{"identity/entity/name/" + principal, "auth/" + mount + "/role/" + principal} {
		if _, err := root.Logical().Delete(path); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, w.Plan(t), 2, `"drifted" -> "active"`, "it was removed by hand")
	wants(t, w.Apply(t), 0)
	wants(t, w.Plan(t), 0, "No changes")

	must(t, root.Sys().PutPolicy(policy, `path "secret/*" { capabilities = ["read"] }`))
	wants(t, w.Plan(t), 0, "No changes", "has another text than at activation")

	w.advance(721 * time.Hour)
	wants(t, w.Plan(t), 2, `"expired" -> "revoked"`)
	wants(t, w.Apply(t), 0, "active = false")
	for _, path := range []string{"identity/entity/name/" + principal, "auth/" + mount + "/role/" + principal} {
		if left, err := root.Logical().Read(path); err != nil || left != nil {
			t.Errorf("%s is left: %v, %v", path, left, err)
		}
	}
	if state := w.read("terraform.tfstate"); strings.Contains(state, server.Token()) || strings.Contains(state, w.read("stolen-token")) {
		t.Error("a token is in the state")
	}
}
