package provider_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestRenewal: raising renewal asks for another term of the same; the old one
// runs on meanwhile, and its end is moved by the new approval alone.
func TestRenewal(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false) // no ssh: its host's clock is not moved
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()+externalAccess))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	end := l.attribute("nhi_grant.etl", "expires_at")
	l.edit(`ttl           = "720h"`, "ttl           = \"720h\"\n  renewal = 1")
	wants(t, l.Plan(t, "-out=plan"), 2, "Waiting for approval", "This is term 2 of the same approval", "What is in force now runs on until")
	wants(t, l.applySaved("plan"), 0, "active = true")
	wants(t, l.Plan(t), 0, "No changes", "Waiting for approval")
	if now := l.attribute("nhi_grant.etl", "expires_at"); now != end {
		t.Errorf("the end was %v and is %v, and nobody has approved", end, now)
	}
	l.advance(48 * time.Hour)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.follow("approved", "active", `lease = "`+string(l.etl)+`#1" -> (known after apply)`)
	if now := l.attribute("nhi_grant.etl", "expires_at"); now == end {
		t.Error("the end was not moved")
	}
	if roles := l.roles(); len(roles) != 1 {
		t.Errorf("roles: %v", roles)
	}
	// After the end of it all, another term brings it back.
	l.advance(721 * time.Hour)
	l.follow("expired", "revoked")
	l.edit("renewal = 1", "renewal = 2")
	wants(t, l.Apply(t), 0, "active = false", "This is term 3")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.follow("approved", "active")
}

// TestRenewalOfACertificate: the new term is a new certificate, and the old one
// is refused once the new one stands.
func TestRenewalOfACertificate(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	old := l.certificates()[0]
	if !l.sshWorks(old) {
		t.Fatal("the first certificate does not work")
	}
	l.edit(`ttl           = "720h"`, "ttl           = \"720h\"\n  renewal = 1")
	wants(t, l.Apply(t), 0, "active = true")
	if !l.sshWorks(old) {
		t.Error("asking for another term ended the one in force")
	}
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	l.follow("approved", "active")
	all := l.certificates()
	if l.sshWorks(old) || !l.sshWorks(all[len(all)-1]) {
		t.Error("the certificate of the old term works, or that of the new one does not")
	}
}

// TestRenewBefore: within renew_before the plan asks for the next term by
// itself, once, and again for the one after it.
func TestRenewBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+strings.Replace(grantOf("720h", externalAccess), "justification =", "renew_before = \"168h\"\n  justification =", 1))
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	for term := 2; term <= 3; term++ {
		w.advance(550 * time.Hour)
		wants(t, w.Plan(t), 0, "No changes")
		w.advance(10 * time.Hour)
		wants(t, w.Plan(t, "-out=plan"), 2, fmt.Sprintf("This is term %d of the same approval", term), "nhi_approval.etl will be updated")
		wants(t, w.applySaved("plan"), 0, "active = true")
		wants(t, w.Plan(t), 0, "No changes", "Waiting for approval")
		w.decide(nhi.VerdictApprove, w.etl, ana, ben)
		w.follow("approved", "active")
	}
	// Nobody approves in time: the old term ends as it would have.
	w.advance(721 * time.Hour)
	w.arrow("expired", "revoked", "This is term 4 of the same approval")
	wants(t, w.applySaved("arrow.plan"), 0, "active = false")
}

// TestTermsSurviveStateLoss: the term in force is adopted, whatever its number.
func TestTermsSurviveStateLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+strings.Replace(grantOf("720h", externalAccess), "justification =", "renew_before = \"168h\"\n  justification =", 1))
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0)
	w.advance(600 * time.Hour)
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	uses := w.used()
	w.remove("terraform.tfstate")
	for range 3 {
		wants(t, w.Apply(t), 0)
	}
	wants(t, w.Plan(t), 0, "No changes")
	if w.used() != uses || w.attribute("nhi_grant.etl", "status") != "active" {
		t.Errorf("uses %d and %d, status %v", uses, w.used(), w.attribute("nhi_grant.etl", "status"))
	}
}

// TestReusable: an approval with reusable_until serves each new value of the
// trigger, until then; each activation is on the record.
func TestReusable(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.signPolicy(strings.Replace(l.read("policy.hcl"), "version         = 1", "version = 1\nreuse_within = \"2160h\"", 1))
	until := nhi.FormatTime(l.now().Add(30 * 24 * time.Hour))
	config := strings.Replace(grantOf("1h", l.dbAccess()), "justification =", fmt.Sprintf("reusable_until = %q\n  justification =", until), 1)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+`variable "run" { default = null }`+
		strings.Replace(config, "ticket = nhi_approval.etl.ticket", "ticket  = nhi_approval.etl.ticket\n  trigger = var.run", 1))
	run := func(n int) string { return fmt.Sprintf("-var=run=run-%d", n) }
	wants(t, l.Apply(t, run(0)), 0, "each new value of the grant's trigger activates it")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	for n := 1; n <= 3; n++ {
		wants(t, l.Plan(t, run(n), "-out=plan"), 2, fmt.Sprintf(`-> "run-%d"`, n), `-> (known after apply)`, "nhi_grant.etl will be updated")
		wants(t, l.applySaved("plan"), 0, "active = true")
		wants(t, l.Plan(t, run(n)), 0, "No changes")
		if n != 2 {
			l.advance(2 * time.Hour)
			wants(t, l.Apply(t, run(n)), 0, "active = false")
			wants(t, l.Plan(t, run(n)), 0, "No changes", "set a new value of trigger")
		}
		if l.used() != n {
			t.Fatalf("%d activations on record after run %d", l.used(), n)
		}
	}
	// A value that was used gives nothing, whatever the state says of it.
	check := l.untouchedRoles()
	wants(t, l.Apply(t, run(1)), 1, "already used")
	check("a used trigger")
	// The last term ends where the reuse does, however short that makes it.
	l.advance(30*24*time.Hour - 4*time.Hour - 30*time.Minute)
	wants(t, l.Apply(t, run(4)), 0, "active = true")
	if end := l.attribute("nhi_grant.etl", "expires_at"); end != until {
		t.Errorf("the last term ends %v, and the reuse %s", end, until)
	}
	l.advance(31 * 24 * time.Hour)
	wants(t, l.Apply(t, run(4)), 0, "active = false", "was approved for use until "+until+", which has passed")
	if result := l.Apply(t, run(5)); result.Code != 0 || l.used() != 4 {
		t.Errorf("after the end of reuse: %d activations\n%s", l.used(), result.Text())
	}
}

// TestTriggerWithoutReuse: a trigger alone gives nothing, and the plan says so.
func TestTriggerWithoutReuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("1h", externalAccess))
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	w.advance(2 * time.Hour)
	wants(t, w.Apply(t), 0, "active = false")
	w.edit("ticket = nhi_approval.etl.ticket", "ticket = nhi_approval.etl.ticket\n  trigger = \"again\"")
	wants(t, w.Apply(t), 0, "Trigger without effect", "active = false")
}

// TestEarlierEnd: an end that is moved back applies at once; one that has
// passed by then is a revocation, in the plan.
func TestEarlierEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	w.advance(48 * time.Hour)
	w.edit(`"720h"`, `"100h"`)
	planned := w.Plan(t, "-out=plan")
	wants(t, planned, 2, "covered_by")
	refuses(t, planned, "Waiting for approval")
	wants(t, w.applySaved("plan"), 0, "active = true")
	wants(t, w.Plan(t), 0, "No changes")
	w.edit(`"100h"`, `"24h"`)
	wants(t, w.Plan(t, "-out=plan"), 2, `~ status = "active" -> "revoked"`)
	wants(t, w.applySaved("plan"), 0, "active = false")
}
