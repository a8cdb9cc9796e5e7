package provider_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// devSystems lets the systems of production be reached from dev too.
func (l *landscape) devSystems() string {
	return l.policySystems() + "  system \"again\" { postgres = \"" + l.endpoint() + "\" }\n}\nenvironment \"dev\" {\n" + l.policySystems()
}

// anyEnvironment is twoOfSecurity for dev and production.
var anyEnvironment = strings.Replace(twoOfSecurity, `["production"]`, `["production", "dev"]`, 1)

// TestThreatApproveThenChange: what was approved is no longer approved once a
// privilege, the TTL, a system or the environment is another; no
// target is told to change anything.
func TestThreatApproveThenChange(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.db.Exec("CREATE ROLE " + l.db.Prefix() + "more")
	l.policy(1, l.devSystems(), anyEnvironment)
	systems := l.systems() + "    again = { postgres = { url = var.orders_url } }\n"
	good := l.providerBlock(systems) + variables + grantOf("700h", l.access())
	l.Write(t, "main.tf", good)
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	check := l.untouched()
	for _, c := range []struct {
		name, old, changed string
		code               int
		says               string
	}{
		{"privilege", fmt.Sprintf("roles = [%q]", l.role()), fmt.Sprintf("roles = [%q]", l.db.Prefix()+"more"), 0, "0 have approved"},
		{"one privilege more", fmt.Sprintf("roles = [%q]", l.role()), fmt.Sprintf("roles = [%q, %q]", l.role(), l.db.Prefix()+"more"), 0, "0 have approved"},
		{"ttl", `"700h"`, `"720h"`, 0, "0 have approved"},
		{"shorter ttl", `"700h"`, `"699h"`, 0, "0 have approved"},
		{"system", `system = "orders"`, `system = "again"`, 0, "0 have approved"},
		{"environment", `environment = "production"`, `environment = "dev"`, 0, "0 have approved"},
	} {
		if strings.Count(good, c.old) < 1 {
			t.Fatalf("%s: %q is not in the configuration", c.name, c.old)
		}
		l.Write(t, "main.tf", strings.Replace(good, c.old, c.changed, 1))
		wants(t, l.Apply(t), c.code, c.says)
		check(c.name)
	}
	l.Write(t, "main.tf", good)
	wants(t, l.Apply(t), 0)
	wants(t, l.Apply(t), 0, "active = true")
}

// TestThreatEndpointSwapped: the name of an approved system leads elsewhere, in
// the plan that is reviewed or between plan and apply; also where the policy
// knows the other place, since people signed this one.
func TestThreatEndpointSwapped(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.db.Exec("CREATE DATABASE " + l.db.Prefix() + "other")
	elsewhere := strings.Replace(l.db.URL(""), "/"+l.db.Database(), "/"+l.db.Prefix()+"other", 1)
	other := strings.Replace(l.endpoint(), "/"+l.db.Database(), "/"+l.db.Prefix()+"other", 1)
	env := l.Env
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("700h", l.access()))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.saved("plan")
	check := l.untouched()
	l.Env = append(slices.Clone(env), "TF_VAR_orders_url="+elsewhere)
	wants(t, l.applySaved("plan"), 1, "leads to "+other+", and this access is on "+l.endpoint())
	check("swapped between plan and apply")
	wants(t, l.Apply(t), 1, "endpoint")
	check("swapped")
	// The policy knows both: it is another request, and nobody has approved that.
	l.policy(2, strings.Replace(l.policySystems(), l.endpoint(), other, 1), twoOfSecurity)
	wants(t, l.Apply(t), 0, "active = false", "0 have approved")
	check("swapped, with a place that the policy knows")
	l.Env = env
	wants(t, l.Apply(t), 1, "endpoint")
	check("back, at a place that the policy does not know any more")
	l.policy(3, l.policySystems(), twoOfSecurity)
	wants(t, l.Apply(t), 0)
	wants(t, l.Apply(t), 0, "active = true")
}

// record appends decisions to an approval's chain, as whoever can write to the
// ledger could.
func (w *world) record(id nhi.ApprovalID, signed ...nhi.SignedDecision) {
	w.t.Helper()
	book := w.book()
	for _, one := range signed {
		chain, err := book.Read(context.Background(), ledger.ApprovalChain(id))
		must(w.t, err)
		_, err = book.Append(context.Background(), chain, ledger.DecisionBody{SignedDecision: one})
		must(w.t, err)
	}
}

// TestThreatReplayedElsewhere: valid approvals for dev are worth nothing in
// production, those of one scope nothing in another, and those of one ledger
// nothing in another, wherever they are put.
func TestThreatReplayedElsewhere(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.policy(1, l.devSystems(), anyEnvironment)
	production := l.providerBlock(l.systems()) + variables + grantOf("700h", l.access())
	place := func(environment, scope string) nhi.ApprovalID {
		l.Write(t, "main.tf", strings.NewReplacer(`environment = "production"`, fmt.Sprintf("environment = %q", environment),
			fmt.Sprintf("%q", l.scope), fmt.Sprintf("%q", scope)).Replace(production))
		wants(t, l.Apply(t), 0)
		return nhi.ApprovalID(environment + "/" + scope + "/orders-etl:default")
	}
	var stolen []nhi.SignedDecision
	for _, from := range []nhi.ApprovalID{place("dev", l.scope), place("production", l.scope+"-other")} {
		stolen = append(stolen, l.decision(nhi.VerdictApprove, from, ana), l.decision(nhi.VerdictApprove, from, ben))
	}
	other := newWorld(t) // another ledger, the same names
	root := other.people["root"]
	other.people, other.scope, other.etl = maps.Clone(l.people), l.scope, l.etl
	other.people["root"] = root
	other.policy(1, l.policySystems(), twoOfSecurity)
	other.Env = append(other.Env, l.Env[len(l.Env)-2:]...)
	other.Write(t, "main.tf", strings.Replace(production, `"policy.hcl"`, fmt.Sprintf("%q", filepath.Join(other.Dir, "policy.hcl")), 1))
	must(t, os.WriteFile(other.keyFile(rae), []byte(l.readFile(l.keyFile(rae))), 0o600))
	check := l.untouched()
	wants(t, other.Apply(t), 0)
	stolen = append(stolen, other.decision(nhi.VerdictApprove, l.etl, ana), other.decision(nhi.VerdictApprove, l.etl, ben))
	place("production", l.scope)
	l.record(l.etl, stolen...)
	wants(t, l.Plan(t), 0, "No changes")
	wants(t, l.Apply(t), 0, "active = false", "0 have approved")
	check("approvals of elsewhere")
	l.decide(nhi.VerdictApprove, l.etl, ana)
	wants(t, l.Apply(t), 0, "active = false", "1 has approved")
	check("one of ours, and those of elsewhere")
	l.decide(nhi.VerdictApprove, l.etl, ben)
	wants(t, l.Apply(t), 0, "active = true")
}

// TestThreatAuthorPicksTheRules: whoever writes the Terraform chooses neither
// approvers nor root nor policy.
func TestThreatAuthorPicksTheRules(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	config := l.providerBlock(l.systems()) + variables + grantOf("720h", l.access())
	l.Write(t, "main.tf", config)
	wants(t, l.Apply(t), 0)
	check := l.untouched()
	mine := l.newKey("author")
	ours := l.read("policy.hcl")
	easier := strings.Replace(strings.Replace(ours, "count = 2", "count = 1", 1), "version         = 1", "version         = 2", 1)
	block, err := policy.SignDocument([]byte(easier), mine)
	must(t, err)
	l.Write(t, "mine.hcl", easier)
	l.Write(t, "mine.hcl.sig", block)
	l.decide(nhi.VerdictApprove, l.etl, ana)
	for _, c := range []struct {
		name, old, changed string
		code               int
		says               string
	}{
		{"a policy of his own", `"policy.hcl"`, `"mine.hcl"`, 0, "0 of the 1"},
		{"a root in the provider block", `policy_file =`, "trust_root = \"sha256:00\"\n  policy_file =", 1, "Unsupported argument"},
		{"approvers in the provider block", `policy_file =`, "approvers = [\"rae@example.com\"]\n  policy_file =", 1, "Unsupported argument"},
		{"a quorum in the approval", `justification =`, "required = 1\n  justification =", 1, "required"},
		{"no policy file", `policy_file =`, "# policy_file =", 0, "1 has approved"},
	} {
		l.Write(t, "main.tf", strings.Replace(config, c.old, c.changed, 1))
		wants(t, l.Apply(t), c.code, c.says)
		check(c.name)
	}
	l.Write(t, "main.tf", config)
	l.signAnything(strings.Replace(strings.Replace(ours, `approver "cyd@example.com"`, `approver "*"`, 1), "version         = 1", "version         = 3", 1))
	wants(t, l.Apply(t), 0, "must not hold any of")
	check("everybody may approve")
}
