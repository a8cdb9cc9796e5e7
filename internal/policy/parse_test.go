package policy_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestParseReadsEveryPart(t *testing.T) {
	t.Parallel()
	src := source()
	document := parse(t, src)
	if document.Ledger != ledgerID || document.Version != 3 || document.ActivateWithin != within ||
		!document.Expires.Equal(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)) || document.Digest != nhi.DigestOf(src) {
		t.Errorf("got %+v", document)
	}
	ana := policy.Approver{Name: person("ana"), Keys: []string{keyOf("ana"), keyOf("ana's token")}, Groups: []string{"security"}}
	if !reflect.DeepEqual(document.Approvers[0], ana) || len(document.Approvers) != 5 {
		t.Errorf("approvers = %+v", document.Approvers)
	}
	sandbox := policy.Environment{Name: "sandbox", Systems: []policy.System{{Name: "orders", Kind: "postgres", Endpoint: "sandbox:5432/orders"}}}
	if !reflect.DeepEqual(document.Environments[1], sandbox) || len(document.Environments) != 2 {
		t.Errorf("environments = %+v", document.Environments)
	}
	books := policy.Rule{
		Name: "the books", Environments: []string{"production"}, Scopes: []string{"payments/**"}, Systems: []string{"ledger"},
		MaxTTL: 24 * time.Hour, Quorums: []policy.Quorum{{Group: "security", Count: 1}, {Group: "data", Count: 1}},
	}
	if !reflect.DeepEqual(document.Rules[1], books) || !document.Rules[3].NoApproval || len(document.Rules) != 4 {
		t.Errorf("rules = %+v", document.Rules)
	}
	if warnings := document.Warnings(); len(warnings) != 0 {
		t.Errorf("warnings = %q", warnings)
	}
}

func TestPerson(t *testing.T) {
	t.Parallel()
	document := parse(t, source())
	for key, want := range map[string]string{"ana": person("ana"), "ana's token": person("ana"), "eve": person("eve"), "mallory": ""} {
		if got, ok := document.Person(signerOf(key).PublicKey()); got.Name != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", key, got.Name, ok)
		}
	}
	if _, ok := document.Person(nil); ok {
		t.Error("no key is somebody's")
	}
}

// The parts of source that the table below changes.
const (
	anaGroups = "  groups = [\"security\"]\n}\napprover \"ben"
	quorumTwo = `quorum "security" { count = 2 }`
)

func TestParseIsStrict(t *testing.T) {
	t.Parallel()
	bidi := "\u202e"
	for name, c := range map[string]struct{ old, next, say string }{
		"unknown attribute":           {"version         = 3", "version = 3\nowner = \"x\"", `unknown attribute "owner"`},
		"unknown block":               {"environment \"sandbox\"", "group \"x\" {}\nenvironment \"sandbox\"", `unknown block "group"`},
		"unknown attribute of rule":   {"max_ttl      = \"720h\"\n  " + quorumTwo, "max_ttl = \"720h\"\n min_ttl = \"1h\"\n" + quorumTwo, `unknown attribute "min_ttl"`},
		"unknown block in rule":       {quorumTwo, quorumTwo + "\n clause \"x\" {}", `unknown block "clause"`},
		"unknown attribute of quorum": {"{ count = 2 }", "{\n count = 2\n of = 3\n}", `unknown attribute "of"`},
		"unknown attribute of person": {anaGroups, "  role = \"x\"\n" + anaGroups, `unknown attribute "role"`},
		"unknown block in person":     {anaGroups, "  key \"x\" {}\n" + anaGroups, `unknown block "key"`},
		"attribute twice":             {"version         = 3", "version = 3\nversion = 4", "line 4"},
		"missing ledger":              {fmt.Sprintf("ledger          = %q", ledgerID), "", `"ledger" is missing`},
		"missing version":             {"version         = 3", "", `"version" is missing`},
		"missing expires":             {`expires         = "2031-01-01T00:00:00Z"`, "", `"expires" is missing`},
		"missing activate_within":     {`activate_within = "168h"`, "", `"activate_within" is missing`},
		"missing scopes":              {`scopes       = ["payments/*"]`, "", `"scopes" is missing`},
		"missing systems":             {`systems      = ["orders"]`, "", `"systems" is missing`},
		"missing environments":        {"environments = [\"production\"]\n  scopes       = [\"payments/*\"]", "scopes = [\"payments/*\"]", `"environments" is missing`},
		"missing max_ttl":             {"max_ttl      = \"720h\"\n  " + quorumTwo, quorumTwo, `"max_ttl" is missing`},
		"missing count":               {"{ count = 2 }", "{}", `"count" is missing`},
		"short ledger":                {ledgerID, ledgerID[:31], "hexadecimal"},
		"capital ledger":              {ledgerID, strings.ToUpper(ledgerID), "hexadecimal"},
		"version as text":             {"version         = 3", `version = "3"`, "must be a number"},
		"version of none":             {"version         = 3", "version = 0", "whole number"},
		"broken version":              {"version         = 3", "version = 1.5", "whole number"},
		"huge version":                {"version         = 3", "version = 99999999999999999999", "whole number"},
		"negative version":            {"version         = 3", "version = -3", "must not be used"},
		"null":                        {"version         = 3", "version = null", "must be a number"},
		"ledger as number":            {fmt.Sprintf("%q", ledgerID), "1", "must be a string"},
		"expires without zone":        {"2031-01-01T00:00:00Z", "2031-01-01T00:00:00", "RFC 3339"},
		"expires in local time":       {"2031-01-01T00:00:00Z", "2031-01-01T00:00:00+02:00", "canonical"},
		"within in words":             {`"168h"`, `"a week"`, "duration"},
		"within of none":              {`"168h"`, `"0s"`, "whole seconds"},
		"ttl malformed":               {"max_ttl      = \"720h\"\n  " + quorumTwo, "max_ttl = \"30d\"\n" + quorumTwo, "max_ttl"},
		"ttl negative":                {"max_ttl      = \"720h\"\n  " + quorumTwo, "max_ttl = \"-1h\"\n" + quorumTwo, "max_ttl"},
		"person twice":                {`approver "ben@example.com"`, `approver "ana@example.com"`, "stands twice"},
		"person twice in capitals":    {`approver "ben@example.com"`, `approver "Ana@example.com"`, "stands twice"},
		"person is *":                 {`approver "ben@example.com"`, `approver "*"`, "must not hold"},
		"person is a pattern":         {`approver "ben@example.com"`, `approver "*@example.com"`, "must not hold"},
		"person is a list":            {`approver "ben@example.com"`, `approver "ben@example.com,cleo@example.com"`, "must not hold"},
		"person is unproven":          {`approver "ben@example.com"`, `approver "unproven"`, "taken"},
		"person is empty":             {`approver "ben@example.com"`, `approver ""`, "empty"},
		"person with a bidi mark":     {`approver "ben@example.com"`, `approver "ben\u202e@example.com"`, "hide or forge"},
		"person with a line break":    {`approver "ben@example.com"`, `approver "ben\n@example.com"`, "hide or forge"},
		"person without a name":       {`approver "ben@example.com"`, `approver`, "must have 1 label"},
		"person with two names":       {`approver "ben@example.com"`, `approver "ben" "x"`, "must have 1 label"},
		"no keys":                     {fmt.Sprintf("keys   = [%q]\n  groups = [\"security\"]\n}\napprover \"cleo", keyOf("ben")), "groups = [\"security\"]\n}\napprover \"cleo", `"keys" is missing`},
		"empty keys":                  {fmt.Sprintf("[%q]", keyOf("ben")), "[]", "must not be empty"},
		"bad key":                     {keyOf("ben"), "ssh-ed25519 AAAA", "keys"},
		"key with options":            {keyOf("ben"), "restrict " + keyOf("ben"), "keys"},
		"principal * in the key":      {keyOf("ben"), "* " + keyOf("ben"), "keys"},
		"rsa key":                     {keyOf("ben"), "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC2", "keys"},
		"key of two persons":          {keyOf("ben"), keyOf("ana"), `also a key of "ana@example.com"`},
		"key of two, with a comment":  {keyOf("ben"), keyOf("ana") + " ben@laptop", `also a key of "ana@example.com"`},
		"key twice":                   {keyOf("ana's token"), keyOf("ana") + " again", "also a key of"},
		"keys is no list":             {fmt.Sprintf("[%q]", keyOf("ben")), fmt.Sprintf("%q", keyOf("ben")), "must be a list"},
		"number in a list":            {fmt.Sprintf("[%q]", keyOf("ben")), "[1]", "must be a list of strings"},
		"list in a list":              {fmt.Sprintf("[%q]", keyOf("ben")), fmt.Sprintf("[[%q]]", keyOf("ben")), "written out"},
		"object":                      {fmt.Sprintf("[%q]", keyOf("ben")), fmt.Sprintf("{ a = %q }", keyOf("ben")), "written out"},
		"group twice":                 {`["security", "data"]`, `["data", "data"]`, "twice"},
		"bad group":                   {`["security", "data"]`, `["security", "data", "all people"]`, "groups"},
		"environment twice":           {`environment "sandbox"`, `environment "production"`, "stands twice"},
		"bad environment":             {`environment "sandbox"`, `environment "../x"`, "environment"},
		"system twice":                {`system "ledger"`, `system "orders"`, "stands twice"},
		"bad system":                  {`system "ledger"`, `system "Led ger"`, "system"},
		"system called external":      {`system "ledger"`, `system "external"`, "taken"},
		"system without endpoint":     {`{ ssh = "SHA256:bastion" }`, `{}`, "exactly one attribute"},
		"system with two endpoints":   {`{ ssh = "SHA256:bastion" }`, "{\n ssh = \"a\"\n vault = \"b\"\n}", "exactly one attribute"},
		"system with a block":         {`{ ssh = "SHA256:bastion" }`, "{\n ssh = \"a\"\n x {}\n}", "exactly one attribute"},
		"kind external":               {`{ ssh = "SHA256:bastion" }`, `{ external = "a" }`, "no endpoint"},
		"bad kind":                    {`{ ssh = "SHA256:bastion" }`, `{ SSH = "a" }`, "kind"},
		"empty endpoint":              {`"SHA256:bastion"`, `""`, "endpoint"},
		"endpoint is a number":        {`"SHA256:bastion"`, `1`, "must be a string"},
		"rule twice":                  {`rule "the books"`, `rule "sandbox"`, "stands twice"},
		"rule without a name":         {`rule "the books"`, `rule ""`, "empty"},
		"* beside a name":             {`["bastion", "external"]`, `["bastion", "*"]`, "stands alone"},
		"bad name in a rule":          {`["bastion", "external"]`, `["bastion", "ex*"]`, "systems"},
		"empty systems":               {`["bastion", "external"]`, `[]`, "must not be empty"},
		"bad scope":                   {`["payments/*"]`, `["payments//*"]`, "scope pattern"},
		"** in a segment":             {`["payments/*"]`, `["payments**"]`, "whole segment"},
		"empty scopes":                {`["payments/*"]`, `[]`, "must not be empty"},
		"neither quorum nor words":    {quorumTwo, "", "needs a quorum block"},
		"quorum and words":            {quorumTwo, quorumTwo + "\n  approval = \"no approval needed\"", "has a quorum"},
		"other words":                 {"no approval needed", "none", "approval must read"},
		"words in capitals":           {"no approval needed", "No approval needed", "approval must read"},
		"words and a space":           {"no approval needed", "no approval needed ", "approval must read"},
		"words as a boolean":          {`"no approval needed"`, "true", "must be a string"},
		"quorum over the group":       {"{ count = 2 }", "{ count = 5 }", "can never be met"},
		"quorum of an unknown group":  {`quorum "data"`, `quorum "dada"`, "can never be met"},
		"quorum of none":              {"{ count = 2 }", "{ count = 0 }", "whole number"},
		"quorum twice":                {`quorum "data"`, `quorum "security"`, "stands twice"},
		"quorum without a group":      {`quorum "data"`, `quorum`, "must have 1 label"},
		"function":                    {`"168h"`, `upper("168h")`, "must not be used"},
		"variable":                    {`"168h"`, `week`, "written out"},
		"traversal":                   {`"168h"`, `var.week`, "must not be used"},
		"template":                    {`"168h"`, `"${168}h"`, "must not be used"},
		"template directive":          {`"168h"`, `"%{ if true }168h%{ endif }"`, "must not be used"},
		"heredoc":                     {`"168h"`, "<<EOT\n168h\nEOT\n", "must not be used"},
		"condition":                   {"version         = 3", "version = true ? 3 : 4", "must not be used"},
		"sum":                         {"version         = 3", "version = 1 + 2", "must not be used"},
		"parentheses":                 {"version         = 3", "version = (3)", "must not be used"},
		"for":                         {`["payments/*"]`, `[for s in ["payments/*"] : s]`, "must not be used"},
		"bidi mark in a comment":      {"# The policy of the tests.", "# " + bidi + "x", "hide or forge"},
		"NUL":                         {"# The policy of the tests.", "# \x00", "hide or forge"},
		"escape in a comment":         {"# The policy of the tests.", "# \x1b[2K", "hide or forge"},
		"lone CR in a comment":        {"# The policy of the tests.", "# a\rledger = 1", "hide or forge"},
		"byte order mark":             {"# The policy of the tests.", "\ufeff# x", "hide or forge"},
		"not UTF-8":                   {"# The policy of the tests.", "# \xff", "no UTF-8"},
		"not HCL":                     {"# The policy of the tests.", "{", "line 1"},
		"a block not closed":          {"# The policy of the tests.", "rule \"x\" {", "line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(source(), c.old, c.next, 1)
			if changed == source() {
				t.Fatalf("the edit does not apply any more: %q", c.old)
			}
			_, err := policy.Parse([]byte(changed))
			var problem *policy.ParseError
			if !errors.Is(err, nhi.ErrInvalid) || !errors.As(err, &problem) || problem.Line < 1 {
				t.Fatalf("err = %v, want a ParseError that is ErrInvalid", err)
			}
			if !strings.Contains(err.Error(), c.say) {
				t.Errorf("%q does not say %q", err, c.say)
			}
			if strings.ContainsAny(err.Error(), "\x1b\x00"+bidi) {
				t.Errorf("the error repeats what hides: %q", err)
			}
		})
	}
}

func TestParseTellsLines(t *testing.T) {
	t.Parallel()
	changed := strings.Replace(source(), `"168h"`, `"x"`, 1)
	changed = strings.Replace(changed, "{ count = 2 }", "{ count = 9 }", 1)
	_, err := policy.Parse([]byte(changed))
	before, _, _ := strings.Cut(changed, "{ count = 9 }")
	want := 1 + strings.Count(before, "\n")
	for _, words := range []string{"policy line 5: activate_within", fmt.Sprintf("policy line %d: quorum", want)} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
}

func TestParseBounds(t *testing.T) {
	t.Parallel()
	many := func(n int, format string) string {
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, format, i)
		}
		return out.String()
	}
	head := source()
	for name, src := range map[string]string{
		"size":         head + strings.Repeat("#\n", policy.MaxBytes/2),
		"environments": head + many(200, "environment \"e%d\" {}\n"),
		"systems":      head + "environment \"x\" {\n" + many(1001, "system \"s%d\" { ssh = \"x\" }\n") + "}\n",
		"list":         strings.Replace(head, `["bastion", "external"]`, "["+many(201, "\"s%d\",")+"]", 1),
		"nesting":      head + "x = " + strings.Repeat("[", 100_000),
		"blocks":       head + strings.Repeat("a {\n", 100_000),
		"unary":        head + "x = " + strings.Repeat("!", 500_000),
		"conditions":   head + "x = " + strings.Repeat("a ? ", 200_000),
		"empty":        "",
		"errors":       many(1000, "x%d = 1\n"),
	} {
		_, err := policy.Parse([]byte(src))
		if !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: err = %v, want ErrInvalid", name, err)
		} else if lines := strings.Count(err.Error(), "\n"); lines > 10 {
			t.Errorf("%s: the error has %d lines", name, lines)
		}
	}
}

func TestWindowsLineEndingsAreOtherBytes(t *testing.T) {
	t.Parallel()
	document := parse(t, strings.ReplaceAll(source(), "\n", "\r\n"))
	if document.Digest == nhi.DigestOf(source()) {
		t.Error("other bytes have the same digest")
	}
}

func TestWarningsNameWhatNothingDeclares(t *testing.T) {
	t.Parallel()
	changed := strings.Replace(source(), `systems      = ["orders"]`, `systems = ["order"]`, 1)
	changed = strings.Replace(changed, `environments = ["sandbox"]`, `environments = ["sandpit"]`, 1)
	got := strings.Join(parse(t, changed).Warnings(), "\n")
	if !strings.Contains(got, `system "order"`) || !strings.Contains(got, `environment "sandpit"`) {
		t.Errorf("warnings = %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(source()))
	f.Add([]byte("rule \"x\" {\n approval = \"no approval needed\"\n}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		document, err := policy.Parse(src)
		if err != nil {
			if !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("err = %v, want ErrInvalid", err)
			}
			return
		}
		if document.Digest != nhi.DigestOf(string(src)) {
			t.Error("the digest is not of these bytes")
		}
		for _, rule := range document.Rules {
			if rule.NoApproval == (len(rule.Quorums) > 0) {
				t.Errorf("rule %q: %+v", rule.Name, rule)
			}
		}
	})
}
