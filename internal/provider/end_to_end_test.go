package provider_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestEndToEnd does the main job over ssh, postgres and external at once, and
// asks the targets themselves before, during and after.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+l.job())

	wants(t, l.Plan(t), 2, `+ status = "pending"`, "Waiting for approval")
	wants(t, l.Apply(t), 0, "active = false")
	if roles, krl := l.roles(), l.krl(); len(roles) > 0 || krl != "" {
		t.Fatalf("before approval the targets hold %v and a revocation list of %d bytes", roles, len(krl))
	}

	wants(t, l.tool("requests"), 0, string(l.etl))
	wants(t, l.tool("show", string(l.etl)), 0, "Nightly export of orders", "CHG-1234", "role "+l.role(), "production access", rae)
	for _, person := range []string{ana, ben} {
		wants(t, l.tool("approve", string(l.etl), "--key", l.keyFile(person), "--yes"), 0)
	}
	planned := l.Plan(t)
	wants(t, planned, 2, `~ status = "approved" -> "active"`, `+ "role `+l.role()+`"`)
	t.Log(planned.Stdout)
	wants(t, l.Apply(t), 0, "active = true")

	if answer := l.read("answer.txt"); answer != "42\n" {
		t.Fatalf("the job's query answered %q", answer)
	}
	certificate, url := l.read("stolen-cert"), l.read("stolen-url")
	if !l.sshWorks(certificate) {
		t.Fatal("the certificate does not let in while the grant is active")
	}
	if l.postgresWorks(url) {
		t.Error("the job's database credential still works after the run that it was for")
	}
	if len(l.roles()) != 1 {
		t.Fatalf("roles while active: %v", l.roles())
	}
	wants(t, l.Plan(t), 0, "No changes")

	l.advance(721 * time.Hour)
	planned = l.Plan(t)
	wants(t, planned, 2, `~ status = "expired" -> "revoked"`)
	t.Log(planned.Stdout)
	wants(t, l.Apply(t), 0, "active = false")
	if l.sshWorks(certificate) {
		t.Error("the certificate still lets in after revocation")
	}
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("roles after revocation: %v", roles)
	}
	wants(t, l.Plan(t), 0, "No changes", "Access is down")
	wants(t, l.Destroy(t), 0)
	wants(t, l.tool("verify"), 0)
}

// tool runs nhi as a person does, on the world's ledger and policy.
func (w *world) tool(args ...string) testserver.Result {
	w.t.Helper()
	return w.NHI(w.t, append(args, "--ledger", ".nhi", "--policy", "policy.hcl")...)
}
