package provider_test

import (
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestMeansSomethingElse: the name that was approved stays, and what is behind
// it is another thing: nothing is planned, and every plan warns, until it is as
// it was.
func TestMeansSomethingElse(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem()+l.vaultSystem())+variables+grantOf("720h", l.dbAccess()+l.kvAccess()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	const warning = "What was approved means something else now"
	refuses(t, l.Plan(t), warning)
	policy, more := l.vaultPolicy("read"), l.db.Prefix()+"payroll_rw"
	l.db.Exec("CREATE ROLE " + more)
	for _, c := range []struct {
		change, undo func()
		words        []string
	}{
		{
			func() { must(t, l.vaultRoot().Sys().PutPolicy(policy, l.reading("payroll"))) },
			func() { must(t, l.vaultRoot().Sys().PutPolicy(policy, l.reading("orders"))) },
			[]string{`target "kv": policy ` + policy + " has another text than at activation"},
		},
		{
			func() { l.db.Exec("GRANT " + more + " TO " + l.role()) },
			func() { l.db.Exec("REVOKE " + more + " FROM " + l.role()) },
			[]string{`target "db": role ` + l.role() + " leads to other roles than at activation: + role " + more},
		},
	} {
		c.change()
		check := l.untouched()
		words := append(slices.Clone(c.words), warning, "Nobody has approved that", "No changes")
		wants(t, l.Plan(t, "-out=plan"), 0, words...)
		if changes := l.changes("plan", "nhi_grant"); len(changes) > 0 {
			t.Errorf("the plan's JSON holds %v", changes)
		}
		wants(t, l.Apply(t), 0, "active = true")
		check("warned")
		wants(t, l.Plan(t), 0, words...) // applying accepted nothing
		c.undo()
		refuses(t, l.Plan(t), warning)
	}
	// A repair of something else accepts nothing either.
	must(t, l.vaultRoot().Sys().PutPolicy(policy, l.reading("payroll")))
	l.vaultPut(l.entity(), map[string]any{"disabled": true})
	l.follow("drifted", "active", warning)
	wants(t, l.Plan(t), 0, warning, "has another text than at activation")
}
