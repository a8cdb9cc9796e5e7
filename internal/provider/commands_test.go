package provider_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestReplaceAndTaint: both revoke and ask again, and the plan says so before
// it happens (for -replace in its diff alone, because Terraform shows no warning
// of a resource that it was told to replace); the new resource waits with a
// warning until another term is approved.
func TestReplaceAndTaint(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]func(*landscape) []string{
		"replace": func(*landscape) []string { return []string{"-replace=nhi_grant.etl"} },
		"taint": func(l *landscape) []string {
			wants(l.t, l.Run(l.t, "taint", "nhi_grant.etl"), 0)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := activeLandscape(t, false)
			planned := l.Plan(t, append(plan(l), "-out=plan")...)
			wants(t, planned, 2, `~ active = true -> false`, `- lease = "`+string(l.etl)+`#1" -> null`, `~ status = "active" -> "pending"`, `- "role `+l.role()+`"`)
			if name == "taint" {
				wants(t, planned, 2, "Access will be revoked, and asked for again", "set or raise renewal")
			}
			wants(t, l.applySaved("plan"), 0, "active = false")
			if roles := l.roles(); len(roles) > 0 {
				t.Fatalf("left over: %v", roles)
			}
			wants(t, l.Plan(t), 0, "No changes", "Approval already used", "set or raise renewal")
			l.edit(`ttl           = "720h"`, "ttl           = \"720h\"\n  renewal = 1")
			wants(t, l.Apply(t), 0, "active = false")
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			l.follow("approved", "active")
		})
	}
}

// TestRename: with a moved block nothing is revoked and nobody is asked;
// without one the plan warns, and the access goes, in whatever order.
func TestRename(t *testing.T) {
	t.Parallel()
	t.Run("moved", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		check := l.untouched()
		l.Write(t, "main.tf", strings.NewReplacer(`"nhi_grant" "etl"`, `"nhi_grant" "renamed"`, "nhi_grant.etl", "nhi_grant.renamed",
			`"nhi_approval" "etl"`, `"nhi_approval" "renamed"`, "nhi_approval.etl", "nhi_approval.renamed").Replace(l.read("main.tf"))+`
moved {
  from = nhi_grant.etl
  to   = nhi_grant.renamed
}
moved {
  from = nhi_approval.etl
  to   = nhi_approval.renamed
}
`)
		planned := l.Plan(t)
		refuses(t, planned, "will be revoked", "Waiting for approval")
		wants(t, l.Apply(t), 0, "active = true")
		wants(t, l.Plan(t), 0, "No changes")
		check("moved")
	})
	t.Run("not moved", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		l.Write(t, "main.tf", strings.NewReplacer(`"nhi_grant" "etl"`, `"nhi_grant" "renamed"`, "nhi_grant.etl", "nhi_grant.renamed").Replace(l.read("main.tf")))
		wants(t, l.Plan(t), 2, "Access will be revoked", "use a moved block", "nhi_grant.etl will be destroyed", "nhi_grant.renamed will be created")
		wants(t, l.Apply(t), 0, "active = false")
		wants(t, l.Plan(t), 0, "No changes", "Approval already used")
		if roles := l.roles(); len(roles) > 0 {
			t.Errorf("left over: %v", roles)
		}
	})
	t.Run("another justification", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		check := l.untouched()
		l.edit("CHG-1234", "CHG-9999")
		planned := l.Plan(t)
		refuses(t, planned, "Waiting for approval", "nhi_grant.etl will be")
		wants(t, l.Apply(t), 0, "active = true")
		check("justified again")
	})
}

// TestTargetAndRefresh: -target, -refresh=false and -refresh-only behave as
// the guide says.
func TestTargetAndRefresh(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false) // no ssh: its host's clock is not moved
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()+externalAccess))
	wants(t, l.Apply(t, "-target=nhi_grant.etl"), 0) // takes its approval along
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	check := l.untouched()
	wants(t, l.Plan(t, "-refresh=false"), 0, "No changes") // the last read found nothing
	wants(t, l.Run(t, "apply", "-refresh-only", "-auto-approve", "-no-color"), 0)
	check("refreshed")
	wants(t, l.Plan(t, "-refresh=false", "-out=plan"), 2, `"approved" -> "active"`)
	l.advance(time.Minute)
	l.decide(nhi.VerdictWithdraw, l.etl, ben)
	wants(t, l.applySaved("plan"), 1, "Access not granted", "took it back")
	check("withdrawn since the refresh")
	l.advance(time.Minute)
	l.decide(nhi.VerdictApprove, l.etl, ben)
	wants(t, l.Apply(t, "-target=nhi_grant.etl"), 0)
	l.advance(721 * time.Hour)
	wants(t, l.Plan(t, "-refresh=false"), 0, "No changes")
	wants(t, l.Run(t, "apply", "-refresh-only", "-auto-approve", "-no-color"), 0)
	if roles := l.roles(); len(roles) != 1 {
		t.Fatalf("a refresh changed the roles: %v", roles)
	}
	wants(t, l.Apply(t, "-refresh=false"), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
}

// TestStateRm: what was taken out of the state is adopted by the next applies;
// where it was taken out of the configuration too, the ledger still knows it.
func TestStateRm(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	check, uses := l.untouched(), l.used()
	wants(t, l.Run(t, "state", "rm", "nhi_grant.etl"), 0)
	wants(t, l.Apply(t), 0, "active = false")
	wants(t, l.Apply(t), 0, "active = true")
	wants(t, l.Plan(t), 0, "No changes")
	check("state rm")
	if l.used() != uses {
		t.Error("an activation was used")
	}
}

// TestSecondGrant: two resources on one ticket: the one that adopts last holds
// it, destroying the other one leaves it, and plans say so.
func TestSecondGrant(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.Write(t, "second.tf", "resource \"nhi_grant\" \"second\" { ticket = nhi_approval.etl.ticket }\n")
	wants(t, l.Apply(t), 0)
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "Another resource holds this grant")
	check := l.untouchedRoles()
	l.edit("resource \"nhi_grant\" \"etl\" {\n  ticket = nhi_approval.etl.ticket\n}", "")
	l.edit(`output "active" { value = nhi_grant.etl.active }`, "")
	wants(t, l.Apply(t), 0, "Access left to another resource")
	check("the first is destroyed")
	wants(t, l.Plan(t), 0, "No changes")
	wants(t, l.Destroy(t), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
}

// TestSavedPlans: a plan that was made while the approval or the term held,
// and is applied after, changes nothing and says why; applied twice, the
// second does nothing.
func TestSavedPlans(t *testing.T) {
	t.Parallel()
	t.Run("after the time to activate", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		l.saved("plan")
		check := l.untouched()
		l.advance(169 * time.Hour)
		wants(t, l.applySaved("plan"), 1, "Access not granted", "lapsed")
		check("lapsed")
	})
	t.Run("after the withdrawal", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		l.saved("plan")
		check := l.untouched()
		l.advance(time.Minute)
		l.decide(nhi.VerdictWithdraw, l.etl, ana)
		wants(t, l.applySaved("plan"), 1, "Access not granted", "took it back")
		check("withdrawn")
	})
	t.Run("a repair after the end", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		l.db.Exec(`REVOKE ` + l.role() + ` FROM "` + nhi.Principal(l.etl, "db") + `"`)
		l.arrow("drifted", "active")
		check := l.untouched()
		l.advance(721 * time.Hour)
		wants(t, l.applySaved("arrow.plan"), 1, "Access not repaired", "The term ended")
		check("ended")
		l.follow("expired", "revoked")
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		l.saved("plan")
		wants(t, l.applySaved("plan"), 0, "active = true")
		check, uses := l.untouched(), l.used()
		wants(t, l.applySaved("plan"), 1, "stale")
		check("applied twice")
		if l.used() != uses {
			t.Error("an activation was used")
		}
	})
}

// TestTwoAppliesAtOnce: one wins, and the other goes on or says so; there is
// one account, and one activation.
func TestTwoAppliesAtOnce(t *testing.T) {
	t.Parallel()
	l := approvedLandscape(t, false)
	wants(t, l.Plan(t, "-out=plan"), 2)
	var both sync.WaitGroup
	results := make([]testserver.Result, 2)
	for i := range results {
		both.Go(func() { results[i] = l.Apply(t, "-lock=false") })
	}
	both.Wait()
	for _, result := range results {
		if result.Code != 0 && !strings.Contains(result.Text(), "another run is acting on this grant") && !strings.Contains(result.Text(), "has changed since it was evaluated") {
			t.Errorf("an apply failed in another way: %s", result.Text())
		}
	}
	for range 2 {
		wants(t, l.Apply(t), 0)
	}
	wants(t, l.Plan(t), 0, "No changes")
	if roles := l.roles(); len(roles) != 1 || l.used() != 1 {
		t.Errorf("roles %v, activations %d", roles, l.used())
	}
}

// TestAnotherScopeCopies: whoever copies the whole configuration into another
// scope, the ticket's text included, gets nothing of the first one's.
func TestAnotherScopeCopies(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	check, chain := l.untouched(), len(l.chain(ledger.GrantChain(l.etl)).Entries)
	must(t, os.Mkdir(filepath.Join(l.Dir, "thief"), 0o700))
	l.Write(t, "thief/main.tf", strings.NewReplacer(l.scope, "payments/thief", `".nhi"`, `"../.nhi"`, `"policy.hcl"`, `"../policy.hcl"`).Replace(l.read("main.tf")))
	thief := l.Run(t, "-chdir=thief", "apply", "-no-color", "-input=false", "-auto-approve")
	wants(t, thief, 0, "active = false", "production/payments/thief/orders-etl:default asks for")
	check("copied")
	if now := len(l.chain(ledger.GrantChain(l.etl)).Entries); now != chain {
		t.Errorf("the victim's chain had %d entries and has %d", chain, now)
	}
	// The approval of the one counts for nothing in the other.
	entries, err := l.book().Read(context.Background(), ledger.ApprovalChain("production/payments/thief/orders-etl:default"))
	must(t, err)
	victim := l.chain(ledger.ApprovalChain(l.etl))
	for _, entry := range victim.Entries {
		if decision, ok := entry.Body.(ledger.DecisionBody); ok {
			entries, err = l.book().Append(context.Background(), entries, decision)
			must(t, err)
		}
	}
	wants(t, l.Run(t, "-chdir=thief", "apply", "-no-color", "-input=false", "-auto-approve"), 0, "active = false")
	check("with copied decisions")
}
