package provider_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestPromise06CrashProof: the run is killed in the middle of an activation,
// before and after the first account was made, with and without its state
// file; the next applies adopt what is there, with no duplicate, no orphan and
// no second approval.
func TestPromise06CrashProof(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		name, table string // what PostgreSQL cannot write to, so that the run stops there
		roles       int
	}{{"nothing made", "pg_authid", 0}, {"made and inert", "pg_auth_members", 1}} {
		for _, lost := range []bool{false, true} {
			t.Run(at.name+map[bool]string{false: ", state kept", true: ", state lost"}[lost], func(t *testing.T) {
				t.Parallel()
				l := approvedLandscape(t, true)
				l.killMidway(at.table, at.roles)
				if lost {
					must(t, os.Remove(filepath.Join(l.Dir, "terraform.tfstate")))
					_ = os.Remove(filepath.Join(l.Dir, ".terraform.tfstate.lock.info"))
					wants(t, l.Apply(t, "-lock=false"), 0)
				}
				wants(t, l.Apply(t, "-lock=false"), 0, "active = true")
				l.adopted()
			})
		}
	}
}

// adopted checks that one activation holds one account, and that nothing is
// left of it once it is destroyed.
func (l *landscape) adopted() {
	l.t.Helper()
	if roles := l.roles(); len(roles) != 1 || roles[0] != nhi.Principal(l.etl, "db") {
		l.t.Errorf("roles: %v", roles)
	}
	if lease := l.attribute("nhi_grant.etl", "lease"); l.used() != 1 || lease != string(l.etl)+"#1" {
		l.t.Errorf("%d activations recorded, and the lease is %v", l.used(), lease)
	}
	wants(l.t, l.Plan(l.t, "-lock=false"), 0, "No changes")
	certificates := l.certificates()
	wants(l.t, l.Destroy(l.t, "-lock=false"), 0)
	if roles := l.roles(); len(roles) > 0 {
		l.t.Errorf("orphans: %v", roles)
	}
	for _, certificate := range certificates {
		if l.sshWorks(certificate) {
			l.t.Error("a certificate outlives the grant")
		}
	}
}

// killMidway starts an apply, holds a table of PostgreSQL so that the effect
// cannot end, and kills Terraform and the provider once the intent is in the
// ledger and so many roles are made.
func (l *landscape) killMidway(table string, roles int) {
	l.t.Helper()
	ctx := context.Background()
	holder, err := pgx.Connect(ctx, l.db.URL(""))
	must(l.t, err)
	defer func() { _ = holder.Close(ctx) }()
	_, err = holder.Exec(ctx, "BEGIN; LOCK TABLE "+table+" IN SHARE MODE")
	must(l.t, err)
	command := l.Command(ctx, "apply", "-no-color", "-input=false", "-auto-approve")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	must(l.t, command.Start())
	testserver.Wait(l.t, time.Minute, "the intent in the ledger", func() bool {
		for _, entry := range l.chain(ledger.GrantChain(l.etl)).Entries {
			if _, ok := entry.Body.(ledger.IntentBody); ok {
				return len(l.roles()) == roles
			}
		}
		return false
	})
	must(l.t, syscall.Kill(-command.Process.Pid, syscall.SIGKILL))
	_ = command.Wait()
}

// TestStateLost: an active grant whose state is gone is adopted: no new
// approval, no gap in access, the end where it was.
func TestStateLost(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	before := l.db.Query("SELECT oid FROM pg_roles WHERE rolname = $1", nhi.Principal(l.etl, "db"))
	certificate := l.certificates()[0]
	l.remove("terraform.tfstate")
	_ = os.Remove(filepath.Join(l.Dir, "terraform.tfstate.backup"))
	wants(t, l.Apply(t), 0, "active = false")
	if !l.sshWorks(certificate) {
		t.Error("a gap in access")
	}
	wants(t, l.Plan(t), 2, `"approved" -> "active"`, "adopted as it is")
	wants(t, l.Apply(t), 0, "active = true")
	after := l.db.Query("SELECT oid FROM pg_roles WHERE rolname = $1", nhi.Principal(l.etl, "db"))
	if len(before) != 1 || len(after) != 1 || before[0][0] != after[0][0] || !l.sshWorks(certificate) || l.used() != 1 {
		t.Errorf("before %v, after %v, %d activations", before, after, l.used())
	}
}
