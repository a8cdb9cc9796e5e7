package policy_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// oldRule and oldVerdict are what a rule and a verdict were before there were
// conditions.
type oldRule struct {
	Name                          string
	Environments, Scopes, Systems []string
	MaxTTL                        time.Duration
	Quorums                       []policy.Quorum
	NoApproval                    bool
}

type oldVerdict struct {
	Status              policy.Status
	Denials             []policy.Denial
	Required            []string
	ApprovedBy, Reasons []string
	NotAfter            time.Time
	NoApproval          bool
}

func oldVerdictOf(v policy.Verdict) oldVerdict {
	return oldVerdict{v.Status, v.Denials, v.Required(), v.ApprovedBy, v.Reasons, v.NotAfter, v.NoApproval}
}

// A policy of before conditions is read byte for byte as it was, and means what
// it meant: the golden file was written by the release before.
func TestPoliciesOfBeforeConditions(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(filepath.Join("testdata", "before_conditions.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Digest   nhi.Digest
		Rules    []oldRule
		Rulings  map[string][]string
		Verdicts map[string]oldVerdict
	}
	published := parse(t, string(src))
	all.Digest = published.Digest
	for _, r := range published.Rules {
		all.Rules = append(all.Rules, oldRule{r.Name, r.Environments, r.Scopes, r.Systems, r.MaxTTL, r.Quorums, r.NoApproval})
	}
	all.Rulings = map[string][]string{}
	for _, id := range []nhi.ApprovalID{"production/payments/etl:default", "production/other/etl:default", "sandbox/x/etl:default", "staging/x/etl:default"} {
		for name, a := range map[string]nhi.Access{
			"orders": access("orders", "postgres", "db.internal:5432/orders"), "elsewhere": access("orders", "postgres", "elsewhere:1/x"),
			"secrets": access("secrets", "vault", "https://vault.internal:8200/auth/approle"), "outside": external(),
			"sandbox": access("orders", "postgres", "sandbox.internal:5432/orders"),
		} {
			request := orders()
			request.Ledger, request.Approval, request.TTL, request.Access = published.Ledger, id, 100*time.Hour, nhi.Accesses{"x": a}
			ruling := published.Rule(request)
			var lines []string
			for _, denial := range ruling.Denials {
				lines = append(lines, denial.Field+": "+denial.Reason)
			}
			for _, requirement := range ruling.Requirements {
				lines = append(lines, policy.Need{Requirement: requirement, Want: requirement.Count}.String())
			}
			all.Rulings[string(id)+" "+name] = lines
		}
	}
	document := parse(t, source())
	all.Verdicts = map[string]oldVerdict{}
	books := orders()
	books.Access = nhi.Accesses{"db": access("ledger", "postgres", "db.internal:5432/ledger")}
	long := orders()
	long.TTL = 800 * time.Hour
	for name, in := range map[string]policy.Input{
		"nobody": input(t, orders()), "one": input(t, orders(), yes("ana")), "two": input(t, orders(), yes("ana"), yes("ben")),
		"two keys": input(t, orders(), yes("ana"), yes("ana's token")), "one of both groups": input(t, books, yes("dora")),
		"two of two groups": input(t, books, yes("dora"), yes("ben")), "too long": input(t, long, yes("ana"), yes("ben")),
		"a no":       input(t, orders(), yes("ana"), yes("ben"), no("cleo", nhi.VerdictDeny, 0)),
		"taken back": input(t, orders(), yes("ana"), yes("ben"), no("ben", nhi.VerdictWithdraw, 0)),
		"lapsed":     input(t, orders(), vote{key: "ana", at: 200 * time.Hour}, vote{key: "ben", at: 200 * time.Hour}),
	} {
		all.Verdicts[name] = oldVerdictOf(document.Evaluate(in))
	}
	golden(t, "before_conditions.json", all)
}
