package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
)

// What was activated in an emergency is reviewed by somebody who neither asked
// nor approved; without that it ends, and the record of all of it verifies.
func TestReviewOfAnEmergency(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	rule := `quorum "approvers" { count = 2 }`
	if !strings.Contains(w.read(w.path("policy.hcl")), rule) {
		t.Fatalf("the policy is\n%s", w.read(w.path("policy.hcl")))
	}
	w.edit("version = 1", "version = 2", rule, rule+"\n  review \"approvers\" {\n    count  = 1\n    within = \"24h\"\n  }")
	w.edit("version         = 1", "version = 2")
	w.ok("policy", "sign", "--key", w.key("root"), "--publish")
	w.fails(cli.ExitUsage, "nothing was asked for", "review", string(w.etl), "--yes", "--key", w.key("cyd"))
	text, _ := w.granted(w.etl)
	if out := w.ok("policy", "explain", string(w.etl)); !strings.Contains(out, "a review by 1 of approvers within 24h") {
		t.Errorf("explain said %s", out)
	}
	w.fails(cli.ExitWrong, "nobody reviews what is their own", "review", string(w.etl), "--yes", "--key", w.key("ana"))
	w.fails(cli.ExitWrong, "nobody reviews what is their own", "review", string(w.etl), "--yes", "--key", w.key("eve"))
	w.fails(cli.ExitWrong, "belongs to nobody", "review", string(w.etl), "--yes", "--key", w.key("mal"))
	if view := w.look(text); view.Status != lifecycle.Active || len(view.Standing.Review.Missing()) != 1 {
		t.Errorf("before: %s %+v", view.Status, view.Standing.Review)
	}
	if out := w.ok("review", string(w.etl), "--yes", "--reason", "INC-17", "--key", w.key("cyd")); !strings.Contains(out, "the review is complete") {
		t.Errorf("review said %s", out)
	}
	w.pass(25 * time.Hour)
	if view := w.look(text); view.Status != lifecycle.Active {
		t.Errorf("after: %s %q", view.Status, view.Findings)
	}
	w.ok("verify")
	if out := w.ok("log"); !strings.Contains(out, "reviewed") {
		t.Errorf("log said %s", out)
	}
}
