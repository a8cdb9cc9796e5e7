package vault_test

import (
	"encoding/json"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/connectortest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// existing makes an AppRole as people make them: with a policy too many, a
// secret id that never ends, and tokens that are renewed for ever.
func (b *bench) existing() connectortest.Existing {
	b.t.Helper()
	name := "svc-" + randomHex(b.t, 4)
	create := func() (roleID, secretID string) {
		b.put(b.rolePath(name), map[string]any{"token_policies": []string{b.read, b.write}, "token_period": "24h", "token_ttl": "2h"})
		secret := b.put(b.rolePath(name)+"/secret-id", nil)
		roleID, _ = b.get(b.rolePath(name) + "/role-id")["role_id"].(string)
		secretID, _ = secret.Data["secret_id"].(string)
		return roleID, secretID
	}
	roleID, secretID := create()
	can := func(t *testing.T, path string) bool {
		b := b.on(t)
		auth := b.login(roleID, secretID)
		if auth == nil {
			return false
		}
		defer func() { b.put("auth/token/revoke-accessor", map[string]any{"accessor": auth.Accessor}) }()
		return b.canRead(auth.ClientToken, path)
	}
	return connectortest.Existing{
		Name: name,
		Access: func(disable bool) nhi.Values {
			access := b.access(b.read)
			access["adopt"], access["on_revoke"] = nhi.Text(name), nhi.Text("delete")
			if disable {
				access["on_revoke"] = nhi.Text("disable")
			}
			return access
		},
		Works:  func(t *testing.T) bool { return can(t, "secret/data/orders") },
		Excess: func(t *testing.T) bool { return can(t, "secret/data/written") },
		Fingerprint: func(t *testing.T) string {
			role := b.on(t).get(b.rolePath(name))
			if role["secret_id_bound_cidrs"] == nil { // what is not set, and what is set to nothing
				role["secret_id_bound_cidrs"] = []any{}
			}
			text, err := json.Marshal([]any{role, b.on(t).get(b.rolePath(name) + "/role-id"), b.on(t).keys(b.rolePath(name) + "/secret-id")})
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		},
		Replace: func(t *testing.T) {
			b.on(t).drop(b.rolePath(name))
			roleID, secretID = create()
		},
		Mark: func(t *testing.T, mark nhi.Mark) {
			b := b.on(t)
			if b.login(roleID, secretID) == nil { // Vault makes its entity
				t.Fatal("the existing account does not log in")
			}
			entity, err := b.root.Logical().Write("identity/lookup/entity", map[string]any{"alias_name": roleID, "alias_mount_accessor": b.accessor()})
			if err != nil || entity == nil {
				t.Fatalf("the entity of an existing account: %v", err)
			}
			id, _ := entity.Data["id"].(string)
			b.put("identity/entity/id/"+id, map[string]any{"metadata": map[string]string{"nhi": mark.String()}})
		},
	}
}

func (b *bench) accessor() string {
	b.t.Helper()
	accessor, _ := b.get("sys/auth/" + b.mount)["accessor"].(string)
	return accessor
}
