package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// another makes a second workspace over the same ledger and policy, for
// another scope.
func (w *world) another(scope string) *world {
	w.t.Helper()
	other := newWorld(w.t)
	other.people, other.ledger, other.scope, other.ahead = w.people, w.ledger, scope, w.ahead
	other.etl = nhi.ApprovalID("production/" + scope + "/orders-etl:default")
	must(w.t, os.RemoveAll(filepath.Join(other.Dir, ".nhi")))
	must(w.t, os.Symlink(filepath.Join(w.Dir, ".nhi"), filepath.Join(other.Dir, ".nhi")))
	for _, name := range []string{"policy.hcl", "policy.hcl.sig", "key-rae", "key-rae.pub"} {
		other.Write(w.t, name, w.read(name))
	}
	for _, variable := range w.Env {
		if strings.HasPrefix(variable, "NHI_TRUST_ROOT=") || strings.HasPrefix(variable, "TF_VAR_") {
			other.Env = append(other.Env, variable)
		}
	}
	return other
}

// outputs returns the outputs in state.
func (w *world) outputs() map[string]any {
	w.t.Helper()
	values, _ := w.Show(w.t, "")["values"].(map[string]any)
	outputs, _ := values["outputs"].(map[string]any)
	all := map[string]any{}
	for name, output := range outputs {
		all[name] = output.(map[string]any)["value"]
	}
	return all
}

// at walks into a value of JSON: at(v, "targets", "db", "status").
func at(value any, names ...string) any {
	for _, name := range names {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// viewsOf are the three views of one approval and its identity.
func viewsOf(id nhi.ApprovalID) string {
	return fmt.Sprintf(`
data "nhi_identity" "etl" { id = %q }
data "nhi_approval" "etl" { id = %[2]q }
data "nhi_grant" "etl" { id = %[2]q }
output "identity" { value = data.nhi_identity.etl }
output "approval" { value = data.nhi_approval.etl }
output "grant" { value = data.nhi_grant.etl }
`, id.Identity(), id)
}

// TestViews: another workspace, of another scope and without any system, reads
// what an identity, an approval and a grant are through their whole life.
func TestViews(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
	wants(t, l.Apply(t), 0)
	report := l.another("payments/report")
	report.Write(t, "main.tf", report.providerBlock("")+viewsOf(l.etl))
	see := func(status string) (identity, approval, grant any) {
		t.Helper()
		wants(t, report.Apply(t), 0)
		outputs := report.outputs()
		if got := at(outputs["grant"], "status"); got != status {
			t.Fatalf("the grant is %v, want %s", got, status)
		}
		return outputs["identity"], outputs["approval"], outputs["grant"]
	}
	identity, approval, grant := see("pending")
	same(t, "subject", at(identity, "subject"), attributes(t, l.world, "nhi_identity")["subject"])
	same(t, "subject of the approval", at(approval, "subject"), attributes(t, l.world, "nhi_approval")["subject"])
	for _, name := range []string{"ticket", "request", "required", "justification", "ttl", "status", "name"} {
		same(t, name, at(approval, name), attributes(t, l.world, "nhi_approval")[name])
	}
	same(t, "ticket of the grant", at(grant, "ticket"), at(approval, "ticket"))
	same(t, "requester", at(approval, "requester"), rae)
	same(t, "privileges", at(approval, "access", "db", "privileges"), []any{"role " + l.role()})
	same(t, "owner", at(grant, "owner"), "ana@example.com")

	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	_, approval, _ = see("approved")
	same(t, "approved_by", at(approval, "approved_by"), []any{ana, ben})
	wants(t, l.Apply(t), 0, "active = true")
	_, _, grant = see("active")
	for _, name := range []string{"active", "lease", "expires_at", "activated_at", "active_request"} {
		same(t, name, at(grant, name), attributes(t, l.world, "nhi_grant")[name])
	}
	same(t, "principal", at(grant, "targets", "db", "principal"), nhi.Principal(l.etl, "db"))

	l.advance(721 * time.Hour)
	report.advance(721 * time.Hour)
	see("expired")
	wants(t, l.Apply(t), 0, "active = false")
	see("revoked")
	wants(t, l.Destroy(t), 0)
	identity, approval, _ = see("revoked")
	same(t, "identity", at(identity, "status"), "deleted")
	same(t, "approval", at(approval, "status"), "taken_back")
}

// same fails the test where two values of JSON differ.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestViewFilter: a filter lists what matches, of every scope, sorted.
func TestViewFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	other := w.another("payments/other")
	other.Write(t, "main.tf", other.providerBlock("")+strings.NewReplacer("ana@example.com", "cyd@example.com", "purpose =", "kind = \"agent\"\n  purpose =").Replace(grantOf("720h", externalAccess)))
	wants(t, other.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")

	report := w.another("audit")
	mine, theirs := string(w.etl), string(other.etl)
	report.asks(
		question{"grant", ``, []string{mine, theirs}},
		question{"grant", `status = "active"`, []string{mine}},
		question{"grant", `status = "pending"`, []string{theirs}},
		question{"grant", `environment = "sandbox"`, nil},
		question{"approval", `scope = "payments/*"`, []string{mine, theirs}},
		question{"approval", `scope = "payments/other"`, []string{theirs}},
		question{"approval", `scope = "*"`, nil},
		question{"approval", `owner = "cyd@example.com", status = "pending"`, []string{theirs}},
		question{"identity", `kind = "agent"`, []string{string(other.etl.Identity())}},
		question{"identity", `environment = "production", scope = "**", owner = "ana@example.com"`, []string{string(w.etl.Identity())}},
	)
	wants(t, other.Destroy(t), 0)
	report.asks(
		question{"identity", ``, []string{string(w.etl.Identity())}},
		question{"identity", `status = "deleted"`, []string{string(other.etl.Identity())}},
		question{"identity", `status = "disabled"`, nil},
		question{"approval", `status = "taken_back"`, []string{theirs}},
		question{"grant", ``, []string{mine}},
	)
}

// question is a filter of a data source, and the ids that it must list.
type question struct {
	kind, filter string
	want         []string
}

// asks applies a configuration that asks all questions at once.
func (w *world) asks(questions ...question) {
	w.t.Helper()
	config := w.providerBlock("")
	for i, q := range questions {
		config += fmt.Sprintf("data \"nhi_%s\" \"q%d\" {\n  filter = { %s }\n}\noutput \"q%[2]d\" { value = data.nhi_%[1]s.q%[2]d.items[*].id }\n", q.kind, i, q.filter)
	}
	w.Write(w.t, "main.tf", config)
	wants(w.t, w.Apply(w.t), 0)
	outputs := w.outputs()
	for i, q := range questions {
		var got []string
		ids, _ := outputs[fmt.Sprintf("q%d", i)].([]any)
		for _, id := range ids {
			got = append(got, id.(string))
		}
		if !slices.Equal(got, q.want) {
			w.t.Errorf("%s with {%s}: got %q, want %q", q.kind, q.filter, got, q.want)
		}
	}
}

// TestViewOfAnotherWorkspace: an identity made in one workspace has its access
// in another one of the same scope, and takes it along when it is disabled.
func TestViewOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	platform := newWorld(t)
	platform.policy(1, "", twoOfSecurity)
	resources := grantOf("720h", externalAccess)
	made, rest, _ := strings.Cut(resources, `resource "nhi_approval"`)
	platform.Write(t, "main.tf", platform.providerBlock("")+made)
	wants(t, platform.Apply(t), 0)

	app := platform.another(platform.scope)
	app.Write(t, "main.tf", app.providerBlock("")+fmt.Sprintf("data \"nhi_identity\" \"etl\" { id = %q }\n", app.etl.Identity())+
		strings.Replace(`resource "nhi_approval"`+rest, "nhi_identity.etl.", "data.nhi_identity.etl.", 1))
	wants(t, app.Apply(t), 0)
	platform.decide(nhi.VerdictApprove, app.etl, ana, ben)
	wants(t, app.Apply(t), 0, "active = true")
	wants(t, app.Plan(t), 0, "No changes")

	platform.Write(t, "main.tf", platform.providerBlock("")+strings.Replace(made, "purpose =", "enabled = false\n  purpose =", 1))
	wants(t, platform.Apply(t), 0)
	wants(t, app.Plan(t), 2, `~ status = "ended" -> "revoked"`, `~ identity_status = "active" -> "disabled"`)
	wants(t, app.Apply(t), 0, "active = false")
}

// TestViewInTrouble: an unknown id is an error; a ledger that is away is a
// warning and says nothing, so that a destroy goes on.
func TestViewInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+viewsOf(w.etl))
	wants(t, w.Plan(t), 1, "Nothing with this id", "The ledger does not know "+string(w.etl.Identity()), "The ledger holds no request of "+string(w.etl))
	w.Write(t, "main.tf", w.providerBlock("")+`data "nhi_grant" "none" {}`)
	wants(t, w.Plan(t), 1, "Nothing asked for")
	w.Write(t, "main.tf", w.providerBlock("")+`data "nhi_grant" "two" {
  id     = "a/b/c:d"
  filter = {}
}`)
	wants(t, w.Plan(t), 1, "Two questions")
	w.Write(t, "main.tf", w.providerBlock("")+`data "nhi_grant" "typo" { filter = { status = "aktive" } }`)
	wants(t, w.Plan(t), 1, "is none of pending, approved, active")

	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess)+viewsOf(w.etl)+
		"data \"nhi_grant\" \"all\" {\n  filter = {}\n}\noutput \"all\" { value = data.nhi_grant.all.items == null ? \"nobody knows\" : \"known\" }\n")
	wants(t, w.Apply(t), 0, `all = "known"`)
	must(t, os.Rename(filepath.Join(w.Dir, "policy.hcl"), filepath.Join(w.Dir, "policy.away")))
	wants(t, w.Plan(t), 2, "Not everything about "+string(w.etl)+" could be read", `~ status = "pending" -> "unknown"`)
	must(t, os.Rename(filepath.Join(w.Dir, "policy.away"), filepath.Join(w.Dir, "policy.hcl")))
	must(t, os.Rename(filepath.Join(w.Dir, ".nhi"), filepath.Join(w.Dir, "away")))
	wants(t, w.Plan(t), 2, "What there is could not be read", `all = "known" -> "nobody knows"`)
	wants(t, w.Destroy(t), 0, "ledger is away")
}
