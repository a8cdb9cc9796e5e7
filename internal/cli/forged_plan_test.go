package cli_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
)

// TestAPlanForgesNoLine: an address of a forged plan writes no line of its own.
func TestAPlanForgesNoLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(change("nhi_approval.x\n"+string(etl)+" (approved): nothing to decide\n", w.wanted(etl), "CHG-1"))
	got := w.fails(cli.ExitPending, "not approved yet", "show", "--plan", plan)
	for _, line := range strings.Split(got.out, "\n") {
		if strings.HasPrefix(line, string(etl)+" (approved)") {
			t.Errorf("a line was forged:\n%s", got.out)
		}
	}
}
