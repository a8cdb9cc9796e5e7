package policy_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s:\n%s", name, diff)
	}
}

// The input is an interface: other tools have policies over it.
func TestInputIsGolden(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("a", oneOfSecurity)))
	request := orders()
	request.ReusableUntil = now.Add(48 * time.Hour)
	request.Access["outside"] = external()
	in := policy.Input{Request: request, Text: textOf(t, request), Now: now, Asked: askedBy(t, request, "eve"),
		Runner: policy.RunnerProof{Issuer: "https://ci.example.com", Claims: map[string]string{"repository": "acme/payments"}}}
	golden(t, "input.json", document.Facts(in))
	in = policy.Input{Request: orders(), Text: textOf(t, orders()), Now: now}
	golden(t, "input_unproven.json", document.Facts(in))
}

func TestExplanationIsGolden(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(
		rule("agents", "when = \"identity.kind == 'agent'\"\n"+oneOfSecurity)+
			rule("people", strings.Join([]string{"quorum \"security\" { count = 2 }", "distinct_persons = true", "max_renewals = 3",
				"condition \"a day at most\" { expression = \"request.ttl <= duration('24h')\" }",
				"condition \"nobody asks for themselves\" { expression = \"requester.name != identity.owner\" }",
				"window \"office hours\" {\n days = [\"mon\", \"tue\"]\n from = \"08:00\"\n until = \"18:00\"\n zone = \"Europe/Berlin\"\n}",
				"review \"data\" {\n count = 1\n within = \"24h\"\n}"}, "\n"))))
	request := orders()
	request.TTL = 800 * time.Hour
	golden(t, "explanation.json", document.Explain(input(t, request, yes("ben"))))
}

// What is supposed is what becomes of it when it is signed.
func TestSupposedIsWhatIsSigned(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("a", "distinct_persons = true\n quorum \"security\" { count = 1 }\n quorum \"data\" { count = 1 }")))
	for _, names := range [][]string{{}, {"ben"}, {"dora"}, {"dora", "ben"}, {"dora", "finn"}, {"ana", "ben"}, {"eve"}} {
		var votes []vote
		for _, name := range names {
			votes = append(votes, yes(name))
		}
		s := byEve(names...)
		s.Request, s.Now = orders(), now
		got := supposed(t, document, s)
		want := document.Explain(input(t, orders(), votes...))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v:\n%s", names, diff)
		}
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("a", oneOfSecurity)))
	src := `
test "ben lets it pass" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" {
      system = "orders"
      settings {
        roles = ["orders_ro"]
        database = "x"
      }
    }
  }
  requester  = "eve@example.com"
  approve    = ["ben@example.com"]
  expect     = "approved"
  decided_by = ["a"]
}
test "too long" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "2400h"
    access "db" { system = "orders" }
  }
  approve = ["ben@example.com", "ana@example.com"]
  expect  = "denied"
  because = ["2400h is longer than 720h"]
}
test "wrong on purpose" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  expect     = "approved"
  because    = ["nobody says this"]
  decided_by = ["b"]
}
test "a stranger" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  approve = ["mallory@example.com"]
  expect  = "pending"
}
test "a system that is not there" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" { system = "books" }
  }
  expect  = "denied"
  because = ["has no system \"books\""]
}
`
	examples, err := policy.ParseExamples([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	problems := map[string]int{"wrong on purpose": 3, "a stranger": 1}
	for _, example := range examples {
		result := example.Run(document)
		if len(result.Problems) != problems[example.Name] || result.Passed != (problems[example.Name] == 0) {
			t.Errorf("%s: %q", example.Name, result.Problems)
		}
	}
	for name, bad := range map[string]string{
		"examples line 1: unknown block":        `exam "x" {}`,
		`block "request" is missing`:            "test \"x\" {\n expect = \"denied\"\n}",
		"expect is approved, pending or denied": strings.Replace(src, `expect     = "approved"`, `expect = "yes"`, 1),
		`unknown attribute "approved_by"`:       strings.Replace(src, "approve ", "approved_by ", 1),
		"stands twice":                          src + src,
	} {
		if _, err := policy.ParseExamples([]byte(bad)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
