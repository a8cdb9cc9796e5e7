package provider_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// hosted is a world whose workspace is one of HCP Terraform.
type hosted struct {
	*world
	hcp      *testserver.HCPServer
	accounts map[string]testserver.HCPUser // by person; "bot" is a team's
	api      testserver.HCPUser
	env      []string
}

// newHosted returns one in which confirming a run counts as one of count of
// security. Rae asks, with a key.
func newHosted(t testing.TB, count int) *hosted {
	t.Helper()
	h := &hosted{world: newWorld(t), hcp: testserver.HCP(t), accounts: map[string]testserver.HCPUser{}}
	for _, person := range []string{ana, ben, cyd, rae} {
		name, _, _ := strings.Cut(person, "@")
		h.accounts[person] = h.hcp.User(name)
	}
	h.accounts["bot"] = h.hcp.User("api-team", func(u *testserver.HCPUser) { u.Service = true })
	h.api = h.hcp.User("api-nhi", func(u *testserver.HCPUser) { u.Service, u.Admin = true, true })
	h.env = append(slices.Clone(h.Env), "TFE_TOKEN="+h.api.Token)
	h.sign(1, count)
	h.configure(externalAccess)
	return h
}

// sign writes the policy.
func (h *hosted) sign(version, count int) {
	h.t.Helper()
	h.policy(version, "", fmt.Sprintf(`
rule "production access" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["*"]
  max_ttl      = "720h"
  quorum "security" {
    count            = %d
    run_confirmation = true
  }
}
`, count))
}

// policy is world.policy with the accounts of everybody.
func (h *hosted) policy(version int, systems, rules string) {
	h.t.Helper()
	h.world.policy(version, systems, rules)
	source := h.read("policy.hcl")
	for _, person := range []string{ana, ben, cyd, rae} {
		name, _, _ := strings.Cut(person, "@")
		head := fmt.Sprintf("approver %q {\n", person)
		source = strings.Replace(source, head, head+fmt.Sprintf("  account %q { ids = [%q] }\n  account \"github.com\" { ids = [%q] }\n",
			h.hcp.Host(), h.accounts[person].ID, name+"-gh"), 1)
	}
	h.signPolicy(source)
}

func (h *hosted) configure(access string, edits ...string) {
	h.t.Helper()
	block := strings.Replace(h.providerBlock(""), "  systems = {", fmt.Sprintf("  approvals = {\n    hcp_terraform = {\n      hostname     = %q\n      ca_cert_file = %q\n    }\n  }\n  systems = {",
		h.hcp.Host(), h.hcp.CAFile()), 1)
	h.Write(h.t, "main.tf", strings.NewReplacer(edits...).Replace(block+grantOf("720h", access)))
}

// plan plays the plan of a run.
func (h *hosted) plan(run *testserver.HCPRun, args ...string) testserver.Result {
	h.t.Helper()
	h.Env = append(slices.Clone(h.env), h.hcp.Env(run, "plan")...)
	result := h.Plan(h.t, append([]string{"-out=tfplan"}, args...)...)
	if result.Code == 1 {
		return result
	}
	shown := h.Run(h.t, "show", "-json", "tfplan")
	wants(h.t, shown, 0)
	h.hcp.Planned(run, []byte(shown.Stdout))
	return result
}

// confirm confirms a run that is planned.
func (h *hosted) confirm(run *testserver.HCPRun, who string) {
	h.t.Helper()
	if code := h.hcp.Confirm(run, h.accounts[who]); code != http.StatusAccepted {
		h.t.Fatalf("confirming answered %d", code)
	}
}

// apply plays the apply of a run that is confirmed.
func (h *hosted) apply(run *testserver.HCPRun, env ...string) testserver.Result {
	h.t.Helper()
	h.hcp.Applying(run)
	h.Env = slices.Concat(h.env, h.hcp.Env(run, "apply"), env)
	result := h.Run(h.t, "apply", "-no-color", "-input=false", "tfplan")
	h.hcp.Applied(run)
	h.Env = h.env
	return result
}

// run plays a whole run.
func (h *hosted) run(by, confirmedBy string, change ...func(*testserver.HCPRun)) testserver.Result {
	h.t.Helper()
	run := h.hcp.Queue(h.accounts[by], change...)
	wants(h.t, h.plan(run), 2)
	if !run.AutoApply {
		h.confirm(run, confirmedBy)
	}
	return h.apply(run)
}

// rests wants a plan that changes nothing, and an assessment that finds nothing.
func (h *hosted) rests() {
	h.t.Helper()
	h.Env = h.env
	wants(h.t, h.Plan(h.t), 0, "No changes.")
	h.assessed()
}

// assessed wants an assessment, which refreshes alone, to find nothing.
func (h *hosted) assessed() {
	h.t.Helper()
	if result := h.Run(h.t, "plan", "-no-color", "-input=false", "-refresh-only"); result.Code != 0 || !strings.Contains(result.Text(), "No changes.") {
		h.t.Fatalf("the assessment found (%d):\n%s\n%s", result.Code, result.Stdout, result.Stderr)
	}
}

// confirmations are the entries of the ledger that tell of one.
func (h *hosted) confirmations() (all []ledger.ConfirmationBody) {
	h.t.Helper()
	for _, entry := range h.chain(ledger.ApprovalChain(h.etl)).Entries {
		if body, ok := entry.Body.(ledger.ConfirmationBody); ok {
			all = append(all, body)
		}
	}
	return all
}
