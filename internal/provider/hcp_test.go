package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// The whole way: a run asks, a person confirms it, the apply grants, and what
// assesses the workspace afterwards finds nothing to do.
func TestHCPConfirmedRunGrants(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	run := h.hcp.Queue(h.accounts[rae])
	planned := h.plan(run)
	wants(t, planned, 2, "Confirming this run can approve the access", "if it is by ana@example.com, ben@example.com or cyd@example.com",
		"+ status = (known after apply)", "+ active = (known after apply)", `active = (known after apply)`, "confirming the run counts as one")
	h.confirm(run, ana)
	applied := h.apply(run)
	wants(t, applied, 0, "active = true")
	refuses(t, applied, "is no approval", "No access yet")
	if h.used() != 1 {
		t.Fatalf("%d activations", h.used())
	}
	told := h.confirmations()
	if len(told) != 1 || told[0].Person != ana || told[0].Run != run.ID || told[0].URL != h.hcp.URL()+"/app/acme/workspaces/payments-etl/runs/"+run.ID {
		t.Errorf("the ledger says %+v", told)
	}
	h.rests()
	state := h.Run(t, "show")
	wants(t, state, 0, `approved_by = [ "ana@example.com", ]`, `status = "approved"`, `status = "active"`, `standing = "approved"`)
	h.Write(t, "nhi.hcl", "ledger = { local = { path = \".nhi\" } }\npolicy_file = \"policy.hcl\"\n")
	wants(t, h.NHI(t, "log"), 0, "ana@example.com (ana on "+h.hcp.Host()+") confirmed the run that asked for")
	wants(t, h.NHI(t, "verify"), 0, "it rests on the confirmation of run "+run.ID+" by ana@example.com")
	h.Env = h.env
	wants(t, h.Destroy(t), 0)
}

// Two are needed: one signs, and then the next plan says whose confirmation is
// what is missing. A pending approval never fails a run.
func TestHCPConfirmationIsTheMissingYes(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 2)
	run := h.hcp.Queue(h.accounts[rae])
	planned := h.plan(run)
	wants(t, planned, 2, `+ status = "pending"`, "+ active = false", "Waiting for approval")
	refuses(t, planned, "Confirming this run can approve")
	h.confirm(run, ana)
	wants(t, h.apply(run), 0, "active = false")
	h.assessed()
	if got := h.confirmations(); len(got) > 0 {
		t.Errorf("a confirmation that gave nothing is on record: %+v", got)
	}
	h.Write(t, "nhi.hcl", "ledger = { local = { path = \".nhi\" } }\npolicy_file = \"policy.hcl\"\n")
	wants(t, h.NHI(t, "show", string(h.etl)), 0, "it needs 2 of group security. Confirming the run that applies counts as one.")
	wants(t, h.NHI(t, "requests"), 0, "0/2 security (or a confirmed run)")
	h.decide(nhi.VerdictApprove, h.etl, ben)
	run = h.hcp.Queue(h.accounts[rae])
	planned = h.plan(run)
	wants(t, planned, 2, `~ status = "pending" -> (known after apply)`, "if it is by ana@example.com or cyd@example.com")
	h.confirm(run, cyd)
	wants(t, h.apply(run), 0, "active = true")
	h.rests()
	if told := h.confirmations(); len(told) != 1 || told[0].Person != cyd {
		t.Errorf("the ledger says %+v", told)
	}
}

// Whatever makes a confirmation no approval: the run succeeds, grants nothing,
// says why, and the next plan is as before.
func TestThreatRunConfirmation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by, confirmedBy string
		change          func(*testserver.HCPRun)
		play            func(*hosted, *testserver.HCPRun) []string
		words           string
	}{
		"ForgedRunID": {rae, ana, nil, func(h *hosted, _ *testserver.HCPRun) []string { return []string{"TFC_RUN_ID=run-forged"} }, `TFC_RUN_ID says "run-forged"`},
		"RunIDAlone":  {rae, ana, nil, func(*hosted, *testserver.HCPRun) []string { return []string{"TFC_WORKLOAD_IDENTITY_TOKEN="} }, "TFC_WORKLOAD_IDENTITY_TOKEN is not set"},
		"TokenOfAPlan": {rae, ana, nil, func(h *hosted, r *testserver.HCPRun) []string {
			return []string{"TFC_WORKLOAD_IDENTITY_TOKEN=" + h.hcp.Identity(r, "plan", nil)}
		}, `this is the phase "plan"`},
		"AutoApply":      {rae, "", func(r *testserver.HCPRun) { r.AutoApply = true }, nil, "is applied automatically"},
		"ServiceAccount": {rae, "bot", nil, nil, "which is a service account"},
		"OwnRun":         {ana, ana, nil, nil, "who asked for it: nobody's yes counts"},
		"BotsRun":        {"bot", ana, nil, nil, "which is no person: whoever had it do that asked"},
		"PusherByABot": {"bot", ana, func(r *testserver.HCPRun) {
			r.Source, r.Ingress = "github", &testserver.HCPIngress{CloneURL: "https://github.com/acme/x.git", Sender: "ana-gh"}
		}, nil, "ana@example.com also pushed the commit, by another account"},
		"UnknownPusher": {"bot", ana, func(r *testserver.HCPRun) {
			r.Source, r.Ingress = "github", &testserver.HCPIngress{CloneURL: "https://github.com/acme/x.git", Sender: "who-knows"}
		}, nil, "who-knows on github.com pushed the commit, and is nobody's account in the policy"},
		"Requester": {"bot", rae, func(r *testserver.HCPRun) {
			r.Source, r.Ingress = "github", &testserver.HCPIngress{CloneURL: "https://github.com/acme/x.git", Sender: "cyd-gh"}
		}, nil, "rae@example.com asked for this access"},
		"AnotherPlan": {rae, ana, nil, func(h *hosted, r *testserver.HCPRun) []string {
			h.hcp.Change(r, func(r *testserver.HCPRun) { r.Plan = []byte(`{"format_version":"1.2","resource_changes":[]}`) })
			return nil
		}, "its plan does not ask for this request"},
		"ServiceDown": {rae, ana, nil, func(h *hosted, _ *testserver.HCPRun) []string {
			h.hcp.Fault(func(w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			})
			return nil
		}, "is no approval"},
		"RunsOwnToken": {rae, ana, nil, func(_ *hosted, r *testserver.HCPRun) []string { return []string{"TFE_TOKEN=" + r.Token} }, "a run's own token cannot read runs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHosted(t, 1)
			var change []func(*testserver.HCPRun)
			if c.change != nil {
				change = append(change, c.change)
			}
			run := h.hcp.Queue(h.accounts[c.by], change...)
			wants(t, h.plan(run), 2, "+ status = (known after apply)")
			if c.confirmedBy != "" {
				h.confirm(run, c.confirmedBy)
			}
			var env []string
			if c.play != nil {
				env = c.play(h, run)
			}
			applied := h.apply(run, env...)
			wants(t, applied, 0, "The confirmation of this run is no approval", c.words, "active = false")
			h.hcp.Fault(nil)
			h.assessed()
			if h.used() != 0 || len(h.confirmations()) > 0 {
				t.Errorf("%d activations, %d confirmations", h.used(), len(h.confirmations()))
			}
			wants(t, h.Plan(t), 2, `~ status = "pending" -> (known after apply)`)
		})
	}
}

// A confirmation serves the run that it was given to: not the same saved plan
// in another one, and no later term.
func TestHCPConfirmationServesOneRun(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	wants(t, h.run(rae, ana), 0, "active = true")
	h.configure(externalAccess, `justification = "CHG-1234"`, "justification = \"CHG-1234\"\n  renewal = 1")
	run := h.hcp.Queue(h.accounts[rae])
	wants(t, h.plan(run), 2, "known after apply")
	h.confirm(run, "bot")
	wants(t, h.apply(run), 0, "which is a service account")
	if h.used() != 1 {
		t.Fatalf("%d activations, and nobody confirmed the second term", h.used())
	}
	wants(t, h.Run(t, "output"), 0, "active = true") // the first term runs on
	wants(t, h.run(rae, ben), 0, "active = true")
	if h.used() != 2 || len(h.confirmations()) != 2 || h.confirmations()[1].Person != ben {
		t.Errorf("%d activations, confirmations %+v", h.used(), h.confirmations())
	}
	h.rests()
}

// A grant that is made again after its approval was used waits, and fails no
// run: the confirmation was for the activation that was.
func TestHCPReplacedGrantWaits(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	wants(t, h.run(rae, ana), 0, "active = true")
	run := h.hcp.Queue(h.accounts[rae])
	wants(t, h.plan(run, "-replace=nhi_grant.etl"), 2)
	h.confirm(run, ana)
	wants(t, h.apply(run), 0, "active = false")
	if h.used() != 1 {
		t.Errorf("%d activations by one confirmation", h.used())
	}
	h.Env = h.env
	wants(t, h.Plan(t), 0, "Approval already used")
}

// Without the channel in the provider block, and without the policy's word,
// nothing is as it was not before.
func TestHCPSwitchedOff(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	main := h.read("main.tf")
	before, rest, _ := strings.Cut(main, "  approvals = {")
	_, after, _ := strings.Cut(rest, "    }\n  }\n")
	h.Write(t, "main.tf", before+after)
	planned := h.Plan(t)
	wants(t, planned, 2, `+ status = "pending"`)
	refuses(t, planned, "Confirming this run can approve")
	h.Write(t, "main.tf", main)
	h.policy(2, "", strings.Replace(twoOfSecurity, "count = 2", "count = 1", 1))
	planned = h.Plan(t)
	wants(t, planned, 2, `+ status = "pending"`)
	refuses(t, planned, "Confirming this run can approve")
	wants(t, h.run(rae, ana), 0, "active = false")
}

// on_pending = "error" shows active in the plan, so that other resources can
// count on it: the confirmation makes it true, or the run fails.
func TestHCPConfirmedOrError(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	h.configure(externalAccess, `justification = "CHG-1234"`, "justification = \"CHG-1234\"\n  on_pending = \"error\"")
	run := h.hcp.Queue(h.accounts[rae])
	wants(t, h.plan(run), 2, `+ status = "active"`)
	h.confirm(run, rae)
	wants(t, h.apply(run), 1, "Not approved")
	run = h.hcp.Queue(h.accounts[rae])
	wants(t, h.plan(run), 2, `+ status = "active"`)
	h.confirm(run, ana)
	wants(t, h.apply(run), 0, "active = true")
	wants(t, h.Plan(t), 0, "No changes.")
}

// What the block cannot mean is an error on its attribute.
func TestHCPInvalidBlock(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	h.configure(externalAccess, h.hcp.Host(), "https://app.terraform.io/")
	wants(t, h.Run(t, "validate", "-no-color"), 1, "Invalid approval channel", "is no host such as app.terraform.io")
	h.configure(externalAccess, "ca_cert_file = ", "ca_cert_file = \"missing.pem\" # ")
	planned := h.Plan(t)
	wants(t, planned, 2, "No confirmation counts in this run", `+ status = "pending"`)
}

// The guide, as it is printed, with the host, the accounts and the keys of this
// test: Rae pushes, a run asks, Ben confirms it.
func TestHCPGuideAsPrinted(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	h.hcp.Audience = "nhi-acme"
	h.etl = "production/payments/etl/orders-etl:default"
	folder := func(name string) string { return read(t, examplePath("hcp-terraform", name)) }
	document, err := policy.Parse([]byte(folder("policy.hcl")))
	must(t, err)
	swaps := []string{document.Ledger, h.ledger, "https://app.terraform.io", h.hcp.URL(), `"app.terraform.io"`, `"` + h.hcp.Host() + `"`}
	for _, approver := range document.Approvers {
		if signer := h.people[approver.Name]; signer != nil {
			swaps = append(swaps, approver.Keys[0], signature.Key(signer.PublicKey()), approver.Accounts[0].ID, h.accounts[approver.Name].ID)
		}
	}
	h.signPolicy(strings.NewReplacer(swaps...).Replace(folder("policy.hcl")))
	h.Write(t, "main.tf", strings.Replace(folder("main.tf"), `audience = "nhi-acme"`, `hostname = "`+h.hcp.Host()+`", audience = "nhi-acme"`, 1))
	h.env = append(h.env, "SSL_CERT_FILE="+h.hcp.CAFile())

	push := func(r *testserver.HCPRun) {
		r.Source, r.Ingress = "github", &testserver.HCPIngress{CloneURL: "https://github.com/acme/payments.git", Sender: "rae-example"}
	}
	run := h.hcp.Queue(h.accounts["bot"], push)
	wants(t, h.plan(run), 2, "counts as that, if it is by ana@example.com or ben@example.com", "+ active = (known after apply)")
	h.confirm(run, rae)
	applied := h.apply(run)
	wants(t, applied, 0, "rae@example.com also pushed the commit")
	if h.used() != 0 {
		t.Fatal("who pushed the commit approved it")
	}
	run = h.hcp.Queue(h.accounts["bot"], push)
	wants(t, h.plan(run), 2, `~ status = "pending" -> (known after apply)`)
	h.confirm(run, ben)
	wants(t, h.apply(run), 0)
	if h.used() != 1 {
		t.Fatalf("%d activations", h.used())
	}
	h.rests()
	h.Write(t, "nhi.hcl", "ledger = { local = { path = \".nhi\" } }\npolicy_file = \"policy.hcl\"\n")
	h.installed(t)
	if out := h.script(t, examplePath("hcp-terraform", "look.sh")); !strings.Contains(out, "ben@example.com (ben on "+h.hcp.Host()+") confirmed the run") ||
		!strings.Contains(out, "it rests on the confirmation of run "+run.ID+" by ben@example.com") {
		t.Errorf("got %s", out)
	}
}

// A grant that was taken away while another request waited rests until that is
// confirmed: a run that nobody's confirmation approves fails for no other.
func TestHCPPendingAfterRemovalOfAnother(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	wants(t, h.run(rae, ana), 0, "active = true")
	other := strings.Replace(externalAccess, "aws", "gcp", 1)
	h.configure(other)
	wants(t, h.run(ana, ana), 0, "active = true", "is no approval")
	h.configure(other, `ttl     = "2160h"`, "ttl     = \"2160h\"\n  enabled = false")
	wants(t, h.run(ana, ana), 0, "active = false")
	h.configure(other)
	wants(t, h.run(ana, ana), 0, "active = false", "is no approval")
}

// A setting of the channel that only apply knows changes nothing that a plan
// has shown.
func TestHCPSettingKnownAfterApply(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	h.configure(externalAccess, "      ca_cert_file = ", "      token        = terraform_data.token.output\n      ca_cert_file = ")
	h.Write(t, "token.tf", "resource \"terraform_data\" \"token\" {\n  input = \""+h.api.Token+"\"\n}\n")
	wants(t, h.run(rae, ana), 0)
}

// A run that only looks again at a request asks for nothing: who asked is as
// proven as it was, whatever this run could prove.
func TestHCPLookingAgainAsksNothing(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	wants(t, h.run(ana, ana), 0, "is no approval")
	block := h.read("main.tf")
	before, rest, _ := strings.Cut(block, "requester")
	_, after, _ := strings.Cut(rest, "\n")
	h.Write(t, "main.tf", before+after)
	wants(t, h.run(ana, ana), 0, "is no approval")
	asked := 0
	for _, entry := range h.chain(ledger.ApprovalChain(h.etl)).Entries {
		if entry.Body.Type() == (ledger.RequestBody{}).Type() {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("it was asked for %d times", asked)
	}
}

// An access that only apply knows was in nobody's plan: it is recorded, and no
// confirmation is a yes to it.
func TestHCPAccessKnownAfterApply(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	h.configure(externalAccess, `"read the export bucket"`, "terraform_data.bucket.output")
	bucket := func(name string) {
		h.Write(t, "bucket.tf", "resource \"terraform_data\" \"bucket\" {\n  input = \"read "+name+"\"\n}\n")
	}
	bucket("one")
	wants(t, h.run(rae, ana), 0, "its plan does not ask for this request", "active = false")
	bucket("two") // another one, of a request that stands
	wants(t, h.run(rae, ana), 0, "its plan does not ask for this request", "active = false")
	wants(t, h.run(rae, ana), 0, "active = true")
}

// Whether the identity is enabled is known after apply.
func TestHCPIdentityKnownAfterApply(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	h.configure(externalAccess, `ttl     = "2160h"`, "ttl     = \"2160h\"\n  enabled = terraform_data.on.output")
	h.Write(t, "on.tf", "resource \"terraform_data\" \"on\" {\n  input = true\n}\n")
	wants(t, h.run(rae, ana), 0)
}
