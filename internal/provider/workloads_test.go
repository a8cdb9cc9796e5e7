package provider_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// module writes a module of the workspace, with a lease as its output.
func (w *world) module(name, config string) {
	w.t.Helper()
	must(w.t, os.MkdirAll(filepath.Join(w.Dir, name), 0o700))
	w.Write(w.t, filepath.Join(name, "main.tf"), "terraform {\n  required_providers {\n    nhi = { source = \"nhi-terraform/nhi\" }\n  }\n}\n"+
		config+"output \"lease\" { value = nhi_grant.renamed.lease }\n")
}

// workloads is a call of the published module for every workload: each tenth
// is on the database, the others are external.
func (l *landscape) workloads(many int) string {
	return l.providerBlock(l.postgresSystem()) + variables + fmt.Sprintf(`
locals {
  access = [
    { db = { system = "orders", postgres = { roles = [%q] } } },
    { aws = { external = { description = "read the export bucket" } } },
  ]
}
module "workload" {
  source        = "./workload"
  for_each      = { for i in range(%d) : format("job-%%03d", i) => local.access[min(i %% 10, 1)] }
  name          = each.key
  owner         = "ana@example.com"
  purpose       = "Job ${each.key}"
  justification = "CHG-1240"
  access        = each.value
}
output "active" { value = length([for w in module.workload : w if w.active]) }
`, l.role(), many)
}

// publishedModule copies the module of examples/ into the workspace.
func (l *landscape) publishedModule(t *testing.T) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(l.Dir, "workload"), 0o700))
	for _, path := range filesBelow(t, examplePath("many-workloads", "workload"), ".tf") {
		l.Write(t, filepath.Join("workload", filepath.Base(path)), read(t, path))
	}
	wants(t, l.Run(t, "get"), 0)
}

// approveAll has two persons approve every job in one session each.
func (l *landscape) approveAll(many int) {
	l.t.Helper()
	approve := []string{"approve", "--yes"}
	for i := range many {
		approve = append(approve, fmt.Sprintf("production/%s/job-%03d:default", l.scope, i))
	}
	for _, person := range []string{ana, ben} {
		wants(l.t, l.tool(append(approve, "--key", l.keyFile(person))...), 0)
	}
}

// patiently runs a command of the CLI that may take minutes on a busy machine,
// and logs what it took and how much there is to read.
func (w *world) patiently(what string, args ...string) testserver.Result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 15*time.Minute)
	defer cancel()
	var stdout, stderr strings.Builder
	command := w.Command(ctx, append([]string{args[0], "-no-color", "-input=false"}, args[1:]...)...) // a plan's file comes last
	command.Stdout, command.Stderr = &stdout, &stderr
	start := time.Now()
	_ = command.Run() // its exit code says it
	state := command.ProcessState
	w.t.Logf("%-24s %6.1f s, %6.1f s of CPU, %6d lines", what, time.Since(start).Seconds(),
		(state.UserTime() + state.SystemTime()).Seconds(), strings.Count(stdout.String(), "\n"))
	return testserver.Result{Code: state.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// workloadsVariable says how many workloads TestManyWorkloads makes: make
// testacc runs it once with 200, which takes minutes.
const workloadsVariable = "NHI_TEST_WORKLOADS"

// TestManyWorkloads: a for_each over many workloads is one approval session,
// and plans that can still be read.
func TestManyWorkloads(t *testing.T) {
	t.Parallel()
	many := 20
	if text := os.Getenv(workloadsVariable); text != "" {
		var err error
		many, err = strconv.Atoi(text)
		must(t, err)
	}
	onDatabase := (many + 9) / 10
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.workloads(many))
	l.publishedModule(t)
	wants(t, l.patiently("apply: all asked for", "apply", "-auto-approve"), 0,
		fmt.Sprintf("Plan: %d to add, 0 to change, 0 to destroy", 3*many), "more similar warnings elsewhere", "active = 0")
	wants(t, l.patiently("plan: all wait", "plan", "-detailed-exitcode"), 0, "No changes", fmt.Sprintf("%d more similar warnings elsewhere", many-1))
	l.approveAll(many)
	planned := l.patiently("plan: all approved", "plan", "-out=plan")
	wants(t, planned, 0, fmt.Sprintf("Plan: 0 to add, %d to change, 0 to destroy", many))
	if arrows := strings.Count(planned.Stdout, `"approved" -> "active"`); arrows != many {
		t.Errorf("%d arrows, want one for each", arrows)
	}
	const each = 45 // lines; one grant of one target
	if lines := strings.Count(planned.Stdout, "\n"); lines > many*each {
		t.Errorf("the plan has %d lines", lines)
	}
	wants(t, l.patiently("apply: all activated", "apply", "plan"), 0, fmt.Sprintf("active = %d", many))
	if roles := l.roles(); len(roles) != onDatabase {
		t.Errorf("%d roles, want %d", len(roles), onDatabase)
	}
	wants(t, l.patiently("plan: all active", "plan", "-detailed-exitcode"), 0, "No changes")
}

// TestTwoScopesOneLedger: two workspaces with the same names and one ledger do
// not meet: neither ids nor accounts collide, and each sees its own alone.
func TestTwoScopesOneLedger(t *testing.T) {
	t.Parallel()
	const many = 3
	one := newLandscape(t, false)
	two := &landscape{world: one.another("payments/two"), sshd: one.sshd, db: one.db, user: one.user}
	for _, l := range []*landscape{one, two} {
		l.Write(t, "main.tf", l.workloads(many))
		l.publishedModule(t)
		wants(t, l.Apply(t), 0, "active = 0")
	}
	one.approveAll(many)
	wants(t, two.Plan(t), 0, "No changes")
	wants(t, one.Apply(t), 0, "active = 3")
	wants(t, two.Plan(t), 0, "No changes", "Waiting for approval")
	if roles := one.roles(); len(roles) != 1 {
		t.Fatalf("roles: %v", roles)
	}
	for _, person := range []string{ana, ben} {
		for i := range many {
			one.decide(nhi.VerdictApprove, nhi.ApprovalID(fmt.Sprintf("production/%s/job-%03d:default", two.scope, i)), person)
		}
	}
	wants(t, two.Apply(t), 0, "active = 3")
	if roles := one.roles(); len(roles) != 2 || roles[0] == roles[1] {
		t.Fatalf("roles: %v", roles)
	}
	wants(t, two.Destroy(t), 0)
	if roles := one.roles(); len(roles) != 1 {
		t.Errorf("roles after the other went: %v", roles)
	}
	wants(t, one.Plan(t), 0, "No changes")
}
