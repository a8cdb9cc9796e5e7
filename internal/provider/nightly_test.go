package provider_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestNightlyPlan runs the published script of scheduled plans: 0 and a word
// where nothing is to do, 2 and what it is where an apply is due.
func TestNightlyPlan(t *testing.T) {
	t.Parallel()
	w := newExample(t, "gate")
	w.installed(t)
	const gate = nhi.ApprovalID("production/payments/etl/bucket-export:default")
	nightly := func(code int, words ...string) {
		t.Helper()
		out, err := w.shell(read(t, examplePath("scheduled-plans", "plan.sh")))
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		}
		if got != code {
			t.Fatalf("exit code %d, want %d:\n%s", got, code, out)
		}
		for _, word := range words {
			if !strings.Contains(out, word) {
				t.Fatalf("%q is missing in:\n%s", word, out)
			}
		}
	}
	wants(t, w.Apply(t), 0)
	nightly(0, "nothing to do")
	w.decide(nhi.VerdictApprove, gate, ana, ben)
	nightly(2, "# nhi_grant.export will be updated", `"approved" -> "active"`)
	wants(t, w.Apply(t), 0)
	nightly(0, "nothing to do")
	w.advance(721 * time.Hour)
	nightly(2, "# nhi_grant.export will be updated", `"expired" -> "revoked"`)
}
