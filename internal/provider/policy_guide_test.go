package provider_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestGuidesPrintWhatIsRun: these guides show no command that is not a file of
// their example, and every file: the tests beside this one run those files.
func TestGuidesPrintWhatIsRun(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile(`\{\{ codefile "shell" "examples/([^"]+)" \}\}`)
	for guide, folder := range map[string]string{
		"break-glass": "break-glass", "policy-writing": "policy-writing", "approvals-by-pull-request": "pull-request",
	} {
		text := read(t, filepath.Join(repository, "templates", "guides", guide+".md.tmpl"))
		if blocks := fenced(text, "shell", "sh", "bash"); len(blocks) > 0 {
			t.Errorf("%s shows commands that stand in no file: %q", guide, blocks)
		}
		var shown []string
		for _, match := range quoted.FindAllStringSubmatch(text, -1) {
			shown = append(shown, match[1])
		}
		for _, script := range filesBelow(t, examplePath(folder), ".sh") {
			name, err := filepath.Rel(examplePath(), script)
			must(t, err)
			if !slices.Contains(shown, filepath.ToSlash(name)) {
				t.Errorf("%s does not show %s", guide, name)
			}
		}
	}
}

// printed runs a script of an example as it is printed, but for this world's own
// scope and role.
func (l *landscape) printed(script string) (string, error) {
	l.t.Helper()
	return l.shell(strings.NewReplacer("payments/etl/", l.scope+"/", "orders_ro", l.role()).Replace(read(l.t, examplePath(filepath.FromSlash(script)))))
}

// says is printed that must succeed and say each of texts.
func (l *landscape) says(script string, texts ...string) string {
	l.t.Helper()
	out, err := l.printed(script)
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	wants(l.t, testserver.Result{Stdout: out}, 0, texts...)
	return out
}

// underExample is a landscape under a published policy, with this world's
// ledger, keys and database.
func underExample(t *testing.T, policy, configuration string) *landscape {
	t.Helper()
	l := newLandscape(t, false)
	l.installed(t)
	l.signExample(t, policy, "db.internal:5432/orders", l.endpoint())
	l.Write(t, "nhi.hcl", "ledger = { local = { path = \".nhi\" } }\npolicy_file = \"policy.hcl\"\n"+
		"systems = {\n  orders = { postgres = { url = env(\"TF_VAR_orders_url\") } }\n}\n")
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+strings.Replace(configuration, "orders_ro", l.role(), 1))
	must(t, os.MkdirAll(filepath.Join(l.home(), ".ssh"), 0o700))
	return l
}

// TestPolicyWritingAsPrinted runs the examples of the guide's policy by nhi, and
// asks of a real request what the guide asks.
func TestPolicyWritingAsPrinted(t *testing.T) {
	t.Parallel()
	l := underExample(t, "policy-writing/policy.hcl", withoutGrant(grantOf("720h", `db = { system = "orders", postgres = { roles = ["orders_ro"] } }`)))
	l.Write(t, "policy_test.hcl", read(t, examplePath("policy-writing", "policy_test.hcl")))
	signed := l.read("policy.hcl")
	l.Write(t, "policy.hcl", read(t, examplePath("policy-writing", "policy.hcl")))
	l.says("policy-writing/test.sh", "12 passed")
	l.Write(t, "policy.hcl", signed)
	wants(t, l.Apply(t), 0, "needs 1 of group security", "needs 1 of group data")
	l.says("policy-writing/ask.sh", `rule "orders" decides`, `not "emergencies"`, "owners do not ask for themselves")
	var input struct{ Request, Identity, Requester map[string]any }
	must(t, json.Unmarshal([]byte(l.read("input.json")), &input))
	if input.Identity["owner"] != ana || input.Requester["name"] != rae || input.Request["environment"] != "production" {
		t.Errorf("conditions see %+v", input)
	}
}

// withoutGrant is a configuration that only asks.
func withoutGrant(configuration string) string {
	before, _, _ := strings.Cut(configuration, `resource "nhi_grant"`)
	return before
}

// TestBreakGlassByPolicyAsPrinted does what the guide says of an emergency of the
// policy: one on call opens it, every plan warns until somebody of another group
// has reviewed it, and without that it ends at the deadline.
func TestBreakGlassByPolicyAsPrinted(t *testing.T) {
	t.Parallel()
	opened := func(t *testing.T) *landscape {
		l := underExample(t, "break-glass/policy.hcl", read(t, examplePath("break-glass", "main.tf")))
		l.etl = nhi.ApprovalID(l.etl.Identity()) + ":emergency"
		l.says("break-glass/emergency-apply.sh", "needs 1 of group on_call", "active = false")
		l.usualKey(t, rae)
		if out, err := l.printed("break-glass/emergency-approve.sh"); err == nil || !strings.Contains(out, "would not count") {
			t.Errorf("who asked approves: %v\n%s", err, out)
		}
		l.usualKey(t, cyd)
		l.says("break-glass/emergency-approve.sh", "approved by "+cyd)
		l.says("break-glass/emergency-apply.sh", "active = true")
		if held := l.holds(); held != "orders_ro" {
			t.Errorf("it holds %q", held)
		}
		wants(t, l.Plan(t), 0, "No changes", "Review missing", "lacks a review by 1 of security")
		if out, err := l.printed("break-glass/emergency-review.sh"); err == nil || !strings.Contains(out, "nobody reviews what is their own") {
			t.Errorf("who approved reviews: %v\n%s", err, out)
		}
		return l
	}
	t.Run("reviewed", func(t *testing.T) {
		t.Parallel()
		l := opened(t)
		l.usualKey(t, ana)
		l.says("break-glass/emergency-review.sh", "the review is complete")
		l.advance(5 * time.Hour)
		refuses(t, l.Plan(t), "Review missing", "revoked")
		l.advance(20 * time.Hour)
		wants(t, l.Plan(t), 2, `"expired" -> "revoked"`)
		wants(t, l.Apply(t), 0, "active = false")
		if roles := l.roles(); len(roles) > 0 {
			t.Errorf("left over: %v", roles)
		}
	})
	t.Run("never reviewed", func(t *testing.T) {
		t.Parallel()
		l := opened(t)
		l.advance(5 * time.Hour)
		wants(t, l.Plan(t), 2, `"ended" -> "revoked"`, "lacks a review by 1 of security")
		wants(t, l.Apply(t), 0, "active = false")
		if roles := l.roles(); len(roles) > 0 {
			t.Errorf("left over: %v", roles)
		}
		wants(t, l.Plan(t), 0, "Review missing")
		// Late is better than never: it is on record, and brings nothing back.
		l.usualKey(t, ben)
		l.says("break-glass/emergency-review.sh", "the review is complete")
		wants(t, l.Plan(t), 0, "No changes")
		refuses(t, l.Plan(t), "Review missing")
	})
}
