package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestWithdrawBeforeActivation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := w.approved(w.request(etl))
	w.pass(time.Minute)
	out := w.ok("withdraw", string(etl), "--yes", "--key", w.key("ana"))
	if !strings.Contains(out, "taken back by ana@example.com, in the ledger as entry 4: 1 more of group approvers must approve") {
		t.Errorf("withdraw said %s", out)
	}
	if status := w.standing(text).Status; status != policy.StatusWithdrawn {
		t.Errorf("it is %s", status)
	}
	if out := w.ok("show", string(etl)); !strings.Contains(out, "ana@example.com approved, and took it back") {
		t.Errorf("show said %s", out)
	}
	w.fails(cli.ExitWrong, "no decision of ana@example.com on this request to take back", "withdraw", string(etl), "--yes", "--key", w.key("ana"))
	// A new yes counts again.
	w.pass(time.Minute)
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	if !w.standing(text).Approved() {
		t.Error("it is not approved again")
	}
	w.ok("verify")
}

func TestWithdrawADenial(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ok("deny", string(etl), "--yes", "--key", w.key("cyd"))
	w.pass(time.Minute)
	w.ok("withdraw", string(etl), "--yes", "--key", w.key("cyd"))
	if status := w.standing(w.text(etl)).Status; status != policy.StatusPending {
		t.Errorf("it is %s", status)
	}
}

func TestWithdrawSaysWhatStaysActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.activate(w.approved(w.request(etl)))
	w.pass(time.Minute)
	var told struct {
		Decisions []struct {
			ActiveUntil time.Time `json:"active_until"`
		}
	}
	w.json(&told, "withdraw", string(etl), "--yes", "--key", w.key("ana"))
	if told.Decisions[0].ActiveUntil.IsZero() {
		t.Errorf("withdraw told %+v", told)
	}
	out := w.ok("withdraw", string(etl), "--yes", "--key", w.key("ben"))
	if !strings.Contains(out, "what is active stays active until 2030-02-07T09:00:00Z (`nhi revoke` ends it)") {
		t.Errorf("withdraw said %s", out)
	}
}

// Another request was made since: what was decided on the older one is taken
// back all the same, because it may be asked for again.
func TestWithdrawReachesOlderRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older := w.approved(w.request(etl))
	w.pass(time.Minute)
	newer := w.ask(w.request(etl, "orders_ro", "orders_rw"), "eve")
	w.ok("withdraw", string(etl), "--yes", "--key", w.key("ana"))
	if status := w.standing(older).Status; status != policy.StatusWithdrawn {
		t.Errorf("the older is %s", status)
	}
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	w.pass(time.Minute)
	w.ok("withdraw", string(etl), "--yes", "--key", w.key("ben")) // both of ben's
	for _, text := range []string{older, newer} {
		if by := w.standing(text).Verdict.ApprovedBy; len(by) != 0 {
			t.Errorf("approved by %v", by)
		}
	}
	w.ok("verify")
}

func TestWithdrawWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	for words, args := range map[string][]string{
		"no decision of ben@example.com on this request": {"withdraw", string(etl), "--key", w.key("ben")},
		"belongs to nobody in the policy":                {"withdraw", string(etl), "--key", w.key("mal")},
	} {
		w.fails(cli.ExitWrong, words, append(args, "--yes")...)
	}
	if w.entries(etl) != 2 {
		t.Error("something was recorded")
	}
}

func TestWithdrawIsConfirmedInItsOwnWords(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	person := &typist{answer: "no"}
	got := w.runAt(person, "withdraw", string(etl), "--key", w.key("ana"))
	if got.code != cli.ExitWrong || !strings.HasPrefix(person.prompts[0], "Withdraw your decision on this request?") {
		t.Errorf("exit %d after %q", got.code, person.prompts)
	}
}

func TestWithdrawWithAnySigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := w.approved(w.request(etl))
	w.pass(time.Minute)
	work := w.path("work")
	w.ok("withdraw", "--prepare", work, string(etl))
	keygen(t, "", "-Y", "sign", "-n", "nhi-decision@v1", "-f", w.key("ana"), work+"/list")
	w.ok("withdraw", "--finish", work)
	w.ok("withdraw", "--finish", work) // once more says where it is already
	if status := w.standing(text).Status; status != policy.StatusWithdrawn || w.entries(etl) != 4 {
		t.Errorf("it is %s after %d entries", status, w.entries(etl))
	}
	w.ok("verify")
}
