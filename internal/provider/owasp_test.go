package provider_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// owasp is the folder of the configurations that are bad and good, by risk.
const owasp = "owasp"

// approvalBlock is where Terraform points at where an attribute is inside of a map.
const approvalBlock = `resource "nhi_approval"`

// owaspCases say what is found in the bad configuration of each risk.
var owaspCases = []struct {
	risk nhi.Risk
	says string // the reason
	at   string // the line that Terraform points at
	// byDefault is the exit code of a plan under a policy without checks; 0 where
	// the check is off there.
	byDefault int
}{
	{nhi.RiskOffboarding, "zoe@example.com is no person of the policy", "subject", 0},
	{nhi.RiskLeakage, "In justification: this looks like a URL with a password", approvalBlock, 1},
	{nhi.RiskThirdParty, "168h is longer than 72h", "ttl", 0},
	{nhi.RiskAuthentication, "sslmode=disable sends the admin's login", approvalBlock, 2},
	{nhi.RiskOverprivileged, `"root" is more than a workload needs`, approvalBlock, 2},
	{nhi.RiskDeployment, "no runner of the policy is for production/payments/adhoc", "access = {", 0},
	{nhi.RiskLongLived, "720h is longer than 168h", "ttl", 0},
	{nhi.RiskIsolation, `not "db.internal:5432/orders"`, approvalBlock, 1},
	{nhi.RiskReuse, "whoever has the one has the other", approvalBlock, 2},
	{nhi.RiskHumanUse, `"ana" is the login of ana@example.com, a person`, approvalBlock, 2},
}

// TestOWASP plans a bad and a good configuration for each of the ten risks. The
// bad one is refused where the policy says so, and found without a word of the
// policy where that cannot be wrong; the good one plans without a word.
func TestOWASP(t *testing.T) {
	t.Parallel()
	if len(owaspCases) != len(nhi.Risks()) {
		t.Fatalf("%d risks have a case", len(owaspCases))
	}
	guide := read(t, filepath.Join(repository, "templates", "guides", "owasp-nhi.md.tmpl"))
	for _, c := range owaspCases {
		if !strings.Contains(guide, "\n## "+c.risk.Name()+"\n") { // where its page leads
			t.Errorf("the guide has no section %s", c.risk.Name())
		}
		for _, quality := range []string{"bad", "good"} {
			t.Run(c.risk.Name()+" "+quality, func(t *testing.T) {
				t.Parallel()
				w := newOWASP(t, strings.ToLower(c.risk.Name())+"/"+quality)
				published := w.Plan(t)
				w.signPolicy(w.read("policy.hcl") + read(t, examplePath(owasp, "checks.hcl")))
				checked := w.Plan(t)
				if quality == "good" {
					for _, result := range []testserver.Result{published, checked} {
						wants(t, result, 2, "0 to change, 0 to destroy")
						refuses(t, result, ":2025")
					}
					return
				}
				wants(t, checked, 1, c.risk.Title(), c.risk.Page(), c.says, c.at)
				onlyRisk(t, checked, c.risk)
				refuses(t, checked, "hunter2", "nhi_admin:not-a-secret")
				if c.byDefault == 0 {
					refuses(t, published, ":2025")
					return
				}
				wants(t, published, c.byDefault, c.risk.Title(), c.risk.Page(), c.says, c.at)
				onlyRisk(t, published, c.risk)
			})
		}
	}
}

// onlyRisk fails the test where a result names another risk.
func onlyRisk(t *testing.T, result testserver.Result, risk nhi.Risk) {
	t.Helper()
	for _, other := range nhi.Risks() {
		if other != risk && other != nhi.RiskHumanUse { // nhi1 is in nhi10
			refuses(t, result, other.Title())
		}
	}
}

// newOWASP makes a world that holds one of the configurations.
func newOWASP(t *testing.T, folder string) *world {
	t.Helper()
	w := newExample(t, owasp+"/"+folder)
	testserver.NewSSHKey(t, filepath.Join(w.Dir, "report"))
	w.Env = append(w.Env, "TF_VAR_orders_password=not-a-secret")
	return w
}

// TestSecretInTheConfiguration: a secret of a system that stands in a file is
// found, and never shown; one from the environment is not.
func TestSecretInTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newOWASP(t, "nhi2/bad")
	refuses(t, w.Plan(t), "hunter2", "nhi_admin:not-a-secret") // of a finding, no line is shown
	const secret = "nhi_admin:not-a-secret@db.internal"
	config := strings.Replace(w.read("main.tf"), "https://robot:hunter2@ci", "https://ci", 1)
	w.Write(t, "main.tf", config)
	wants(t, w.Plan(t), 2, nhi.RiskLeakage.Title(), "secret stands in main.tf in clear", "with provider[")
	w.Write(t, "main.tf", strings.Replace(config, `"postgres://`+secret+`:5432/orders"`, "var.orders_url", 1)+"variable \"orders_url\" {\n  ephemeral = true\n}\n")
	refuses(t, w.Plan(t), ":2025")
	w.Write(t, "secret.auto.tfvars", fmt.Sprintf("orders_url = %q\n", ordersURL))
	result := w.Plan(t)
	wants(t, result, 2, "secret stands in secret.auto.tfvars in clear")
	refuses(t, result, secret)
}

// TestCheckAtApply: what was planned before the policy had a check is not
// applied against it, and what is in force can be taken away all the same.
func TestCheckAtApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := "check \"NHI1\" { level = \"deny\" }\n"
	free := strings.Replace(twoOfSecurity, `quorum "security" { count = 2 }`, `approval = "no approval needed"`, 1)
	config := w.providerBlock("") + strings.Replace(grantOf("720h", externalAccess), ana, "zoe@example.com", 1)
	w.Write(t, "main.tf", config)
	w.policy(1, "", free)
	wants(t, w.Run(t, "plan", "-out=saved", "-no-color", "-input=false"), 0)
	w.policy(2, "", free+check)
	wants(t, w.Run(t, "apply", "-no-color", "-input=false", "saved"), 1, "zoe@example.com is no person of the policy", nhi.RiskOffboarding.Page())
	w.policy(3, "", free)
	wants(t, w.Apply(t), 0, "active = true")
	w.policy(4, "", free+check)
	wants(t, w.Plan(t), 0, "The policy forbids what is active", "NHI1:2025: the owner")
	w.policy(5, "", "on_forbidden = \"revoke\"\n"+free+check)
	wants(t, w.Plan(t), 2, `~ status = "ended" -> "revoked"`)
	wants(t, w.Apply(t), 0, "active = false")
	wants(t, w.Run(t, "destroy", "-auto-approve", "-no-color", "-input=false"), 0)
}

// TestRemovalWaitsForNoCheck: what holds a secret is disabled and destroyed under
// a policy that denies it, and also where the same change brings another one.
func TestRemovalWaitsForNoCheck(t *testing.T) {
	t.Parallel()
	free := strings.Replace(twoOfSecurity, `quorum "security" { count = 2 }`, `approval = "no approval needed"`, 1)
	for name, c := range map[string]struct{ check, justification string }{
		"denied":  {"check \"NHI2\" { level = \"deny\" }\n", "CHG-1234"},
		"refused": {"", "See https://a:another-word@b/c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			config := w.providerBlock("") + strings.Replace(grantOf("720h", externalAccess), "Nightly export of orders", "See https://a:secret-word@b/c", 1)
			w.Write(t, "main.tf", config)
			w.policy(1, "", free)
			result := w.Plan(t)
			wants(t, result, 1, nhi.RiskLeakage.Title(), "In purpose: this looks like a URL with a password", `resource "nhi_identity"`)
			refuses(t, result, "secret-word")
			w.policy(2, "", free+"check \"NHI2\" { level = \"off\" }\n")
			wants(t, w.Apply(t), 0, "active = true")
			w.policy(3, "", free+c.check)
			wants(t, w.Plan(t), 0, "looks like a URL with a password") // what stands is not refused
			ending := strings.Replace(config, "ttl     = \"2160h\"", "ttl     = \"2160h\"\n  enabled = false", 1)
			w.Write(t, "main.tf", strings.Replace(ending, "CHG-1234", c.justification, 1))
			wants(t, w.Apply(t), 0, "active = false")
			wants(t, w.Run(t, "destroy", "-auto-approve", "-no-color", "-input=false"), 0)
		})
	}
}

// TestChecksOfRenewals: no plan fails because a term is due by itself and a
// check denies it; a renewal that keeps its key is told of.
func TestChecksOfRenewals(t *testing.T) {
	t.Parallel()
	w := paper(t)
	free := strings.Replace(twoOfSecurity, `quorum "security" { count = 2 }`, `approval = "no approval needed"`, 1)
	config := w.providerBlock("") + strings.Replace(grantOf("720h", externalAccess), `ttl           = "720h"`, "ttl           = \"720h\"\n  renew_before = \"168h\"", 1)
	w.Write(t, "main.tf", config)
	w.policy(2, w.paperPolicy(), free)
	wants(t, w.Apply(t), 0, "active = true")
	w.advance(600 * time.Hour)
	wants(t, w.Plan(t), 2, "term: 2")
	w.policy(3, w.paperPolicy(), free+"check \"NHI7\" {\n level = \"deny\"\n max_ttl = \"24h\"\n}\n")
	wants(t, w.Plan(t), 0, "The policy forbids what is active", "720h is longer than 24h")
	w.advance(121 * time.Hour)
	wants(t, w.Plan(t), 2, `~ status = "expired" -> "revoked"`)
	wants(t, w.Apply(t), 0, "active = false")

	r := paper(t)
	r.policy(2, r.paperPolicy(), twoOfSecurity+"check \"NHI7\" {\n level = \"warn\"\n rotate = true\n}\n")
	wants(t, r.Apply(t), 0)
	plan := r.Plan(t)
	wants(t, plan, 0)
	refuses(t, plan, nhi.RiskLongLived.Title())
	r.Write(t, "main.tf", strings.Replace(r.read("main.tf"), `ttl           = "720h"`, "ttl           = \"720h\"\n  renewal = 1", 1))
	wants(t, r.Plan(t), 2, nhi.RiskLongLived.Title(), "keeps the key of term 1")
	r.newKey("machine")
	plan = r.Plan(t)
	wants(t, plan, 2)
	refuses(t, plan, nhi.RiskLongLived.Title())
}

// TestPrivateKeyForAPublicOne: a private key where a public one belongs is
// refused, named, and not shown.
func TestPrivateKeyForAPublicOne(t *testing.T) {
	t.Parallel()
	w := paper(t)
	w.Write(t, "main.tf", strings.Replace(w.read("main.tf"), w.keyFile("machine")+".pub", w.keyFile("machine"), 1))
	result := w.Plan(t)
	wants(t, result, 1, "is a private key, and must be a public key", nhi.RiskLeakage.Page())
	refuses(t, result, "OPENSSH")
}

// TestWeakSystemAtApply: a system whose login is in clear text is denied by the
// policy of the apply, whatever the plan said.
func TestWeakSystemAtApply(t *testing.T) {
	t.Parallel()
	w := paper(t)
	w.Write(t, "main.tf", strings.ReplaceAll(w.read("main.tf"), "@127.0.0.1:1/orders", "@db.internal:1/orders?sslmode=disable"))
	systems := strings.Replace(w.paperPolicy(), "127.0.0.1:1/orders", "db.internal:1/orders", 1)
	w.policy(2, systems, twoOfSecurity)
	wants(t, w.Run(t, "plan", "-out=saved", "-no-color", "-input=false"), 0, nhi.RiskAuthentication.Title())
	w.policy(3, systems, twoOfSecurity+"check \"NHI4\" { level = \"deny\" }\n")
	wants(t, w.Run(t, "apply", "-no-color", "-input=false", "saved"), 1, "sslmode=disable sends the admin's login", nhi.RiskAuthentication.Page())
	w.policy(4, systems, twoOfSecurity+"check \"NHI4\" { level = \"off\" }\n")
	result := w.Apply(t)
	wants(t, result, 0, "Waiting for approval")
	refuses(t, result, nhi.RiskAuthentication.Title())
}
