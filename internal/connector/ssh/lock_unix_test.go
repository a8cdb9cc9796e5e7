//go:build unix

package ssh_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestLockHonoursItsContext: somebody else holds the lock for longer than we
// may wait, and nothing is written meanwhile.
func TestLockHonoursItsContext(t *testing.T) {
	t.Parallel()
	w := paper(t)
	c := open(t, ssh.Kind(), w.unprobed("krl"))
	account := activate(t, c, w.account(t, time.Hour, w.access()))
	lock, err := os.OpenFile(w.server.KRLFile+".lock", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	before := w.fingerprint(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	outcome := one(t, c.Revoke(ctx, []connector.Account{account}))
	if !errors.Is(outcome.Err, nhi.ErrUnreachable) || w.fingerprint(t) != before {
		t.Errorf("revoke behind a lock: %+v", outcome)
	}
}
