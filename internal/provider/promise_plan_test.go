package provider_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestPromise03PlannedIsApplied: apply never does more than the plan showed,
// and the status is known in every plan.
func TestPromise03PlannedIsApplied(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
	check := l.untouched()
	wants(t, l.Plan(t, "-target=nhi_approval.etl", "-out=request"), 2)
	wants(t, l.applySaved("request"), 0)
	// Planned while nobody had approved; applied after everybody has.
	wants(t, l.Plan(t, "-out=plan"), 2, `+ status = "pending"`)
	l.knowsItsStatus("plan")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	wants(t, l.applySaved("plan"), 0, "active = false")
	check("planned as pending")
	l.saved("plan")
	l.knowsItsStatus("plan")
	wants(t, l.applySaved("plan"), 0, "active = true")
	l.advance(721 * time.Hour)
	wants(t, l.Plan(t, "-out=plan"), 2, `"expired" -> "revoked"`)
	l.knowsItsStatus("plan")
}

// knowsItsStatus checks a saved plan's JSON: what the contract says is known
// at plan is known.
func (w *world) knowsItsStatus(plan string) {
	w.t.Helper()
	changes, _ := w.Show(w.t, plan)["resource_changes"].([]any)
	seen := false
	for _, change := range changes {
		resource, _ := change.(map[string]any)
		if resource["type"] != "nhi_grant" {
			continue
		}
		seen = true
		unknown, _ := resource["change"].(map[string]any)["after_unknown"].(map[string]any)
		for _, name := range []string{"id", "status", "active", "active_request"} {
			if unknown[name] == true {
				w.t.Errorf("%s is not known at plan", name)
			}
		}
		targets, _ := unknown["targets"].(map[string]any)
		for key, target := range targets {
			for _, name := range []string{"principal", "privileges", "status"} {
				if target.(map[string]any)[name] == true {
					w.t.Errorf("targets.%s.%s is not known at plan", key, name)
				}
			}
		}
	}
	if !seen {
		w.t.Error("the plan has no change of nhi_grant")
	}
}

// TestPromise04PendingIsNoFailure: apply records the request, grants nothing,
// warns and succeeds; with on_pending = "error" it fails, after it was
// recorded and before state is written.
func TestPromise04PendingIsNoFailure(t *testing.T) {
	t.Parallel()
	t.Run("wait", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access()))
		check := l.untouched()
		wants(t, l.Apply(t), 0, "Waiting for approval", "active = false")
		check("pending")
		wants(t, l.Plan(t), 0, "No changes")
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Plan(t), 2, `"approved" -> "active"`)
	})
	t.Run("error", func(t *testing.T) {
		t.Parallel()
		l := newLandscape(t, false)
		l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+
			strings.Replace(grantOf("720h", l.access()), "justification =", "on_pending = \"error\"\n  justification =", 1))
		check := l.untouched()
		wants(t, l.Plan(t), 2, `+ status = "active"`)
		wants(t, l.Apply(t), 1, "Not approved")
		check("not approved")
		if state := l.Run(t, "state", "list").Stdout; strings.Contains(state, "nhi_approval") || strings.Contains(state, "nhi_grant") {
			t.Errorf("state was written: %s", state)
		}
		if n := len(l.chain(ledger.ApprovalChain(l.etl)).Entries); n != 1 {
			t.Errorf("%d entries on the approval's chain, want the one request", n)
		}
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 0, "active = true")
	})
}

// TestPromise08ExpiryIsPlanned: the plan shows expired -> revoked with exit
// code 2, apply revokes everywhere, and a grant ends at the earliest of its
// ends.
func TestPromise08ExpiryIsPlanned(t *testing.T) {
	t.Parallel()
	t.Run("term", func(t *testing.T) {
		t.Parallel()
		l := activeLandscape(t, false)
		end := l.attribute("nhi_grant.etl", "expires_at")
		if own := certificateEnd(t, l.certificates()[0]); own != end {
			t.Errorf("the certificate ends %s by itself, and the grant %v", own, end)
		}
		l.advance(719 * time.Hour)
		wants(t, l.Plan(t), 0, "No changes")
		l.advance(time.Hour)
		wants(t, l.Plan(t), 2, `"expired" -> "revoked"`, `enforced_by = "target" -> null`, `enforced_by = "apply" -> null`)
		wants(t, l.Apply(t), 0, "active = false")
		if roles := l.roles(); len(roles) > 0 || l.krl() == "" {
			t.Errorf("after expiry: roles %v", roles)
		}
		wants(t, l.Plan(t), 0, "No changes", "Access is down")
	})
	t.Run("identity", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		l.Write(t, "main.tf", strings.Replace(l.read("main.tf"), `"2160h"`, `"100h"`, 1))
		wants(t, l.Apply(t), 0, "active = true")
		if end, own := l.attribute("nhi_grant.etl", "expires_at"), l.attribute("nhi_identity.etl", "expires_at"); end != own {
			t.Errorf("the grant ends %v, and its identity %v", end, own)
		}
		l.advance(101 * time.Hour)
		wants(t, l.Plan(t), 2, `~ status = "ended" -> "revoked"`, `~ identity_status = "active" -> "expired"`)
		wants(t, l.Apply(t), 0, "active = false")
		if roles := l.roles(); len(roles) > 0 {
			t.Errorf("after the identity ended: roles %v", roles)
		}
	})
}

// certificateEnd is the end date in an SSH certificate, written as ours are.
func certificateEnd(t testing.TB, text string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	must(t, err)
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		t.Fatalf("%.40s… is no certificate", text)
	}
	return nhi.FormatTime(time.Unix(int64(certificate.ValidBefore), 0))
}

// attribute returns an attribute of a resource in the state.
func (w *world) attribute(address, name string) any {
	w.t.Helper()
	values, _ := w.Show(w.t, "")["values"].(map[string]any)
	module, _ := values["root_module"].(map[string]any)
	resources, _ := module["resources"].([]any)
	for _, each := range resources {
		if resource, _ := each.(map[string]any); resource["address"] == address {
			return resource["values"].(map[string]any)[name]
		}
	}
	w.t.Fatalf("%s is not in the state", address)
	return nil
}

// TestPromise14PlanChangesNothing: plan and refresh change nothing in any
// system, and read_only forbids the one exception.
func TestPromise14PlanChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+l.job())
	look := func(what string) {
		t.Helper()
		check, entries := l.untouched(), len(l.chain(ledger.GrantChain(l.etl)).Entries)
		if result := l.Plan(t); result.Code == 1 {
			t.Fatalf("%s: %s", what, result.Text())
		}
		if entries > 0 {
			wants(t, l.Run(t, "apply", "-refresh-only", "-auto-approve", "-no-color"), 0)
		}
		check(what)
		if now := len(l.chain(ledger.GrantChain(l.etl)).Entries); now != entries {
			t.Fatalf("%s: %d entries were %d", what, now, entries)
		}
	}
	look("nothing yet")
	wants(t, l.Apply(t), 0)
	look("pending")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	look("approved")
	wants(t, l.Apply(t), 0, "active = true")
	l.Env = append(l.Env, "NHI_READ_ONLY=1")
	look("active, read only")
	wants(t, l.Plan(t), 0, "forbidden by read_only")
	l.advance(721 * time.Hour)
	look("expired")
}
