package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
)

const exampleFile = `
test "two approvers open the orders database" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  requester = "eve@example.com"
  approve   = ["ana@example.com", "ben@example.com"]
  expect    = "approved"
}
test "one is not enough" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  requester = "eve@example.com"
  approve   = ["ana@example.com"]
  expect    = "pending"
  because   = ["has 1: ana@example.com"]
}
`

func TestPolicyTest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fails(cli.ExitUsage, "there is no example beside", "policy", "test")
	w.write(w.path("policy_test.hcl"), exampleFile)
	if out := w.ok("policy", "test"); !strings.Contains(out, "ok    policy_test.hcl: one is not enough") || !strings.Contains(out, "2 passed, 0 failed.") {
		t.Errorf("out = %s", out)
	}
	w.edit("count = 2", "count = 1")
	got := w.fails(cli.ExitWrong, "1 example did not come out as expected", "policy", "test")
	for _, words := range []string{"FAIL  policy_test.hcl:13: one is not enough", "it is approved, and pending was expected", "1 passed, 1 failed."} {
		if !strings.Contains(got.out, words) {
			t.Errorf("%q is not in %s", words, got.out)
		}
	}
	var counted struct{ Passed, Failed int }
	got = w.run("policy", "test", "--json")
	if err := json.Unmarshal([]byte(got.out), &counted); err != nil || got.code != cli.ExitWrong || counted.Passed != 1 || counted.Failed != 1 {
		t.Errorf("json: %d %v %s", got.code, err, got.out)
	}
	w.write(w.path("more.nhitest.hcl"), "test \"x\" {}")
	w.fails(cli.ExitUsage, "more.nhitest.hcl", "policy", "test")
	w.fails(cli.ExitUsage, "examples line 1: \"expect\" is missing", "policy", "test", w.path("more.nhitest.hcl"))
	w.fails(cli.ExitUsage, "no such file", "policy", "test", w.path("none.nhitest.hcl"))
	w.edit("count = 1", "count = 99")
	w.fails(cli.ExitUsage, "can never be met", "policy", "test")
}

func TestPolicyExplainAndInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ask(w.request(etl, "orders_ro"), "eve")
	out := w.ok("policy", "explain", string(etl))
	for _, words := range []string{"is pending", "decides", "ttl", "is at most", "needs 2 of", "has 0"} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is not in %s", words, out)
		}
	}
	w.ok("approve", string(etl), "--key", w.key("ana"), "--yes")
	var explained struct {
		Approval, Standing, Status string
		Allowed                    bool
		Needs                      []string
	}
	w.json(&explained, "policy", "explain", string(etl))
	if explained.Allowed || explained.Status != "pending" || len(explained.Needs) != 1 || !strings.Contains(explained.Needs[0], "has 1: ana@example.com") {
		t.Errorf("explained = %+v", explained)
	}
	w.ok("approve", string(etl), "--key", w.key("ben"), "--yes")
	w.json(&explained, "policy", "explain", string(etl))
	if !explained.Allowed || explained.Standing != "approved" {
		t.Errorf("explained = %+v", explained)
	}
	var input struct {
		Request   struct{ Environment, TTL string }
		Identity  struct{ Kind string }
		Requester struct {
			Name   string
			Proven bool
		}
	}
	if err := json.Unmarshal([]byte(w.ok("policy", "input", string(etl))), &input); err != nil {
		t.Fatal(err)
	}
	if input.Request.Environment != "production" || input.Requester.Name != "eve@example.com" || !input.Requester.Proven || input.Identity.Kind == "" {
		t.Errorf("input = %+v", input)
	}
	w.fails(cli.ExitUsage, "nothing was asked for", "policy", "explain", "production/payments/etl/nobody:default")
}
