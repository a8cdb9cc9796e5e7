package cli_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

type logged struct {
	Entries []struct {
		Chain, Type, Subject, By, Says string
		Entry                          int
		Signed                         bool
		Time                           time.Time
		Hash                           nhi.Digest
	}
	Faults []struct {
		Chain, Reason string
		Entry         int
	}
}

func (w *world) logged(args ...string) logged {
	w.t.Helper()
	var told logged
	w.json(&told, append([]string{"log"}, args...)...)
	return told
}

// lived is a world in which much has happened to one approval.
func lived(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.pass(time.Minute)
	text := w.ask(w.wide(etl), "eve")
	for _, name := range []string{"ana", "ben"} {
		w.pass(time.Minute)
		w.ok("approve", string(etl), "--yes", "--key", w.key(name))
	}
	w.pass(time.Minute)
	w.activate(text)
	w.pass(time.Minute)
	grant := ledger.GrantChain(etl)
	w.add(grant, ledger.EffectBody{Epoch: 1, Step: "enable", Targets: map[string]ledger.Target{"db": {}, "box": {}}})
	w.add(grant, ledger.VerificationBody{Epoch: 1, Targets: map[string]ledger.Verified{
		"db": {State: "active", Verified: true}, "box": {State: "absent", Verified: true}, "aws": {State: "unknown", Open: "\x1b[2Jtime-out"}}})
	w.add(grant, ledger.HolderBody{Holder: "nhi_grant.etl", Activation: 1})
	w.add(grant, ledger.BlockBody{By: "cyd@example.com", Reason: "leaked"})
	w.add(grant, ledger.LiftBody{By: "ana@example.com", Reason: "rotated"})
	w.add(grant, ledger.IntentBody{Verb: ledger.VerbRevoke, Activation: 1, Request: nhi.DigestOf(text), Reason: "expired", Trigger: "7"})
	w.add(ledger.ApprovalChain(etl), ledger.ObservationBody{Request: nhi.DigestOf(text), Targets: map[string]ledger.Observed{
		"db": {Principal: "svc_orders", Privileges: []string{"role orders_ro"}}}})
	w.add(ledger.ApprovalChain(etl), ledger.WithdrawalBody{Request: nhi.DigestOf(text)})
	return w
}

func TestLogTellsWhatHappened(t *testing.T) {
	t.Parallel()
	w := lived(t)
	golden(t, "log", w.ok("log"))
	w.ok("verify")
}

func TestLogFilters(t *testing.T) {
	t.Parallel()
	w := lived(t)
	w.ask(w.request(approval(1)), "")
	all := len(w.logged().Entries)
	for args, want := range map[string]int{
		string(etl):                 13,
		"--approval " + string(etl): 13,
		string(etl.Identity()):      14,
		"--identity " + string(etl.Identity()) + " " + string(approval(1)): 15,
		"policy root":                         2,
		"--select identity=job-*":             2,
		"--select system=bastion":             13,
		"--select owner=ana@*":                all - 2,
		"--select scope=other/**":             0,
		"--type decision":                     2,
		"--type decision@1,block":             3,
		"--type nonsense":                     0,
		"--limit 3":                           3,
		"--since 2030-01-08T09:02:00Z":        all - 4,
		"--since 1m --type decision":          0,
		"--since 2m30s --type decision":       1,
		"--until 2030-01-08T09:02:00Z":        4,
		"--since 2030-01-09":                  0,
		string(approval(9)):                   0,
		string(etl) + " --type use --limit 1": 1,
	} {
		if got := w.logged(strings.Fields(args)...); len(got.Entries) != want || len(got.Faults) != 0 {
			t.Errorf("log %s tells %d entries, want %d: %+v", args, len(got.Entries), want, got)
		}
	}
	last := w.logged("--limit", "1", "--type", "decision").Entries[0]
	if last.By != "ben@example.com" || !last.Signed || last.Entry != 3 || last.Subject != string(etl) || last.Hash == "" {
		t.Errorf("the last decision is %+v", last)
	}
	for words, args := range map[string][]string{
		"is no time":                   {"--since", "yesterday"},
		"is less than none":            {"--limit", "-1"},
		"is not ENVIRONMENT":           {"nonsense"},
		"is none of":                   {"--select", "status=pending"},
		"holds the character":          {"--select", "owner=a\x1b"},
		"is not IDENTITY:NAME":         {"--approval", "x:y:z"},
		`approval "x:y": identity "x"`: {"x:y"},
	} {
		if got := w.run(append([]string{"log"}, args...)...); got.code != cli.ExitUsage {
			t.Errorf("log %q (%s): exit %d: %s", args, words, got.code, got.err)
		}
	}
}

func TestLogNamesWhoeverHasLeft(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.add(ledger.ApprovalChain(etl), ledger.DecisionBody{SignedDecision: w.signedBy("mal", w.text(etl), w.chain(ledger.ApprovalChain(etl)).Head())})
	forged := w.signedBy("ana", w.text(etl), w.chain(ledger.ApprovalChain(etl)).Head())
	forged.List = nhi.ListLine("another text", etl)
	w.add(ledger.ApprovalChain(etl), ledger.DecisionBody{SignedDecision: forged})
	out := w.ok("log", string(etl))
	for _, words := range []string{"the key SHA256:", "approved sha256:", "somebody approved", "and the signature is not good"} {
		if !strings.Contains(out, words) {
			t.Errorf("log does not say %q:\n%s", words, out)
		}
	}
}

func TestLogOnABrokenChain(t *testing.T) {
	t.Parallel()
	grant := ledger.GrantChain(etl)
	for name, c := range map[string]struct{ statement, fault string }{
		"changed":      {"UPDATE entry SET value = CAST(replace(CAST(value AS TEXT), 'leaked', 'lonely') AS BLOB) WHERE key LIKE 'grant/%'", "does not follow from the entry before it"},
		"missing":      {fmt.Sprintf("DELETE FROM entry WHERE key = '%s/00000007'", grant), "it is missing"},
		"garbage":      {fmt.Sprintf("UPDATE entry SET value = x'00' WHERE key = '%s/00000007'", grant), "the record is broken"},
		"unknown type": {fmt.Sprintf("UPDATE entry SET value = CAST(replace(CAST(value AS TEXT), '\"type\":\"lift@1\"', '\"type\":\"lift@9\"') AS BLOB) WHERE key = '%s/00000007'", grant), "lift@9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lived(t)
			w.sql("DROP TRIGGER entry_update", "DROP TRIGGER entry_delete", c.statement)
			got := w.fails(cli.ExitWrong, "the record is not what it must be", "log", string(etl))
			for _, words := range []string{"ana@example.com approved", "intent to activate #1", "! " + grant + " entry 7: ", c.fault} {
				if !strings.Contains(got.out, words) {
					t.Errorf("log does not say %q:\n%s", words, got.out)
				}
			}
			// What is not about it is none of its business.
			w.ok("log", ledger.PolicyChain)
		})
	}
}

func TestLogWithoutTrust(t *testing.T) {
	t.Parallel()
	w := lived(t)
	w.pins = nil
	got := w.fails(cli.ExitWrong, "the record is not what it must be", "log", string(etl))
	if strings.Contains(got.out, "ana@example.com approved") || !strings.Contains(got.out, "the key SHA256:") || !strings.Contains(got.out, "not pinned") {
		t.Errorf("log said %s", got.out)
	}
	w.fails(cli.ExitUnavailable, "no ledger here", "log", "--ledger", w.path("nowhere"))
}

func TestLogMakesEverythingVisible(t *testing.T) {
	t.Parallel()
	w := lived(t)
	if out := w.ok("log"); strings.ContainsAny(out, "\x1b") || !strings.Contains(out, `\u{1b}[2Jtime-out`) {
		t.Errorf("log said %q", out)
	}
}
