package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestVaultProvesARun: Vault's own answer about the run's token proves who asks
// and where it runs, while that is so, and nothing that the record says of it does.
func TestVaultProvesARun(t *testing.T) {
	t.Parallel()
	w, vault := newWorld(t), testserver.Vault(t)
	token, entity := vault.Login("rae")
	other, _ := vault.Login("mallory")
	name := vault.Address()
	key := fmt.Sprintf("keys = [%q]", signature.Key(w.people[rae].PublicKey()))
	w.policy(1, "", twoOfSecurity+fmt.Sprintf("issuer %q { vault = true }\nrunner \"deployer\" {\n environments = [\"production\"]\n scopes = [\"payments/*\"]\n issuer = %q\n claim \"entity_id\" { values = [%q] }\n}\n", name, name, entity))
	w.signPolicy(strings.Replace(w.read("policy.hcl"), key, fmt.Sprintf("%s\n workload \"Vault\" {\n issuer = %q\n claim \"entity_id\" { values = [%q] }\n}", key, name, entity), 1))
	block := fmt.Sprintf("vault = { address = %q, token_env = \"RUN_TOKEN\" }", name)
	w.Write(t, "main.tf", w.proving("requester = { "+block+" }\n  runner = { "+block+" }")+grantOf("720h", externalAccess))
	w.with("RUN_TOKEN", token)
	applied := w.Apply(t)
	wants(t, applied, 0, "active = false")
	refuses(t, applied, "not proven", token)
	wants(t, w.Plan(t), 0, "needs 2 of group security")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	for _, bad := range []string{"", other, "hvs.unknown"} {
		w.with("RUN_TOKEN", bad)
		wants(t, w.Apply(t), 0, "active = false", "needs 3 of group security", "bound to the runner deployer")
	}
	shown := w.NHI(t, "show", string(w.etl), "--ledger", ".nhi", "--policy", "policy.hcl")
	wants(t, shown, 0, "unproven", "is the testimony of a run")
	w.with("RUN_TOKEN", token)
	vault.Cut()
	wants(t, w.Apply(t), 0, "active = false")
	vault.Restore()
	wants(t, w.Apply(t), 0, "active = true")
	w.with("RUN_TOKEN", "")
	wants(t, w.Plan(t), 0, "No changes")
	wants(t, w.NHI(t, "verify", "--ledger", ".nhi"), 0, "cannot be checked")
	wants(t, w.Destroy(t), 0)
}
