package provider_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// lost is an active landscape whose ledger is gone for ever, and that has a new
// one. It returns the id of the lost one and the certificates that it issued.
func lost(t *testing.T) (l *landscape, id string, certificates []string) {
	t.Helper()
	l = activeLandscape(t, false)
	l.configured()
	id, certificates = l.ledger, l.certificates()
	must(t, os.RemoveAll(filepath.Join(l.Dir, ".nhi")))
	l.found()
	l.policy(1, l.policySystems(), twoOfSecurity)
	return l, id, certificates
}

// standing checks whether everything of the lost ledger still works, or that
// nothing does.
func (l *landscape) standing(id string, certificates []string, want bool) {
	l.t.Helper()
	if roles := l.rolesOf(id); (len(roles) == 1) != want {
		l.t.Errorf("roles of the lost ledger: %v", roles)
	}
	if (l.entity() != "") != want {
		l.t.Errorf("the entity is %q", l.entity())
	}
	for _, certificate := range certificates {
		if l.sshWorks(certificate) != want {
			l.t.Errorf("the certificate lets in: %t", !want)
		}
	}
}

// TestRebuild: a ledger is lost for ever. Terraform states, or marks alone, are
// enough to find what it left and to revoke it; nothing is granted on the way.
func TestRebuild(t *testing.T) {
	t.Parallel()
	t.Run("from the state", func(t *testing.T) {
		t.Parallel()
		l, id, certificates := lost(t)
		wants(t, l.NHI(t, "rebuild", "--state", "terraform.tfstate"), 0, string(l.etl), "1 grant, 4 accounts", "nothing was removed yet")
		l.standing(id, certificates, true)
		wants(t, l.NHI(t, "rebuild", "--state", "terraform.tfstate"), 0, "1 grant, 4 accounts") // written once
		wants(t, l.NHI(t, "verify"), 0)
		wants(t, l.NHI(t, "sweep"), 4, string(l.etl), "to be revoked")
		wants(t, l.NHI(t, "rebuild", "--state", "terraform.tfstate", "--revoke"), 2, "say --yes")
		l.standing(id, certificates, true)
		wants(t, l.NHI(t, "rebuild", "--state", "terraform.tfstate", "--revoke", "--yes"), 0, "is gone")
		l.standing(id, certificates, false)
		l.nothingInVault()
		wants(t, l.NHI(t, "verify"), 0)
		wants(t, l.NHI(t, "sweep"), 0, "Nothing is due")
		// The old state and the new ledger give nothing.
		check := l.untouched()
		wants(t, l.Plan(t), 2, `"ended" -> "revoked"`)
		wants(t, l.Apply(t), 0, "active = false")
		wants(t, l.Apply(t), 0, "active = false")
		check("an apply with the old state")
		// What is needed is asked for and approved anew.
		wants(t, l.Destroy(t), 0)
		wants(t, l.Apply(t), 0, "active = false")
		check("an apply without a state")
		l.decide(nhi.VerdictApprove, l.etl, ana, ben)
		wants(t, l.Apply(t), 0, "active = true")
		if roles := l.roles(); len(roles) != 1 {
			t.Errorf("roles of the new ledger: %v", roles)
		}
		wants(t, l.Destroy(t), 0)
		l.allGone()
	})
	t.Run("from marks alone", func(t *testing.T) {
		t.Parallel()
		l, id, _ := lost(t)
		l.remove("terraform.tfstate")
		check := l.victims()
		wants(t, l.NHI(t, "rebuild"), 2, "--lost", id)
		wants(t, l.NHI(t, "rebuild", "--lost", id), 0, "1 grant, 2 accounts", "victim", "is not touched", "on which no mark can be seen")
		wants(t, l.NHI(t, "rebuild", "--lost", id, "--revoke", "--yes"), 5, "is gone", "is open", "victim")
		check()
		l.nothingInVault()
		if roles := l.db.Query("SELECT rolname FROM pg_roles WHERE rolname = $1", nhi.Principal(l.etl, "db")); len(roles) > 0 {
			t.Errorf("left over: %v", roles)
		}
		wants(t, l.Apply(t), 0, "active = false") // without a state and without an approval
	})
	t.Run("Terraform revokes", func(t *testing.T) {
		t.Parallel()
		l, id, certificates := lost(t)
		wants(t, l.NHI(t, "rebuild", "--state", "terraform.tfstate"), 0)
		wants(t, l.Plan(t), 2, `"ended" -> "revoked"`, "its ledger was lost")
		wants(t, l.Apply(t), 0, "active = false")
		l.standing(id, certificates, false)
		l.nothingInVault()
		wants(t, l.NHI(t, "sweep"), 0, "Nothing is due")
		wants(t, l.Destroy(t), 0)
	})
	t.Run("without rebuild", func(t *testing.T) {
		t.Parallel()
		l, id, certificates := lost(t)
		check := l.untouched()
		wants(t, l.Apply(t), 0)
		check("an apply with the old state")
		l.standing(id, certificates, true)
		wants(t, l.Destroy(t), 0)
		l.standing(id, certificates, false)
		l.nothingInVault()
	})
}
