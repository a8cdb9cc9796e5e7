package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

const hcp = "app.terraform.io"

func accountOf(name string) policy.Account { return policy.Account{Host: hcp, ID: "user-" + name} }

// confirmable is source with an account for everybody, and a rule whose
// quorum a confirmation may meet in part.
func confirmable(quorum string) string {
	src := strings.Replace(source(), `quorum "security" { count = 2 }`, quorum, 1)
	for _, name := range []string{"ana", "ben", "cleo", "dora", "eve"} {
		head := fmt.Sprintf("approver %q {\n", person(name))
		src = strings.Replace(src, head, head+fmt.Sprintf("  account %q { ids = [%q] }\n", hcp, "user-"+name), 1)
	}
	return src
}

const (
	twoOrConfirm = `quorum "security" {
    count = 2
    run_confirmation = true
  }`
	oneOrConfirm = `quorum "security" {
    count = 1
    run_confirmation = true
  }`
)

func confirmedBy(name string) *policy.Confirmed {
	return &policy.Confirmed{Account: accountOf(name), Run: "run-1", At: now.Add(-time.Minute),
		Others: []policy.Other{{Account: accountOf("eve"), Role: "created the run"}}}
}

func TestAConfirmationCountsAsOneApproval(t *testing.T) {
	t.Parallel()
	document := parse(t, confirmable(twoOrConfirm))
	in := input(t, orders(), yes("ben"))
	in.Hosts = []string{hcp}
	verdict := document.Evaluate(in)
	wantStatus(t, verdict, policy.StatusPending)
	if want := []string{person("ana"), person("cleo"), person("dora")}; !slices.Equal(verdict.Confirmers, want) {
		t.Errorf("confirmers are %q, want %q", verdict.Confirmers, want)
	}
	in.Confirmed = confirmedBy("ana")
	verdict = document.Evaluate(in)
	wantStatus(t, verdict, policy.StatusApproved)
	if verdict.ConfirmedBy != person("ana") || !slices.Equal(verdict.ApprovedBy, []string{person("ana"), person("ben")}) {
		t.Errorf("confirmed by %q, approved by %q", verdict.ConfirmedBy, verdict.ApprovedBy)
	}
	if want := in.Confirmed.At.Add(within); !verdict.ActivateBefore.Before(want.Add(time.Second)) {
		t.Errorf("it may be used until %s, and the policy allows until %s", verdict.ActivateBefore, want)
	}
	// Persons are counted: who signed and confirmed counts once.
	in.Confirmed = confirmedBy("ben")
	verdict = document.Evaluate(in)
	wantStatus(t, verdict, policy.StatusPending)
	if verdict.ConfirmedBy != "" {
		t.Errorf("%s signed, and the confirmation is said to be the yes", verdict.ConfirmedBy)
	}
	// Where two are missing, nobody's confirmation is all that is missing.
	in = input(t, orders())
	in.Hosts = []string{hcp}
	if names := document.Evaluate(in).Confirmers; len(names) > 0 {
		t.Errorf("%q could give two approvals at once", names)
	}
}

// Everything that makes a confirmation no approval, and the words for it.
func TestWhatConfirmationsDoNotCount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		quorum string
		change func(*policy.Input)
		votes  []vote
		reason string
	}{
		"the policy does not say so":     {`quorum "security" { count = 2 }`, nil, nil, "no rule that decides lets a confirmation count"},
		"nobody's account":               {"", func(in *policy.Input) { in.Confirmed.Account.ID = "user-mallory" }, nil, "is nobody's in the policy"},
		"the same id elsewhere":          {"", func(in *policy.Input) { in.Confirmed.Account.Host = "tfe.example.com" }, nil, "is nobody's in the policy"},
		"other capitals":                 {"", func(in *policy.Input) { in.Confirmed.Account.ID = "USER-ana" }, nil, "is nobody's in the policy"},
		"who created the run":            {"", other(accountOf("ana"), "created the run"), nil, "ana@example.com also created the run, and nobody's yes"},
		"who pushed, by another account": {"", other(policy.Account{Host: "github.com", ID: "Ana-GH"}, "pushed the commit"), nil, "also pushed the commit, by another account"},
		"who asked, proven":              {"", func(in *policy.Input) { in.Confirmed.Account = accountOf("eve"); in.Confirmed.Others = nil }, nil, "eve@example.com asked for this access and approved it too"},
		"dated in the future":            {"", func(in *policy.Input) { in.Confirmed.At = now.Add(time.Hour) }, nil, "dated in the future"},
		"not dated":                      {"", func(in *policy.Input) { in.Confirmed.At = time.Time{} }, nil, "dated in the future, or not at all"},
		"too old":                        {"", func(in *policy.Input) { in.Confirmed.At = now.Add(-within) }, nil, "the approval by ana@example.com lapsed"},
		"before the back-up":             {"", func(in *policy.Input) { in.Since = now }, nil, "before the ledger was restored"},
		"behind a withdrawal":            {"", nil, []vote{no("ana", nhi.VerdictWithdraw, time.Hour)}, "took an approval back before"},
		"who asked is not known":         {"", func(in *policy.Input) { in.Confirmed.Unproven = "nobody is named" }, nil, "not known who all asked by run run-1"},
		"the pusher is nobody known": {"", func(in *policy.Input) {
			in.Confirmed.Others = []policy.Other{{Account: policy.Account{Host: "github.com", ID: "someone"}, Role: "pushed the commit", Sole: true}}
		}, nil, "someone on github.com pushed the commit, and is nobody's account in the policy"},
		"a person in no group of the rule": {"", func(in *policy.Input) {
			in.Confirmed = confirmedBy("eve")
			in.Confirmed.Others = nil
			in.Asked = askedBy(t, in.Request, "cleo")
		}, nil, "is in no group that the deciding rules ask"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quorum := c.quorum
			if quorum == "" {
				quorum = oneOrConfirm
			}
			src := strings.Replace(confirmable(quorum), `account "app.terraform.io" { ids = ["user-ana"] }`,
				`account "app.terraform.io" { ids = ["user-ana"] }`+"\n"+`  account "github.com" { ids = ["ana-gh"] }`, 1)
			in := input(t, orders(), c.votes...)
			in.Confirmed = confirmedBy("ana")
			if c.change != nil {
				c.change(&in)
			}
			verdict := parse(t, src).Evaluate(in)
			if verdict.Status == policy.StatusApproved {
				t.Errorf("approved by %q", verdict.ApprovedBy)
			}
			wantReason(t, verdict, c.reason)
		})
	}
}

func other(account policy.Account, role string) func(*policy.Input) {
	return func(in *policy.Input) { in.Confirmed.Others = []policy.Other{{Account: account, Role: role}} }
}

// A no stays a no, whoever confirms, and who asked by the run does not count by
// signing either.
func TestAConfirmationOutweighsNothing(t *testing.T) {
	t.Parallel()
	document := parse(t, confirmable(twoOrConfirm))
	in := input(t, orders(), yes("ben"), no("cleo", nhi.VerdictDeny, time.Hour))
	in.Confirmed = confirmedBy("ana")
	wantStatus(t, document.Evaluate(in), policy.StatusDenied)
	in = input(t, orders(), yes("ben"), no("ana", nhi.VerdictDeny, time.Hour))
	in.Confirmed = confirmedBy("ana")
	wantStatus(t, document.Evaluate(in), policy.StatusDenied)
	in = input(t, orders(), yes("ben"))
	in.Confirmed = confirmedBy("ana")
	in.Confirmed.Others = append(in.Confirmed.Others, policy.Other{Account: accountOf("ben"), Role: "pushed the commit"})
	verdict := document.Evaluate(in)
	wantStatus(t, verdict, policy.StatusPending)
	wantReason(t, verdict, "ben@example.com pushed the commit and approved it too")
	// A quorum that is larger already is not made larger again.
	in = input(t, orders(), yes("ben"), yes("cleo"))
	in.Asked, in.Confirmed = nil, confirmedBy("ana")
	in.Confirmed.Unproven = "nobody is named"
	wantStatus(t, document.Evaluate(in), policy.StatusApproved)
	// Nor does it say anything about a request that is used again and again.
	in = input(t, func() nhi.Request { r := orders(); r.ReusableUntil = now.Add(time.Hour); return r }(), yes("ben"))
	in.Confirmed, in.Hosts = confirmedBy("ana"), []string{hcp}
	verdict = document.Evaluate(in)
	wantStatus(t, verdict, policy.StatusPending)
	wantReason(t, verdict, "this request may be used again and again")
	if len(verdict.Confirmers) > 0 {
		t.Errorf("%q are said to be able to confirm it", verdict.Confirmers)
	}
}

func TestConfirmersOfANewRequest(t *testing.T) {
	t.Parallel()
	document := parse(t, confirmable(oneOrConfirm))
	for _, c := range []struct {
		requester string
		hosts     []string
		want      int
	}{
		{person("eve"), []string{hcp}, 4},
		{person("ana"), []string{hcp}, 3},
		{"", []string{hcp}, 0}, // not proven: two are needed
		{person("eve"), []string{"tfe.example.com"}, 0},
		{person("eve"), nil, 0},
	} {
		if got := document.Confirmers(orders(), c.requester != "", c.requester, c.hosts); len(got) != c.want {
			t.Errorf("asked by %q on %q: %q can confirm, want %d", c.requester, c.hosts, got, c.want)
		}
	}
	if got := document.Confirmers(orders(), true, "", []string{hcp}); len(got) != 4 {
		t.Errorf("asked by a token: %q can confirm, want all four of security", got)
	}
	far := orders()
	far.TTL = 9000 * time.Hour
	if got := document.Confirmers(far, true, person("eve"), []string{hcp}); got != nil {
		t.Errorf("%q can confirm what the policy denies", got)
	}
}

func TestAccountsOfAPolicy(t *testing.T) {
	t.Parallel()
	good := confirmable(oneOrConfirm)
	for name, c := range map[string][3]string{
		"two persons, one account": {`ids = ["user-ben"]`, `ids = ["user-ANA"]`, `is also an account of "ana@example.com"`},
		"one host twice":           {`account "app.terraform.io" { ids = ["user-ben"] }`, "account \"a.b\" { ids = [\"x\"] }\n  account \"a.b\" { ids = [\"y\"] }", "stands twice"},
		"no ids":                   {`ids = ["user-ben"]`, `ids = []`, "must not be empty"},
		"a host in capitals":       {`account "app.terraform.io" { ids = ["user-ben"] }`, `account "App.terraform.io" { ids = ["user-ben"] }`, "small letters"},
		"a URL":                    {`account "app.terraform.io" { ids = ["user-ben"] }`, `account "https://app.terraform.io" { ids = ["user-ben"] }`, "small letters"},
		"an unknown word":          {`{ ids = ["user-ben"] }`, `{ names = ["ben"] }`, "unknown attribute"},
		"no truth":                 {"run_confirmation = true", `run_confirmation = "true"`, "must be true or false"},
		"without a touch":          {oneOrConfirm, oneOrConfirm + "\n  hardware_keys = true", "a run is confirmed without one"},
	} {
		if !strings.Contains(good, c[0]) {
			t.Fatalf("%s: %q is not in the policy", name, c[0])
		}
		_, err := policy.Parse([]byte(strings.Replace(good, c[0], c[1], 1)))
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %q", name, err, c[2])
		}
	}
	if warnings := parse(t, good).Warnings(); len(warnings) > 0 {
		t.Errorf("%q", warnings)
	}
	bare := strings.Replace(source(), `quorum "security" { count = 2 }`, oneOrConfirm, 1)
	if warnings := parse(t, bare).Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "nobody of it has an account") {
		t.Errorf("%q", warnings)
	}
	need := parse(t, good).Rule(orders()).Requirements[0]
	if got := (policy.Need{Requirement: need, Want: 1}).String(); got != `1 of security (rule "production databases"; confirming the run counts as one)` {
		t.Error(got)
	}
}
