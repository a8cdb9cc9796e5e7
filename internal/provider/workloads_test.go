package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
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

// TestTwoHundredWorkloads: a for_each over 200 workloads is one approval
// session, and plans that can still be read.
func TestTwoHundredWorkloads(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	t.Parallel()
	const many, onDatabase = 200, 20
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.workloads(many))
	l.publishedModule(t)
	timed := func(what string, do func() testserver.Result) testserver.Result {
		t.Helper()
		start := time.Now()
		result := do()
		t.Logf("%-28s %5.1fs, %d lines", what, time.Since(start).Seconds(), strings.Count(result.Stdout, "\n"))
		return result
	}
	planned := timed("plan of all as new", func() testserver.Result { return l.Plan(t) })
	wants(t, planned, 2, "Plan: 600 to add, 0 to change, 0 to destroy", "199 more similar warnings elsewhere")
	wants(t, timed("apply: all asked for", func() testserver.Result { return l.Apply(t, "-parallelism=20") }), 0, "active = 0")
	wants(t, timed("plan while all wait", func() testserver.Result { return l.Plan(t) }), 0, "No changes", "199 more similar warnings elsewhere")
	timed("approval by two persons", func() testserver.Result { l.approveAll(many); return testserver.Result{} })
	planned = timed("plan of all as approved", func() testserver.Result { return l.Plan(t, "-out=plan") })
	wants(t, planned, 2, "Plan: 0 to add, 200 to change, 0 to destroy")
	if arrows := strings.Count(planned.Stdout, `"approved" -> "active"`); arrows != many {
		t.Errorf("%d arrows, want one for each", arrows)
	}
	wants(t, timed("apply: all activated", func() testserver.Result { return l.applySaved("plan") }), 0, "active = 200")
	if roles := l.roles(); len(roles) != onDatabase {
		t.Errorf("%d roles, want %d", len(roles), onDatabase)
	}
	wants(t, timed("plan of all as active", func() testserver.Result { return l.Plan(t) }), 0, "No changes")
	l.advance(721 * time.Hour)
	planned = timed("plan of all as expired", func() testserver.Result { return l.Plan(t) })
	if arrows := strings.Count(planned.Stdout, `"expired" -> "revoked"`); arrows != many {
		t.Errorf("%d arrows, want one for each", arrows)
	}
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
