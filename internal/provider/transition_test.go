package provider_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestStaysPending: what was denied or withdrawn stays pending, and every plan
// says why.
func TestStaysPending(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(*landscape)
		words   []string
	}{
		"denied": {func(l *landscape) { l.decide(nhi.VerdictDeny, l.etl, ana) },
			[]string{"Not approved", "was denied", "ana@example.com said no"}},
		"withdrawn": {func(l *landscape) {
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			l.advance(time.Minute)
			l.decide(nhi.VerdictWithdraw, l.etl, ben)
		}, []string{"Not approved", "the approval was withdrawn", "ben@example.com approved, and took it back"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLandscape(t, false)
			l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
			wants(t, l.Apply(t), 0)
			check := l.untouched()
			c.happens(l)
			wants(t, l.Plan(t), 0, append(c.words, "No changes")...)
			wants(t, l.Apply(t), 0, "active = false")
			check(name)
		})
	}
}

// TestTermEnds: approved -> active, expired -> revoked; then it rests, plans
// are empty, and warn that it is down.
func TestTermEnds(t *testing.T) {
	t.Parallel()
	l := approvedLandscape(t, false)
	l.follow("approved", "active", "approved by ana@example.com and ben@example.com (2 of 2)", `+ "role `+l.role()+`"`, `~ active = false -> true`)
	l.advance(721 * time.Hour)
	l.follow("expired", "revoked", "the term ended", `- "role `+l.role()+`"`, `~ active = true -> false`)
	wants(t, l.Plan(t), 0, "Access is down", "set or raise renewal")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("after the term: %v", roles)
	}
}

// TestEndsWhateverElseIsAsked: a change that disables an identity and asks for
// what the policy denies, or is no request at all, takes the access away all the
// same; what it asks for is asked when the identity is enabled again.
func TestEndsWhateverElseIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to string
		later    string // why it is refused when the identity is back; empty where it is not
	}{
		"more than the policy gives": {`ttl           = "720h"`, `ttl           = "9000h"`, "9000h is longer than 720h"},
		"a system that is not there": {`system = "orders"`, `system = "nowhere"`, "nowhere"},
		"another justification":      {`"CHG-1234"`, `"CHG-9999"`, ""},
		"an assured approval":        {`"CHG-1234"`, "\"CHG-9999\"\n  on_pending = \"error\"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLandscape(t, false)
			l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.dbAccess()))
			wants(t, l.Apply(t), 0)
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			wants(t, l.Apply(t), 0, "active = true")
			l.edit(`ttl     = "2160h"`, "ttl     = \"2160h\"\n  enabled = false")
			l.edit(c.from, c.to)
			wants(t, l.Plan(t, "-out=plan"), 2, `"active" -> "revoked"`)
			wants(t, l.applySaved("plan"), 0)
			if roles := l.roles(); len(roles) > 0 {
				t.Errorf("after the end: %v", roles)
			}
			wants(t, l.Plan(t), 0, "No changes")
			l.edit("enabled = false", "enabled = true")
			if c.later != "" {
				wants(t, l.Plan(t), 1, c.later)
				return
			}
			wants(t, l.Plan(t), 2, `"disabled" -> "active"`)
		})
	}
}

// TestIdentityEnds: an identity that ends or is disabled takes all its grants
// along in the same plan, each by its name.
func TestIdentityEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(*landscape)
		from    string
		status  string
	}{
		"disabled": {func(l *landscape) { l.edit(`ttl     = "2160h"`, "ttl     = \"2160h\"\n  enabled = false") }, "active", "disabled"},
		"ended":    {func(l *landscape) { l.advance(101 * time.Hour) }, "ended", "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLandscape(t, false)
			config := l.providerBlock(l.systems()) + variables + grantOf("720h", l.dbAccess()) + fmt.Sprintf(`
resource "nhi_approval" "second" {
  subject       = nhi_identity.etl.subject
  name          = "second"
  justification = "CHG-5"
  ttl           = "48h"
  access = {
%s
  }
}
resource "nhi_grant" "second" { ticket = nhi_approval.second.ticket }
`, l.dbAccess())
			l.Write(t, "main.tf", config)
			if name == "ended" {
				l.edit(`"2160h"`, `"100h"`)
			}
			wants(t, l.Apply(t), 0)
			second := nhi.ApprovalID(l.etl.Identity()) + ":second"
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			l.decide(nhi.VerdictApprove, second, ana, ben)
			wants(t, l.Apply(t), 0, "active = true")
			if name == "ended" {
				l.edit(`"48h"`, `"47h"`) // something else changes too
				wants(t, l.Apply(t), 0)
			}
			c.happens(l)
			planned := l.Plan(t, "-out=plan")
			wants(t, planned, 2, `"active" -> "`+c.status+`"`, "nhi_grant.etl will be updated", "nhi_grant.second will be updated", `-> "revoked"`)
			for _, address := range []string{"nhi_grant.etl", "nhi_grant.second"} {
				after, _ := l.changes("plan", "nhi_grant")[address]["after"].(map[string]any)
				if after["status"] != "revoked" {
					t.Errorf("%s is planned as %v", address, after["status"])
				}
			}
			wants(t, l.applySaved("plan"), 0)
			wants(t, l.Plan(t), 0, "No changes")
			if roles := l.roles(); len(roles) > 0 {
				t.Errorf("left over: %v", roles)
			}
		})
	}
}

// TestChangedByHand: what a hand added, removed or moved on a target is drift:
// listed, and put back as it was approved.
func TestChangedByHand(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	principal := nhi.Principal(l.etl, "db")
	hand := func(statement string, args ...any) { l.db.Exec(fmt.Sprintf(statement, args...)) }
	admin := l.db.Prefix() + "admin"
	hand("CREATE ROLE %s", admin)
	for _, c := range []struct {
		by    func()
		words []string
	}{
		{func() { hand(`GRANT %s TO %q`, admin, principal) }, []string{"db: role " + admin + " was added by hand", `- "role ` + admin + `"`}},
		{func() { hand(`REVOKE %s FROM %q`, l.role(), principal) }, []string{"db: role " + l.role() + " was removed by hand", `+ "role ` + l.role() + `"`}},
		{func() { hand(`ALTER ROLE %q VALID UNTIL '2099-01-01'`, principal) }, []string{"the end date was moved by hand to 2099-01-01"}},
		{func() { hand(`DROP ROLE %q`, principal) }, []string{"db: it was removed by hand"}},
	} {
		c.by()
		l.follow("drifted", "active", c.words...)
		if held := l.holds(); held != "orders_ro" {
			t.Errorf("after the repair it holds %q", held)
		}
	}
}

// TestPolicyForbids: access that the policy does not allow any more runs on
// with a warning, or is revoked where the policy says so.
func TestPolicyForbids(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	const shorter = `
rule "production access" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["*"]
  max_ttl      = "24h"
  quorum "security" { count = 2 }
}
`
	l.policy(2, l.policySystems(), shorter)
	wants(t, l.Plan(t), 0, "No changes", "The policy forbids what is active", "longer than 24h", "nhi revoke "+string(l.etl))
	wants(t, l.Apply(t), 0, "active = true")
	l.policy(3, l.policySystems(), shorter)
	l.signPolicy(l.read("policy.hcl") + "\non_forbidden = \"revoke\"\n")
	l.follow("ended", "revoked", "the policy forbids it now", "longer than 24h")
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
}

// TestStateLostIsAdopted: the next applies adopt what the ledger knows: no new
// approval, no gap, nothing changed on any target.
func TestStateLostIsAdopted(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	must(t, os.Remove(filepath.Join(l.Dir, "terraform.tfstate")))
	check, uses := l.untouched(), l.used()
	wants(t, l.Apply(t), 0, "active = false")
	l.arrow("approved", "active", "it is adopted as it is", `+ lease = "`+string(l.etl)+`#1"`)
	wants(t, l.applySaved("arrow.plan"), 0)
	wants(t, l.Plan(t), 0, "No changes")
	check("adopted")
	if l.used() != uses {
		t.Error("adopting used an activation")
	}
	wants(t, l.Destroy(t), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
}

// TestLedgerRevoked: the state believes it live and the ledger says that it
// was removed: it is never brought back.
func TestLedgerRevoked(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	must(t, os.Rename(filepath.Join(l.Dir, "terraform.tfstate"), filepath.Join(l.Dir, "kept")))
	wants(t, l.Apply(t), 0)
	wants(t, l.Apply(t), 0, "active = true")
	wants(t, l.Destroy(t, "-target=nhi_grant.etl"), 0)
	must(t, os.Rename(filepath.Join(l.Dir, "kept"), filepath.Join(l.Dir, "terraform.tfstate")))
	check := l.untouchedRoles()
	l.follow("ended", "revoked", "the ledger says that the access was removed")
	wants(t, l.Apply(t), 0, "active = false")
	check("revoked twice")
}

// blocked records a block, as nhi revoke does.
func (w *world) blocked(id nhi.ApprovalID, by, reason string) {
	w.t.Helper()
	chain := w.chain(ledger.GrantChain(id))
	_, err := w.book().Append(context.Background(), chain, ledger.BlockBody{By: by, Reason: reason})
	must(w.t, err)
}

// TestBlocked: a grant that somebody ended by hand goes, and stays away.
func TestBlocked(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.blocked(l.etl, ben, "the key was in a chat")
	l.follow("ended", "revoked", "ended by ben@example.com: the key was in a chat")
	wants(t, l.Plan(t), 0, "nhi unblock "+string(l.etl))
	l.edit(`justification = "CHG-1234"`, "justification = \"CHG-1234\"\n  renewal = 1")
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	check := l.untouchedRoles()
	wants(t, l.Apply(t), 0, "active = false")
	check("blocked")
}
