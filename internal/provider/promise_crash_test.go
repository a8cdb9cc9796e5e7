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
// with and without its state file; the next applies adopt what is there, with
// no duplicate, no orphan and no second approval.
func TestPromise06CrashProof(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(map[bool]string{false: "state kept", true: "state lost"}[lost], func(t *testing.T) {
			t.Parallel()
			l := approvedLandscape(t, true)
			l.killMidway()
			if lost {
				must(t, os.Remove(filepath.Join(l.Dir, "terraform.tfstate")))
				_ = os.Remove(filepath.Join(l.Dir, ".terraform.tfstate.lock.info"))
				wants(t, l.Apply(t, "-lock=false"), 0)
			}
			wants(t, l.Apply(t, "-lock=false"), 0, "active = true")
			if roles := l.roles(); len(roles) != 1 || roles[0] != nhi.Principal(l.etl, "db") {
				t.Errorf("roles: %v", roles)
			}
			if l.used() != 1 {
				t.Errorf("%d activations recorded", l.used())
			}
			wants(t, l.Plan(t, "-lock=false"), 0, "No changes")
			wants(t, l.Destroy(t, "-lock=false"), 0)
			if roles := l.roles(); len(roles) > 0 {
				t.Errorf("orphans: %v", roles)
			}
		})
	}
}

// killMidway starts an apply, holds PostgreSQL so that the effect cannot end,
// and kills Terraform and the provider once the intent is in the ledger.
func (l *landscape) killMidway() {
	l.t.Helper()
	ctx := context.Background()
	holder, err := pgx.Connect(ctx, l.db.URL(""))
	must(l.t, err)
	defer func() { _ = holder.Close(ctx) }()
	_, err = holder.Exec(ctx, "BEGIN; LOCK TABLE pg_authid IN SHARE MODE")
	must(l.t, err)
	command := l.Command(ctx, "apply", "-no-color", "-input=false", "-auto-approve")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	must(l.t, command.Start())
	testserver.Wait(l.t, time.Minute, "the intent in the ledger", func() bool {
		for _, entry := range l.chain(ledger.GrantChain(l.etl)).Entries {
			if _, ok := entry.Body.(ledger.IntentBody); ok {
				return true
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
