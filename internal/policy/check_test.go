package policy_test

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// shell asks for an SSH certificate with a key of its own.
func shell(principal, key string) nhi.Access {
	return nhi.Access{System: "bastion", Kind: "ssh", Endpoint: "SHA256:bastion", Settings: nhi.Values{
		"principals": nhi.List(principal), "public_key": nhi.Text(key), "force_command": nhi.Text("/usr/bin/dump"), "extensions": nhi.List(),
	}}
}

// with returns orders with something changed.
func with(change func(*nhi.Request)) nhi.Request {
	request := orders()
	change(&request)
	return request
}

// only replaces what a request asks for.
func only(access nhi.Access) func(*nhi.Request) {
	return func(r *nhi.Request) { r.Access = nhi.Accesses{"db": access} }
}

func setting(access nhi.Access, name string, value nhi.Value) nhi.Access {
	access.Settings[name] = value
	return access
}

func rsaKey(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return signature.Key(public)
}

// checkCase is a bad request, as one change of a good one, and what is said of it.
type checkCase struct {
	name, risk string
	check      string // what the policy adds
	bad, good  nhi.Request
	target     string
	field      string
	says       string
}

// runner binds a scope, and pins one claim.
const runner = "issuer \"https://ci.example.com\" {\n audiences = [\"nhi\"]\n}\nrunner \"CI\" {\n environments = [\"production\"]\n scopes = [\"payments/etl\"]\n issuer = \"https://ci.example.com\"\n claim \"repository\" { values = [\"x\"] }\n}\n"

func checkCases(t testing.TB) []checkCase {
	t.Helper()
	shared := strings.Repeat("a", 40)
	return []checkCase{
		{"owner nobody knows", "NHI1", `check "NHI1" { level = "deny" }`, with(func(r *nhi.Request) { r.Owner = "zoe@example.com" }), orders(), "", "owner", "zoe@example.com is no person of the policy"},
		{"owner by pattern", "NHI1", "check \"NHI1\" {\n level = \"deny\"\n owners = [\"*@teams.example.com\"]\n}", with(func(r *nhi.Request) { r.Owner = "zoe@example.com" }), with(func(r *nhi.Request) { r.Owner = "data@teams.example.com" }), "", "owner", "is no person"},
		{"token in the purpose", "NHI2", `check "NHI2" { level = "deny" }`, with(func(r *nhi.Request) { r.Purpose = "Uses ghp_" + shared }), orders(), "", "purpose", "looks like a GitHub token"},
		{"password in a setting", "NHI2", `check "NHI2" { level = "deny" }`, with(only(setting(external(), "description", nhi.Text("postgres://app:hunter2@db/x")))), with(only(setting(external(), "description", nhi.Text("postgres://app@db/x")))), "db", "description", "a URL with a password"},
		{"third party asks nobody", "NHI3", `check "NHI3" { level = "deny" }`, sandboxOf(nhi.KindThirdParty), sandboxOf(nhi.KindService), "db", "", "asks nobody"},
		{"third party for too long", "NHI3", "check \"NHI3\" {\n level = \"deny\"\n max_ttl = \"12h\"\n}", with(func(r *nhi.Request) { r.Kind = nhi.KindThirdParty }), orders(), "", "ttl", "24h is longer than 12h"},
		{"third party with few approvals", "NHI3", "check \"NHI3\" {\n level = \"deny\"\n approvals = 3\n}", with(func(r *nhi.Request) { r.Kind = nhi.KindThirdParty }), orders(), "db", "", "asks for 2 approvals, and a third party needs 3"},
		{"key of an unwanted type", "NHI4", "check \"NHI4\" {\n level = \"deny\"\n key_types = [\"ssh-ed25519\"]\n}", with(only(shell("dump", rsaKey(t)))), with(only(shell("dump", keyOf("machine")))), "db", "public_key", "a key of type ssh-rsa is none of ssh-ed25519"},
		{"root", "NHI5", `check "NHI5" { level = "deny" }`, with(only(shell("root", keyOf("machine")))), with(only(shell("dump", keyOf("machine")))), "db", "principals", `"root" is more than a workload needs`},
		{"writes all data", "NHI5", `check "NHI5" { level = "deny" }`, with(func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.List("pg_write_all_data") }), orders(), "db", "roles", "every table"},
		{"privilege by pattern", "NHI5", "check \"NHI5\" {\n level = \"deny\"\n privileges = [\"*_admin\"]\n}", with(func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.List("Orders_Admin") }), orders(), "db", "roles", "(*_admin)"},
		{"no runner", "NHI6", "check \"NHI6\" {\n level = \"deny\"\n environments = [\"production\"]\n}\n" + runner, with(func(r *nhi.Request) {
			r.Approval = "production/payments/api/orders:default"
			only(shell("dump", keyOf("machine")))(r)
		}), orders(), "", "runner", "no runner of the policy is for production/payments/api"},
		{"runner without a claim", "NHI6", "check \"NHI6\" {\n level = \"deny\"\n environments = [\"*\"]\n claims = [\"sub\"]\n}\n" + runner, orders(), nhi.Request{}, "", "runner", "does not pin the claim sub"},
		{"long access", "NHI7", "check \"NHI7\" {\n level = \"deny\"\n max_ttl = \"12h\"\n}", orders(), with(func(r *nhi.Request) { r.TTL = 12 * time.Hour }), "", "ttl", "24h is longer than 12h"},
		{"long tokens", "NHI7", "check \"NHI7\" {\n level = \"deny\"\n max_token_ttl = \"1h\"\n}", with(func(r *nhi.Request) { r.Access["db"].Settings["token_ttl"] = nhi.Text("2h") }), with(func(r *nhi.Request) { r.Access["db"].Settings["token_ttl"] = nhi.Text("1h") }), "db", "token_ttl", "2h is longer than 1h"},
		{"system of two environments", "NHI8", "check \"NHI8\" { level = \"deny\" }\nenvironment \"test\" {\n system \"copy\" { ssh = \"SHA256:bastion\" }\n}", with(only(shell("dump", keyOf("machine")))), orders(), "db", "system", `also system "copy" of environment "test"`},
		{"second workload", "NHI9", "check \"NHI9\" {\n level = \"deny\"\n approvals = [\"default\"]\n}", with(func(r *nhi.Request) { r.Approval = "production/payments/etl/orders-etl:reports" }), orders(), "", "name", `approval "reports" of production/payments/etl/orders-etl is none of default`},
		{"login of a person", "NHI10", `check "NHI10" { level = "deny" }`, with(only(shell("ben", keyOf("machine")))), with(only(shell("benoit", keyOf("machine")))), "db", "principals", `"ben" is the login of ben@example.com`},
		{"key of a person", "NHI10", `check "NHI10" { level = "deny" }`, with(only(shell("dump", keyOf("ana")))), with(only(shell("dump", keyOf("machine")))), "db", "public_key", "a key of ana@example.com"},
		{"no command", "NHI10", "check \"NHI10\" {\n level = \"deny\"\n no_terminal = true\n}", with(only(setting(shell("dump", keyOf("machine")), "force_command", nhi.Text("")))), with(only(shell("dump", keyOf("machine")))), "db", "force_command", "by hand"},
		{"terminal", "NHI10", "check \"NHI10\" {\n level = \"deny\"\n no_terminal = true\n}", with(only(setting(shell("dump", keyOf("machine")), "extensions", nhi.List("permit-pty")))), with(only(shell("dump", keyOf("machine")))), "db", "extensions", "gives a terminal"},
	}
}

// sandboxOf asks for what the sandbox gives without an approval.
func sandboxOf(kind string) nhi.Request {
	return with(func(r *nhi.Request) {
		r.Approval, r.Kind = "sandbox/payments/etl/orders-etl:default", kind
		only(access("orders", "postgres", "sandbox:5432/orders"))(r)
	})
}

// Each check denies what is bad, on what it is about, and names its risk; it
// says nothing of what is good; as a warning it denies nothing; and off it is
// silent.
func TestChecks(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range checkCases(t) {
		seen[c.risk] = true
		t.Run(c.risk+" "+c.name, func(t *testing.T) {
			t.Parallel()
			ruling := parse(t, source()+c.check).Rule(c.bad)
			if !slices.ContainsFunc(ruling.Denials, func(d policy.Denial) bool {
				return d.Risk.Name() == c.risk && d.Target == c.target && d.Field == c.field && strings.Contains(d.Reason, c.says) && strings.HasPrefix(d.Reason, c.risk+":2025: ")
			}) {
				t.Errorf("denials of the bad one: %+v", ruling.Denials)
			}
			if c.good.Ledger != "" {
				if ruling = parse(t, source()+c.check).Rule(c.good); len(ruling.Denials)+len(ruling.Findings) > 0 {
					t.Errorf("of the good one: %+v, %+v", ruling.Denials, ruling.Findings)
				}
			}
			ruling = parse(t, source()+strings.Replace(c.check, `level = "deny"`, `level = "warn"`, 1)).Rule(c.bad)
			if len(ruling.Denials) > 0 || !slices.ContainsFunc(ruling.Findings, func(f policy.Finding) bool {
				return f.Risk.Name() == c.risk && f.Target == c.target && f.Field == c.field && strings.Contains(f.Reason, c.says)
			}) {
				t.Errorf("as a warning: %+v, %+v", ruling.Denials, ruling.Findings)
			}
			ruling = parse(t, source()+strings.Replace(c.check, `level = "deny"`, `level = "off"`, 1)).Rule(c.bad)
			if len(ruling.Denials)+len(ruling.Findings) > 0 {
				t.Errorf("off: %+v, %+v", ruling.Denials, ruling.Findings)
			}
		})
	}
	if len(seen) != len(nhi.Risks()) {
		t.Errorf("only %d risks have a case", len(seen))
	}
}

// Without a word of the policy, what cannot be wrong is found and nothing more
// is denied than before.
func TestChecksByDefault(t *testing.T) {
	t.Parallel()
	shared := "environment \"test\" {\n system \"copy\" { ssh = \"SHA256:bastion\" }\n}"
	for _, c := range checkCases(t) {
		if strings.Contains(c.check, "=") && strings.Count(c.check, "=") > 1 && c.risk != "NHI8" {
			continue // the policy says what is too much
		}
		if c.risk == "NHI8" {
			c.check = shared
		} else {
			c.check = ""
		}
		document := parse(t, source()+c.check)
		ruling := document.Rule(c.bad)
		found := slices.ContainsFunc(ruling.Findings, func(f policy.Finding) bool { return f.Risk.Name() == c.risk })
		if len(ruling.Denials) > 0 || found == (c.risk == "NHI1") {
			t.Errorf("%s %s: %+v, %+v", c.risk, c.name, ruling.Denials, ruling.Findings)
		}
	}
	found := policy.Findings(with(only(shell("root", keyOf("machine")))))
	if len(found) != 1 || found[0].Risk != nhi.RiskOverprivileged {
		t.Errorf("without a policy: %+v", found)
	}
}

// Approvers hear of what is found, and a request that is denied is never approved.
func TestChecksInAVerdict(t *testing.T) {
	t.Parallel()
	root := with(only(shell("root", keyOf("machine"))))
	verdict := parse(t, source()).Evaluate(input(t, root, yes("ana")))
	wantStatus(t, verdict, policy.StatusApproved)
	const says = `NHI5:2025: db: "root" is more than a workload needs`
	if len(verdict.Findings) != 1 || !strings.HasPrefix(verdict.Findings[0].String(), says) {
		t.Errorf("findings: %+v", verdict.Findings)
	}
	explained := parse(t, source()).Explain(input(t, root, yes("ana")))
	if len(explained.Found) != 1 || !strings.HasPrefix(explained.Found[0], says) {
		t.Errorf("found: %q", explained.Found)
	}
	wantStatus(t, parse(t, source()+`check "NHI5" { level = "deny" }`).Evaluate(input(t, root, yes("ana"))), policy.StatusDenied)
}

// What the policy denied before any check existed names its risk too.
func TestDenialsNameTheirRisk(t *testing.T) {
	t.Parallel()
	document := parse(t, source()+"protected \"x\" {\n kinds = [\"*\"]\n names = [\"x\"]\n}\n")
	for name, c := range map[string]struct {
		request nhi.Request
		field   string
		want    nhi.Risk
	}{
		"ttl":                             {with(func(r *nhi.Request) { r.TTL = 721 * time.Hour }), policy.FieldTTL, nhi.RiskLongLived},
		"protected":                       {orders(), policy.FieldProtected, nhi.RiskOverprivileged},
		"endpoint of another environment": {with(only(access("orders", "postgres", "sandbox:5432/orders"))), policy.FieldEndpoint, nhi.RiskIsolation},
		"endpoint that nobody knows":      {with(only(access("orders", "postgres", "evil:5432/orders"))), policy.FieldEndpoint, 0},
		"system of another environment only": {with(func(r *nhi.Request) {
			r.Approval = "sandbox/payments/etl/orders-etl:default"
			only(shell("x", keyOf("machine")))(r)
		}), policy.FieldSystem, nhi.RiskIsolation},
	} {
		ruling := document.Rule(c.request)
		if !slices.ContainsFunc(ruling.Denials, func(d policy.Denial) bool { return d.Field == c.field && d.Risk == c.want }) {
			t.Errorf("%s: %+v", name, ruling.Denials)
		}
	}
}

// An insecure login of a system is found, and denied where the policy says so.
func TestWeakSystem(t *testing.T) {
	t.Parallel()
	weak := func(nhi.Access) []string { return []string{"it is clear text"} }
	none := func(nhi.Access) []string { return nil }
	for level, want := range map[string][2]int{"": {0, 1}, `check "NHI4" { level = "warn" }`: {0, 1}, `check "NHI4" { level = "deny" }`: {1, 0}, `check "NHI4" { level = "off" }`: {0, 0}} {
		document := parse(t, source()+level)
		ruling := document.Weak(orders(), weak)
		if got := [2]int{len(ruling.Denials), len(ruling.Findings)}; got != want {
			t.Errorf("%q: %v, want %v", level, got, want)
		}
		if ruling = document.Weak(orders(), none); len(ruling.Denials)+len(ruling.Findings) > 0 {
			t.Errorf("%q: %+v", level, ruling)
		}
	}
}

// A key, or an account that is taken over, of two identities of one run is
// found; one identity may use its own again.
func TestReuseInOneRun(t *testing.T) {
	t.Parallel()
	other := func(r *nhi.Request) { r.Approval = "production/payments/etl/reports:default" }
	second := func(r *nhi.Request) { r.Approval = "production/payments/etl/orders-etl:second" }
	key, account := shell("dump", keyOf("machine")), setting(access("orders", "postgres", "db.internal:5432/orders"), "adopt", nhi.Text("old_etl"))
	var reuse policy.Reuse
	for _, step := range []struct {
		name    string
		request nhi.Request
		want    int
	}{
		{"first", with(only(key)), 0},
		{"again", with(only(key)), 0},
		{"second approval of it", with(func(r *nhi.Request) { only(key)(r); second(r) }), 0},
		{"another identity", with(func(r *nhi.Request) { only(key)(r); other(r) }), 1},
		{"another key", with(func(r *nhi.Request) { only(shell("dump", keyOf("machine 2")))(r); other(r) }), 0},
		{"account", with(only(account)), 0},
		{"account of another", with(func(r *nhi.Request) { only(account)(r); other(r) }), 1},
		{"no account", with(func(r *nhi.Request) { other(r) }), 0},
	} {
		found, _ := reuse.Find(step.request, true)
		if len(found) != step.want {
			t.Errorf("%s: %+v", step.name, found)
		}
		for _, one := range found {
			if one.Risk != nhi.RiskReuse || one.Target != "db" || !strings.Contains(one.Reason, "production/payments/etl/orders-etl") {
				t.Errorf("%s: %+v", step.name, one)
			}
		}
	}
}

// Whichever of the two a run looks at first, the new one is refused; two that
// stand are not.
func TestReuseInAnyOrder(t *testing.T) {
	t.Parallel()
	key := only(shell("dump", keyOf("machine")))
	stands, added := with(key), with(func(r *nhi.Request) { key(r); r.Approval = "production/payments/etl/reports:default" })
	for name, c := range map[string]struct {
		first, second       nhi.Request
		firstNew, secondNew bool
		want                bool
	}{
		"the new one first": {added, stands, true, false, true},
		"the new one last":  {stands, added, false, true, true},
		"none is new":       {stands, added, false, false, false},
	} {
		var reuse policy.Reuse
		_, early := reuse.Find(c.first, c.firstNew)
		found, fresh := reuse.Find(c.second, c.secondNew)
		if early || len(found) != 1 || fresh != c.want {
			t.Errorf("%s: %v, %+v, %v", name, early, found, fresh)
		}
	}
}

// A renewal that keeps its key is found where the policy wants it changed.
func TestUnrotated(t *testing.T) {
	t.Parallel()
	rotate := parse(t, source()+"check \"NHI7\" {\n level = \"deny\"\n rotate = true\n}")
	held, other := with(only(shell("dump", keyOf("machine")))), with(only(shell("dump", keyOf("machine 2"))))
	next := func(request nhi.Request) nhi.Request { request.Term++; return request }
	for _, c := range []struct {
		name            string
		document        *policy.Document
		before, request nhi.Request
		want            int
	}{
		{"same key", rotate, held, next(held), 1},
		{"another key", rotate, held, next(other), 0},
		{"same term", rotate, held, held, 0},
		{"no key", rotate, orders(), next(orders()), 0},
		{"nothing before", rotate, nhi.Request{}, held, 0},
		{"not asked for", parse(t, source()), held, next(held), 0},
	} {
		if found := c.document.Unrotated(c.before, c.request); len(found) != c.want || c.want > 0 && (found[0].Risk != nhi.RiskLongLived || found[0].Target != "db") {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
	if ruling := rotate.Rule(next(held)); len(ruling.Denials) > 0 {
		t.Errorf("denied: %+v", ruling.Denials)
	}
}

// A check that is written wrongly, or could find nothing, is no policy.
func TestChecksAreReadStrictly(t *testing.T) {
	t.Parallel()
	for check, says := range map[string]string{
		`check "NHI11" { level = "deny" }`:                                              "none of NHI1 to NHI10",
		`check "nhi1" { level = "deny" }`:                                               "none of NHI1 to NHI10",
		`check "NHI1" {}`:                                                               `"level" is missing`,
		`check "NHI1" { level = "refuse" }`:                                             `level is "off", "warn" or "deny"`,
		`check "NHI1" { level = "DENY" }`:                                               `level is "off", "warn" or "deny"`,
		"check \"NHI1\" { level = \"off\" }\ncheck \"NHI1\" { level = \"deny\" }":       "stands twice",
		"check \"NHI1\" {\n level = \"deny\"\n max_ttl = \"1h\"\n}":                     `unknown attribute "max_ttl"`,
		`check "NHI6" { level = "deny" }`:                                               `"environments" is missing`,
		`check "NHI7" { level = "warn" }`:                                               "needs max_ttl, max_token_ttl or rotate",
		"check \"NHI7\" {\n level = \"warn\"\n max_ttl = \"soon\"\n}":                   "max_ttl",
		"check \"NHI3\" {\n level = \"warn\"\n approvals = 0\n}":                        `"approvals" must be`,
		"check \"NHI5\" {\n level = \"warn\"\n privileges = []\n}":                      "must not be empty",
		"check \"NHI10\" {\n level = \"warn\"\n no_terminal = \"yes\"\n}":               "must be true or false",
		"check \"NHI10\" {\n level = \"warn\"\n no_terminal = false\n rule \"x\" {}\n}": `unknown block "rule"`,
	} {
		if _, err := policy.Parse([]byte(source() + check)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", check, err)
		}
	}
}
