package cli_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	if out := w.ok("sweep"); !strings.Contains(out, "Nothing is due.") {
		t.Errorf("sweep said %s", out)
	}
	w.ok("sweep", "--revoke")
	w.wantThere(role)

	w.pass(month)
	got := w.fails(cli.ExitDue, "something is due", "sweep")
	if !strings.Contains(got.out, string(w.etl)+": the term ended 2030-02-07T09:00Z, to be revoked") {
		t.Errorf("sweep said %s", got.out)
	}
	w.wantThere(role)
	w.ok("sweep", "--scope", "sales/*")

	victim := w.victim(role)
	w.fails(cli.ExitOpen, "still open", "sweep", "--revoke")
	w.wantGone(role)
	w.wantThere(victim)
	w.server.Exec("DROP ROLE " + victim)
	if out := w.ok("sweep", "--revoke"); !strings.Contains(out, "is gone") {
		t.Errorf("sweep said %s", out)
	}
	if out := w.ok("sweep", "--revoke"); !strings.Contains(out, "Nothing is due.") {
		t.Errorf("sweep said %s", out)
	}
}

func TestTwoSweepsAtOnce(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	w.pass(month + time.Hour)
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() { w.ok("sweep", "--revoke") })
	}
	wait.Wait()
	w.wantGone(role)
	w.ok("verify")
}

func TestSweepAsJSON(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	w.pass(month)
	var told struct {
		Swept []struct {
			Grant, Step, State string
			Targets            []struct{ Principal, State string }
		}
	}
	w.json(&told, "sweep", "--revoke")
	if len(told.Swept) != 1 || told.Swept[0].State != "done" || told.Swept[0].Step != "revoke" || told.Swept[0].Targets[0].Principal != role {
		t.Errorf("sweep told %+v", told)
	}
}
