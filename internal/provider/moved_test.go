package provider_test

import (
	"strings"
	"testing"
)

// TestMoved: an address that is renamed with a moved block, or goes into a
// module, revokes nothing and asks nobody.
func TestMoved(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	before, check, uses := stateOf(t, l.world, "nhi_grant", "lease"), l.untouched(), l.used()
	moves := func(from, to string) string {
		var blocks strings.Builder
		for _, kind := range []string{"nhi_identity", "nhi_approval", "nhi_grant"} {
			blocks.WriteString("moved {\n  from = " + strings.ReplaceAll(from, "KIND", kind) + "\n  to = " + strings.ReplaceAll(to, "KIND", kind) + "\n}\n")
		}
		return blocks.String()
	}
	renamed := strings.NewReplacer(`" "etl"`, `" "renamed"`, ".etl.", ".renamed.").Replace(l.read("main.tf"))
	l.Write(t, "main.tf", renamed+moves("KIND.etl", "KIND.renamed"))
	planned := l.Plan(t, "-out=plan")
	wants(t, planned, 2, "nhi_grant.etl has moved to nhi_grant.renamed", "0 to add, 0 to change, 0 to destroy")
	refuses(t, planned, "Waiting for approval")
	wants(t, l.applySaved("plan"), 0, "0 added, 0 changed, 0 destroyed")
	wants(t, l.Plan(t), 0, "No changes")

	provider, resources, _ := strings.Cut(renamed, `resource "nhi_identity"`)
	l.module("workload", `resource "nhi_identity"`+resources)
	l.Write(t, "main.tf", provider+"module \"etl\" {\n  source = \"./workload\"\n}\n"+moves("KIND.renamed", "module.etl.KIND.renamed"))
	wants(t, l.Run(t, "get"), 0)
	wants(t, l.Apply(t), 0, "0 added, 0 changed, 0 destroyed")
	wants(t, l.Plan(t), 0, "No changes")
	check("moved")
	l.Write(t, "main.tf", l.read("main.tf")+"output \"lease\" { value = module.etl.lease }\n")
	wants(t, l.Apply(t), 0)
	if after := l.outputs()["lease"]; after != before || l.used() != uses {
		t.Errorf("the lease was %v and is %v, with %d uses", before, after, l.used())
	}
}

// TestRenamedWithoutMoved: without a moved block the old one goes and a new one
// waits; the plan shows both.
func TestRenamedWithoutMoved(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.Write(t, "main.tf", strings.NewReplacer(`"nhi_grant" "etl"`, `"nhi_grant" "renamed"`, "nhi_grant.etl.", "nhi_grant.renamed.").Replace(l.read("main.tf")))
	wants(t, l.Plan(t), 2, "nhi_grant.etl will be destroyed", "nhi_grant.renamed will be created", `+ status = "pending"`)
	wants(t, l.Apply(t), 0, "active = false")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("roles: %v", roles)
	}
	wants(t, l.Plan(t), 0, "No changes", "Approval already used")
}
