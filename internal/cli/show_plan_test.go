package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// change is one resource of a plan as `terraform show -json` writes it.
func change(address, text, justification string) map[string]any {
	return map[string]any{"address": address, "mode": "managed", "type": "nhi_approval", "provider_name": "registry.terraform.io/nhi-terraform/nhi",
		"change": map[string]any{"actions": []string{"create"}, "after": map[string]any{
			"id": "whatever", "status": "approved", "approved_by": []string{"ana@example.com", "ben@example.com"},
			"justification": justification, "ticket": map[string]any{"text": text, "standing": "assured"}}}}
}

// plan writes a plan of these resources.
func (w *world) plan(changes ...map[string]any) string {
	w.t.Helper()
	data, err := json.Marshal(map[string]any{"format_version": "1.2", "resource_changes": append([]map[string]any{
		{"address": "other.x", "mode": "managed", "type": "other", "provider_name": "x/y/z", "change": map[string]any{"after": map[string]any{"id": 5}}},
		{"address": "nhi_approval.gone", "mode": "managed", "type": "nhi_approval", "provider_name": "x/nhi-terraform/nhi", "change": map[string]any{"after": nil}},
	}, changes...)})
	must(w.t, err)
	path := filepath.Join(w.t.TempDir(), "plan.json")
	w.write(path, string(data))
	return path
}

// wanted is the text of what a plan asks for.
func (w *world) wanted(id nhi.ApprovalID, roles ...string) string {
	w.t.Helper()
	text, err := w.request(id, roles...).Text()
	must(w.t, err)
	return text
}

// exportedPlan is the one request file of a plan.
func (w *world) exportedPlan(plan string) string {
	w.t.Helper()
	folder := w.t.TempDir()
	w.fails(cli.ExitPending, "not approved yet", "show", "--plan", plan, "--export", folder)
	files, err := filepath.Glob(filepath.Join(folder, "*"+cli.RequestSuffix))
	must(w.t, err)
	if len(files) != 1 {
		w.t.Fatalf("the files are %q", files)
	}
	return files[0]
}

// A request that was never applied is shown, decided on a machine of the
// approver's own, and counts once it is on record; whatever the plan says of
// itself.
func TestAPlanIsDecidedBeforeItIsApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := w.wanted(etl)
	plan, folder := w.plan(change("nhi_approval.etl", text, "CHG-1")), w.path("approvals")
	w.write(w.path("nhi.hcl"), w.read(w.path("nhi.hcl"))+"\ndecisions_dir = \"approvals\"\n")
	got := w.fails(cli.ExitPending, "not approved yet", "show", "--plan", plan)
	for _, words := range []string{string(etl) + " (pending)", `because        "CHG-1"`, "nothing is on record", "role orders_ro on orders (db.internal:5432/orders)",
		"it needs 3 of group approvers", "3 more of group approvers must approve", "Who may approve, of group approvers: ana@example.com, ben@example.com and cyd@example.com"} {
		if !strings.Contains(got.out, words) {
			t.Errorf("%q is missing in\n%s", words, got.out)
		}
	}
	file := w.exportedPlan(plan)
	laptop := w.laptop()
	if shown := laptop.okAway("show", file); !strings.Contains(shown, "nothing is on record") || !strings.Contains(shown, "nhi approve "+file) {
		t.Errorf("the file is shown as\n%s", shown)
	}
	laptop.okAway("approve", file, "--yes", "--key", w.key("ana"), "--out", folder)
	laptop.okAway("approve", file, "--yes", "--key", w.key("ben"), "--out", folder)
	if got := w.fails(cli.ExitPending, "", "show", "--plan", plan); !strings.Contains(got.out, "approved by ana@example.com and ben@example.com") {
		t.Errorf("shown as\n%s", got.out)
	}
	if standing := w.counted(text, folder); standing.Approved() {
		t.Errorf("two of three are enough: %v", standing.Verdict)
	}
	w.fails(cli.ExitWrong, "", "approve", file, "--yes", "--key", w.key("mal"))
	// What was said can be taken back before there is a record, and said again.
	w.pass(time.Minute)
	laptop.okAway("withdraw", file, "--yes", "--key", w.key("ben"), "--out", folder)
	if standing := w.counted(text, folder); len(standing.Verdict.ApprovedBy) != 1 {
		t.Errorf("taken back, and approved by %q", standing.Verdict.ApprovedBy)
	}
	w.pass(time.Minute)
	laptop.okAway("approve", file, "--yes", "--key", w.key("ben"), "--out", folder)
	// Once it is recorded, and signed by eve, two are enough; verify agrees.
	w.ask(w.request(etl), "eve")
	if standing := w.counted(text, folder); !standing.Approved() {
		t.Errorf("not approved: %v", standing.Verdict)
	}
	if out := w.ok("show", "--plan", plan); !strings.Contains(out, "(approved)") || !strings.Contains(out, "Nothing waits") {
		t.Errorf("shown as\n%s", out)
	}
	for _, path := range w.decisionFiles(folder) {
		signed, _, err := lifecycle.ReadDecisionFile(path)
		must(t, err)
		w.recordDecision(etl, signed)
	}
	w.ok("verify")
	// A no that was signed on the record later takes the yes away, and no file
	// that was signed before there was a record brings it back.
	w.pass(time.Minute)
	w.ok("withdraw", string(etl), "--yes", "--key", w.key("ana"))
	w.pass(time.Minute)
	laptop.okAway("approve", file, "--yes", "--key", w.key("ana"), "--out", folder)
	if standing := w.counted(text, folder); standing.Status != policy.StatusWithdrawn {
		t.Errorf("it is %s: %v", standing.Status, standing.Verdict.Reasons)
	}
}

// Decisions about another text or approval are worth nothing for a plan.
func TestAPlanTakesNoDecisionsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.path("approvals")
	w.write(w.path("nhi.hcl"), w.read(w.path("nhi.hcl"))+"\ndecisions_dir = \"approvals\"\n")
	other := w.exportedPlan(w.plan(change("nhi_approval.etl", w.wanted(approval(1)), "CHG-1")))
	same := w.exportedPlan(w.plan(change("nhi_approval.etl", w.wanted(etl), "CHG-1")))
	for _, file := range []string{other, same} {
		for _, name := range []string{"ana", "ben", "cyd"} {
			w.laptop().okAway("approve", file, "--yes", "--key", w.key(name), "--out", folder)
		}
	}
	w.ok("show", "--plan", w.plan(change("nhi_approval.etl", w.wanted(etl), "CHG-1")))
	edited := w.fails(cli.ExitPending, "", "show", "--plan", w.plan(change("nhi_approval.etl", w.wanted(etl, "orders_rw"), "CHG-1")))
	if !strings.Contains(edited.out, "3 more of group approvers") || !strings.Contains(edited.out, "about another text") {
		t.Errorf("shown as\n%s", edited.out)
	}
	w.write(filepath.Join(folder, "x.decision"), "garbage\x1b[2J")
	if got := w.fails(cli.ExitUsage, "x.decision", "show", "--plan", w.plan()); strings.Contains(got.err, "\x1b") {
		t.Errorf("it says %q", got.err)
	}
}

// recordDecision appends a decision to an approval's chain.
func (w *world) recordDecision(id nhi.ApprovalID, signed nhi.SignedDecision) {
	w.t.Helper()
	_, err := w.book().Append(w.t.Context(), w.chain(ledger.ApprovalChain(id)), ledger.DecisionBody{SignedDecision: signed})
	must(w.t, err)
}

// Nothing of a plan is obeyed, and nothing in it is believed.
func TestPlanIsUntrustedInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hostile := "\x1b[2J\u202e```\n# <img src=x> @everyone"
	foreign := w.request(approval(2))
	foreign.Ledger = "ffffffffffffffffffffffffffffffff"
	foreignText, err := foreign.Text()
	must(t, err)
	elsewhere := w.request(approval(3))
	elsewhere.Access["db"] = nhi.Access{System: "orders", Kind: "postgres", Endpoint: "elsewhere:5432/orders", Settings: nhi.Values{"roles": nhi.List("x")}}
	elsewhereText, err := elsewhere.Text()
	must(t, err)
	unknown := change("nhi_approval.unknown", "", "CHG-1")
	unknown["change"].(map[string]any)["after"].(map[string]any)["ticket"] = map[string]any{} //nolint:forcetypeassert // made above
	other := change("nhi_approval.theirs", w.wanted(approval(4)), "CHG-1")
	other["provider_name"] = "registry.terraform.io/evil/nhi"
	for name, c := range map[string]struct {
		change map[string]any
		says   string
	}{
		"address":       {change("nhi_approval.x[\""+hostile+"\"]", "nonsense", "CHG-1"), "nothing can be said of it"},
		"justification": {change("nhi_approval.x", w.wanted(etl), hostile), "justification"},
		"text":          {change("nhi_approval.x", w.wanted(etl)+hostile, "CHG-1"), "nothing can be said of it"},
		"ledger":        {change("nhi_approval.x", foreignText, "CHG-1"), "it is for ledger ffff"},
		"endpoint":      {change("nhi_approval.x", elsewhereText, "CHG-1"), "policy denies this, whoever signs"},
		"unknown":       {unknown, "known after apply alone"},
		"provider":      {other, "another provider"},
	} {
		for _, more := range [][]string{nil, {"--markdown"}, {"--json"}} {
			got := w.fails(cli.ExitWrong, "will not be granted as it stands", append([]string{"show", "--plan", w.plan(c.change)}, more...)...)
			if strings.ContainsAny(got.out+got.err, "\x1b\u202e") || more == nil && !strings.Contains(got.out, c.says) {
				t.Errorf("%s: %q is missing, or it says what came in: %q, %q", name, c.says, got.out, got.err)
			}
			if len(more) > 0 && more[0] == "--markdown" {
				wantFenced(t, got.out)
			}
		}
	}
	twice := w.plan(change("nhi_approval.a", w.wanted(etl), "CHG-1"), change("nhi_approval.b", w.wanted(etl, "orders_rw"), "CHG-1"))
	if got := w.fails(cli.ExitWrong, "2 requests", "show", "--plan", twice); strings.Count(got.out, "more than one resource") != 2 {
		t.Errorf("shown as\n%s", got.out)
	}
}

// wantFenced fails the test where something of a plan stands outside of a fence.
func wantFenced(t *testing.T, markdown string) {
	t.Helper()
	fence := ""
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		switch {
		case fence == "" && strings.HasSuffix(line, "text") && strings.HasPrefix(line, "```"):
			fence = strings.TrimSuffix(line, "text")
		case line == fence:
			fence = ""
		case fence == "" && strings.ContainsAny(line, "@["):
			t.Errorf("outside of a fence: %q in\n%s", line, markdown)
		}
	}
	if fence != "" {
		t.Errorf("a fence is not ended in\n%s", markdown)
	}
}

// What is no plan, or no plan that can be relied on, is refused.
func TestPlanFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "plan.json")
	for content, says := range map[string]string{
		"": "no plan", "[]": "no plan", "{}": "no plan of a known format", "null": "no plan of a known format", "PK\x03\x04": "no plan",
		`{"format_version":"2.0"}`: "no plan of a known format", `{"format_version":"1.2","errored":true}`: "a plan that failed",
		`{"format_version":"1.2","resource_changes":[{"type":5}]}`: "no plan", strings.Repeat("[", 100_000): "no plan",
	} {
		w.write(path, content)
		w.fails(cli.ExitUsage, says, "show", "--plan", path)
	}
	file, err := os.Create(path)
	must(t, err)
	must(t, file.Truncate(1<<30))
	must(t, file.Close())
	w.fails(cli.ExitUsage, "longer than", "show", "--plan", path)
	w.fails(cli.ExitUsage, "is not a file", "show", "--plan", t.TempDir())
	w.fails(cli.ExitUsage, "", "show", "--plan", path, string(etl))
	w.fails(cli.ExitUsage, "--plan", "show", string(etl), "--markdown")
	empty := w.plan()
	if out := w.ok("show", "--plan", empty); !strings.Contains(out, "asks for 0 approvals") {
		t.Errorf("shown as %s", out)
	}
	var many []map[string]any
	for n := range 1_001 {
		many = append(many, change(fmt.Sprintf("nhi_approval.x[%d]", n), "x", "CHG-1"))
	}
	w.fails(cli.ExitUsage, "more than 1000", "show", "--plan", w.plan(many...))
	if got := w.fails(cli.ExitWrong, "", "show", "--markdown", "--plan", w.plan(many[:1_000]...)); len(got.out) > 61_000 || !strings.Contains(got.out, "requests more") {
		t.Errorf("the comment has %d bytes", len(got.out))
	}
	w.pins = []nhi.Digest{nhi.DigestOf("another root")}
	w.fails(cli.ExitUnavailable, "", "show", "--plan", empty)
}

// A request file of a plan is as strict as every other one.
func TestWantedRequestFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.exportedPlan(w.plan(change("nhi_approval.etl", w.wanted(etl), "CHG-1")))
	good := w.read(file)
	for name, bad := range map[string]string{
		"another version":       strings.Replace(good, "nhi request file 2", "nhi request file 1", 1),
		"another approval":      strings.Replace(good, `"approval": "`+string(etl), `"approval": "`+string(approval(1)), 1),
		"another role":          strings.Replace(good, "orders_ro", "orders_rw", 1),
		"another ledger's text": strings.Replace(good, `"text": "nhi request 1\nledger: `+w.book().ID()[:8], `"text": "nhi request 1\nledger: ffffffff`, 1),
		"justified in lines":    strings.Replace(good, `"CHG-1"`, `"CHG-1\nrole admin"`, 1),
	} {
		if bad == good {
			t.Fatalf("%s: nothing was changed in\n%s", name, good)
		}
		w.write(file, bad)
		got := w.away("approve", file, "--yes", "--key", w.key("ana"), "--out", t.TempDir())
		if name == "another role" {
			// It is what somebody wants, as any other: it counts for itself alone.
			if got.code != cli.ExitOK || !strings.Contains(got.out, "orders_rw") {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if got.code == cli.ExitOK {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
