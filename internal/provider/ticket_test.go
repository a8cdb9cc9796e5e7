package provider_test

import (
	"strings"
	"testing"
)

// TestTicketOfAnother: a ticket of another identity or scope is refused at
// plan, on the attribute.
func TestTicketOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	other := strings.Replace(w.read("main.tf"), w.scope, "payments/other", 1)
	w.Write(t, "main.tf", other+`
resource "nhi_grant" "stolen" {
  ticket = { request = "`+requestOf(t, w)+`", standing = "open", identity_status = "active", text = <<-EOT
`+textOf(t, w)+`EOT
  }
}
`)
	wants(t, w.Plan(t, "-target=nhi_grant.stolen"), 1, "is not of production/payments/other", `resource "nhi_grant" "stolen"`)
}

func requestOf(t testing.TB, w *world) string { return stateOf(t, w, "nhi_approval", "request") }

func textOf(t testing.TB, w *world) string {
	ticket := attributes(t, w, "nhi_approval")["ticket"].(map[string]any)
	return ticket["text"].(string)
}

// stateOf returns a string attribute of the one resource of a type.
func stateOf(t testing.TB, w *world, kind, name string) string {
	value, _ := attributes(t, w, kind)[name].(string)
	return value
}

// attributes returns the attributes of the one resource of a type in state.
func attributes(t testing.TB, w *world, kind string) map[string]any {
	t.Helper()
	module, _ := w.Show(t, "")["values"].(map[string]any)["root_module"].(map[string]any)
	resources, _ := module["resources"].([]any)
	for _, r := range resources {
		resource, _ := r.(map[string]any)
		if resource["type"] == kind {
			values, _ := resource["values"].(map[string]any)
			return values
		}
	}
	t.Fatalf("no %s in state", kind)
	return nil
}
