package cli_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestTwoPeopleApprove(t *testing.T) {
	t.Parallel()
	w := asked(t)
	out := w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	if !strings.Contains(out, "approved by ana@example.com, in the ledger as entry 2: 1 more of group approvers must approve") {
		t.Errorf("approve said %s", out)
	}
	if status := w.standing(w.text(etl)).Status; status != policy.StatusPending {
		t.Errorf("after one it is %s", status)
	}
	w.pass(time.Hour)
	out = w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	if !strings.Contains(out, "the next plan shows approved -> active") {
		t.Errorf("approve said %s", out)
	}
	standing := w.standing(w.text(etl))
	if !standing.Approved() || !standing.Verdict.ActivateBefore.Equal(w.now().Add(-time.Hour).Add(168*time.Hour)) {
		t.Errorf("after two it is %s until %s", standing.Status, standing.Verdict.ActivateBefore)
	}
	w.ok("verify")
}

func TestADecisionIsWhatItsSignerSaw(t *testing.T) {
	t.Parallel()
	w := asked(t)
	head := w.chain(ledger.ApprovalChain(etl)).Head()
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	body, ok := w.chain(ledger.ApprovalChain(etl)).Entries[1].Body.(ledger.DecisionBody)
	if !ok {
		t.Fatal("entry 2 is no decision")
	}
	decision, err := nhi.ParseDecision(body.Text)
	must(t, err)
	if decision.Head != head || decision.Justification != "CHG-1234" || decision.Requester != "eve@example.com" ||
		decision.PolicyVersion != 1 || !decision.SignedAt.Equal(w.now()) || decision.Request != w.text(etl) {
		t.Errorf("the decision is %+v", decision)
	}
}

func TestDecisionsThatCannotCountAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ask(w.request(etl), "ana")
	w.ask(w.request(approval(1)), "eve")
	for words, args := range map[string][]string{
		"ana@example.com asked for this access":                 {"approve", string(etl), "--key", w.key("ana")},
		"eve@example.com said no, and is in no group":           {"deny", string(approval(1)), "--key", w.key("eve")},
		"eve@example.com asked for this access and approved it": {"approve", string(approval(1)), "--key", w.key("eve")},
		"belongs to nobody in the policy":                       {"approve", string(approval(1)), "--key", w.key("mal")},
		"nothing was recorded":                                  {"approve", string(etl), string(approval(1)), "--key", w.key("ana")},
	} {
		w.fails(cli.ExitWrong, words, append(args, "--yes")...)
	}
	if w.entries(etl) != 1 || w.entries(approval(1)) != 1 {
		t.Error("something was recorded all the same")
	}
}

func TestPointlessDecisionsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := w.request(etl)
	long.TTL = 2000 * time.Hour
	w.ask(long, "eve")
	w.fails(cli.ExitWrong, "the policy denies it, whoever signs", "approve", string(etl), "--yes", "--key", w.key("ana"))

	w.activate(w.approved(w.request(approval(1))))
	w.fails(cli.ExitWrong, "its approval was used", "approve", string(approval(1)), "--yes", "--key", w.key("cyd"))
}

func TestDenyHolds(t *testing.T) {
	t.Parallel()
	w := asked(t)
	var told struct {
		Verdict, Person string
		Decisions       []struct {
			Approval, Status string
			Entry            int
		}
	}
	w.json(&told, "deny", string(etl), "--yes", "--key", w.key("cyd"))
	if told.Verdict != "deny" || told.Person != "cyd@example.com" || told.Decisions[0].Status != "denied" || told.Decisions[0].Entry != 2 {
		t.Errorf("deny told %+v", told)
	}
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	if status := w.standing(w.text(etl)).Status; status != policy.StatusDenied {
		t.Errorf("it is %s", status)
	}
	// The one who said no may change their mind.
	w.pass(time.Minute)
	w.ok("approve", string(etl), "--yes", "--key", w.key("cyd"))
	if status := w.standing(w.text(etl)).Status; status != policy.StatusApproved {
		t.Errorf("it is %s", status)
	}
}

func TestConfirmation(t *testing.T) {
	t.Parallel()
	w := asked(t)
	args := []string{"approve", string(etl), "--key", w.key("ana")}
	w.fails(cli.ExitUsage, "say --yes", args...)
	for _, answer := range []string{"", "no", "y", "yes please"} {
		w.failed(w.runAt(&typist{answer: answer}, args...), cli.ExitWrong, "nothing was signed", args...)
	}
	if w.entries(etl) != 1 {
		t.Fatal("something was recorded")
	}
	person := &typist{answer: "yes"}
	got := w.runAt(person, args...)
	if got.code != cli.ExitOK || len(person.prompts) != 1 || !strings.Contains(person.prompts[0], "Approve this request?") {
		t.Errorf("exit %d after %q: %s", got.code, person.prompts, got.err)
	}
	if !strings.Contains(got.out, "+ role orders_ro on orders (db.internal:5432/orders)") {
		t.Errorf("it was not shown before: %s", got.out)
	}
}

func TestSomebodyElseDecidesMeanwhile(t *testing.T) {
	t.Parallel()
	w := asked(t)
	ana := &typist{answer: "yes", before: func() { w.ok("approve", string(etl), "--yes", "--key", w.key("ben")) }}
	got := w.runAt(ana, "approve", string(etl), "--key", w.key("ana"))
	if got.code != cli.ExitOK || !strings.Contains(got.out, "as entry 3") {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if !w.standing(w.text(etl)).Approved() {
		t.Error("two approved, and it is not approved")
	}
	w.ok("verify")
}

func TestManyDecideAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for i := range 5 {
		w.ask(w.request(approval(i)), "eve")
		ids = append(ids, string(approval(i)))
	}
	var group sync.WaitGroup
	for _, name := range []string{"ana", "ben", "cyd"} {
		group.Go(func() { w.ok(append([]string{"approve", "--yes", "--key", w.key(name)}, ids...)...) })
	}
	group.Wait()
	for i := range 5 {
		if standing := w.standing(w.text(approval(i))); len(standing.Verdict.ApprovedBy) != 3 {
			t.Errorf("%s is approved by %v", approval(i), standing.Verdict.ApprovedBy)
		}
	}
}

func TestOneSignatureOverTwoHundred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	engine, request := w.engine(), w.request(etl)
	book, err := engine.Book()
	must(t, err)
	const many = 200
	args := []string{"approve", "--yes", "--key", w.key("ana")}
	for i := range many {
		request.Approval = approval(i)
		text, err := request.Text()
		must(t, err)
		must(t, engine.RecordRequest(t.Context(), text, "CHG-1234", lifecycle.Signed{}))
		must(t, engine.RecordIdentity(t.Context(), nhi.Identity{ID: approval(i).Identity(), Owner: "ana@example.com",
			Purpose: "Nightly export of orders", Kind: nhi.KindService, Status: nhi.IdentityActive}))
		args = append(args, string(approval(i)))
	}
	started := time.Now()
	out := w.ok(append(args, string(approval(0)))...) // one of them twice
	t.Logf("one signature over %d took %s", many, time.Since(started))
	if !strings.Contains(out, "job-199:default  role orders_ro on orders for 720h, asked by unproven") {
		t.Error("they were not listed before")
	}
	signatures := map[string]int{}
	for i := range many {
		chain, err := book.Read(t.Context(), ledger.ApprovalChain(approval(i)))
		must(t, err)
		body, ok := chain.Entries[1].Body.(ledger.DecisionBody)
		if !ok || !body.Listed(approval(i)) {
			t.Fatalf("%s has no decision", approval(i))
		}
		signatures[body.Signature]++
	}
	if len(signatures) != 1 {
		t.Errorf("there are %d signatures", len(signatures))
	}
	w.ok("verify")
}

func TestTheKeyOfTheConfigurationIsUsed(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.fails(cli.ExitUsage, "no key to sign with", "approve", string(etl), "--yes")
	w.write(w.path("nhi.hcl"), w.read(w.path("nhi.hcl"))+fmt.Sprintf("\nrequester = { ssh_key_file = %q }\n", w.key("ana")))
	w.ok("approve", string(etl), "--yes")
	must(t, os.MkdirAll(w.key(".ssh"), 0o700))
	w.write(w.path("nhi.hcl"), strings.ReplaceAll(w.read(w.path("nhi.hcl")), "requester =", "# requester ="))
	w.write(w.key(".ssh/id_ed25519"), w.read(w.key("ben")))
	w.ok("approve", string(etl), "--yes")
	if !w.standing(w.text(etl)).Approved() {
		t.Error("it is not approved")
	}
}

func TestAgentAndPassphrase(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.makeKey("ana", "correct horse")
	args := []string{"approve", string(etl), "--yes", "--key", w.key("ana")}
	w.fails(cli.ExitUsage, "it is encrypted", args...)
	w.failed(w.runAt(&typist{secret: "wrong"}, args...), cli.ExitUsage, "wrong passphrase", args...)
	if got := w.runAt(&typist{secret: "correct horse"}, args...); got.code != cli.ExitOK {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	w.fails(cli.ExitUsage, "no such file", "approve", string(etl), "--yes", "--key", w.key("nobody"))
}
