package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// TestCase13FiftyGrantsAtOnce: one signature decides fifty requests, and fifty
// grants to one PostgreSQL role, made at once, all succeed.
func TestCase13FiftyGrantsAtOnce(t *testing.T) {
	t.Parallel()
	const many = 50
	l := newLandscape(t, false)
	each := func(block string) string {
		return strings.NewReplacer(
			`"etl" {`, "\"etl\" {\n  count = 50", `"orders-etl"`, `"etl-${count.index}"`,
			"nhi_identity.etl.", "nhi_identity.etl[count.index].", "nhi_approval.etl.", "nhi_approval.etl[count.index].",
			"nhi_grant.etl.active", "alltrue(nhi_grant.etl[*].active)").Replace(block)
	}
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+each(grantOf("720h", l.dbAccess())))
	wants(t, l.Apply(t, "-parallelism=50"), 0, "active = false")
	approve := []string{"approve", "--yes"}
	for i := range many {
		approve = append(approve, fmt.Sprintf("production/%s/etl-%d:default", l.scope, i))
	}
	for _, person := range []string{ana, ben} {
		wants(t, l.tool(append(approve, "--key", l.keyFile(person))...), 0)
	}
	wants(t, l.Apply(t, "-parallelism=50"), 0, "active = true")
	if roles := l.roles(); len(roles) != many {
		t.Errorf("%d roles, want %d", len(roles), many)
	}
	wants(t, l.Plan(t), 0, "No changes")
	wants(t, l.Destroy(t, "-parallelism=50"), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
}

// TestDecisionFiles: decisions that come as files, as a pull request would
// carry them, count when they are read, and are recorded before the intent.
func TestDecisionFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", strings.Replace(w.providerBlock(""), "policy_file", "decisions_dir = \"approvals\"\n  policy_file", 1)+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0, "active = false")
	must(t, os.Mkdir(filepath.Join(w.Dir, "approvals"), 0o700))
	for _, person := range []string{ana, ben} {
		wants(t, w.tool("approve", string(w.etl), "--key", w.keyFile(person), "--yes", "--out", "approvals"), 0)
	}
	if n := len(w.chain(ledger.ApprovalChain(w.etl)).Entries); n != 1 {
		t.Fatalf("%d entries on the approval's chain before the apply", n)
	}
	wants(t, w.Plan(t), 2, `"approved" -> "active"`, "(2 of 2)")
	wants(t, w.Apply(t), 0, "active = true")
	if n := len(w.chain(ledger.ApprovalChain(w.etl)).Entries); n != 3 {
		t.Errorf("%d entries on the approval's chain, want the request and two decisions", n)
	}
	must(t, os.WriteFile(filepath.Join(w.Dir, "approvals", "forged.decision"), []byte("yes"), 0o600))
	wants(t, w.Plan(t), 0, "No changes", "forged.decision")
	wants(t, w.Destroy(t), 0)
}
