package provider_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// furnishVault gives the landscape an AppRole mount, a policy and a secret of
// its own: all tests of a process share one Vault.
func (l *landscape) furnishVault() {
	l.t.Helper()
	must(l.t, l.vaultRoot().Sys().EnableAuthWithOptions(l.mount(), &api.EnableAuthOptions{Type: "approle"}))
	must(l.t, l.vaultRoot().Sys().PutPolicy(l.vaultPolicy("read"), l.reading("orders")))
	for _, name := range []string{"orders", "payroll"} {
		l.vaultPut(l.secret(name), map[string]any{"data": map[string]any{"id": "42"}})
	}
}

func (l *landscape) vaultRoot() *api.Client { return l.vault.Client("") }

func (l *landscape) mount() string { return l.vault.Prefix() + "approle" }

// vaultPolicy is the name of one of the landscape's policies: "read" is what
// kvAccess asks for.
func (l *landscape) vaultPolicy(of string) string { return l.vault.Prefix() + "orders-" + of }

func (l *landscape) secret(name string) string { return "secret/data/" + l.vault.Prefix() + name }

// reading is the text of a policy that reads a secret, and renews its token.
func (l *landscape) reading(name string) string {
	return fmt.Sprintf("path %q { capabilities = [\"read\"] }\npath \"auth/token/renew-self\" { capabilities = [\"update\"] }\n", l.secret(name))
}

func (l *landscape) vaultSystem() string {
	return fmt.Sprintf("    secrets = { vault = { url = %q, token = var.vault_token, approle_mount = %q } }\n", l.vault.Address(), l.mount())
}

func (l *landscape) kvAccess() string {
	return fmt.Sprintf("    kv = { system = \"secrets\", vault = { policies = [%q] } }\n", l.vaultPolicy("read"))
}

// appRole is the path of an AppRole of the landscape's mount; "" is that of the
// grant's own.
func (l *landscape) appRole(name string) string {
	if name == "" {
		name = nhi.Principal(l.etl, "kv")
	}
	return "auth/" + l.mount() + "/role/" + name
}

// entity returns the path of the entity of the grant, or "".
func (l *landscape) entity() string {
	l.t.Helper()
	id, _ := l.vaultGet("identity/entity/name/" + nhi.Principal(l.etl, "kv"))["id"].(string)
	if id == "" {
		return ""
	}
	return "identity/entity/id/" + id
}

// vaultPut writes as root, past the provider.
func (l *landscape) vaultPut(path string, data map[string]any) map[string]any {
	l.t.Helper()
	answer, err := l.vaultRoot().Logical().Write(path, data)
	must(l.t, err)
	if answer == nil {
		return nil
	}
	return answer.Data
}

// vaultGet reads as root; nil where there is nothing.
func (l *landscape) vaultGet(path string) map[string]any {
	l.t.Helper()
	answer, err := l.vaultRoot().Logical().Read(path)
	must(l.t, err)
	if answer == nil {
		return nil
	}
	return answer.Data
}

// vaultDrop deletes as root.
func (l *landscape) vaultDrop(path string) {
	l.t.Helper()
	_, err := l.vaultRoot().Logical().Delete(path)
	must(l.t, err)
}

// policiesOf lists the policies that an AppRole gives.
func (l *landscape) policiesOf(role string) string {
	l.t.Helper()
	return fmt.Sprint(l.vaultGet(role)["token_policies"])
}

// vaultLogin logs in as a machine does; "" is Vault's refusal.
func (l *landscape) vaultLogin(roleID, secretID string) string {
	l.t.Helper()
	client := l.vault.Client("none")
	client.ClearToken()
	answer, err := client.Logical().Write("auth/"+l.mount()+"/login", map[string]any{"role_id": roleID, "secret_id": secretID})
	if vaultRefuses(err) {
		return ""
	}
	must(l.t, err)
	return answer.Auth.ClientToken
}

// vaultReads says whether a token reads a secret; false is Vault's refusal.
func (l *landscape) vaultReads(token, name string) bool {
	l.t.Helper()
	if token == "" {
		return false
	}
	_, err := l.vault.Client(token).Logical().Read(l.secret(name))
	if vaultRefuses(err) {
		return false
	}
	must(l.t, err)
	return true
}

// vaultRenews says whether a token can make itself last longer.
func (l *landscape) vaultRenews(token string) bool {
	l.t.Helper()
	_, err := l.vault.Client(token).Auth().Token().RenewSelf(60)
	if vaultRefuses(err) {
		return false
	}
	must(l.t, err)
	return true
}

func vaultRefuses(err error) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && slices.Contains([]int{http.StatusForbidden, http.StatusBadRequest}, answer.StatusCode)
}

// nothingInVault checks that neither the entity nor the AppRole of the grant is
// there.
func (l *landscape) nothingInVault() {
	l.t.Helper()
	if role := l.vaultGet(l.appRole("")); role != nil || l.entity() != "" {
		l.t.Errorf("left over in Vault: AppRole %v, entity %s", role, l.entity())
	}
}
