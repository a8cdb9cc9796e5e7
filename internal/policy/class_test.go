package policy_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// token is a hardware key in software, that follows from its name.
type token struct {
	private ed25519.PrivateKey
	public  ssh.PublicKey
}

func tokenOf(name string) token {
	seed := sha256.Sum256([]byte("nhi test token " + name))
	private := ed25519.NewKeyFromSeed(seed[:])
	public, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, private.Public().(ed25519.PublicKey), "ssh:"}))
	if err != nil {
		panic(err)
	}
	return token{private, public}
}

func (k token) PublicKey() ssh.PublicKey { return k.public }

func (k token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, text := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	signed := append(app[:], 1, 0, 0, 0, 7)
	signed = append(signed, text[:]...)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, signed),
		Rest: binary.BigEndian.AppendUint32([]byte{1}, 7)}, nil
}

// classes is a policy with everything that source has not. Ana has a hardware
// key besides; dora is in both groups.
func classes(rules string) string {
	return fmt.Sprintf(`ledger          = %q
version         = 4
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h"

approver "ana@example.com" {
  keys   = [%q, %q]
  groups = ["security"]
}
approver "ben@example.com" {
  keys   = [%q]
  groups = ["security"]
}
approver "dora@example.com" {
  keys   = [%q]
  groups = ["security", "data"]
}
approver "finn@example.com" {
  keys   = [%q]
  groups = ["data"]
}
approver "eve@example.com" {
  keys = [%q]
}
environment "production" {
  system "orders" { postgres = "db.internal:5432/orders" }
  system "bastion" { ssh = "SHA256:bastion" }
}
%s
`, ledgerID, keyOf("ana"), signature.Key(tokenOf("ana").PublicKey()), keyOf("ben"), keyOf("dora"), keyOf("finn"), keyOf("eve"), rules)
}

// rule is a rule for everything in production, with more in it.
func rule(name, more string) string {
	return fmt.Sprintf("rule %q {\n environments = [\"production\"]\n scopes = [\"**\"]\n systems = [\"*\"]\n max_ttl = \"720h\"\n %s\n}\n", name, more)
}

const oneOfSecurity = "quorum \"security\" { count = 1 }"

func supposed(t testing.TB, d *policy.Document, s policy.Supposition) policy.Explanation {
	t.Helper()
	if s.Request.Ledger == "" {
		s.Request = orders()
	}
	if s.Now.IsZero() {
		s.Now = now
	}
	explained, err := d.Suppose(s)
	if err != nil {
		t.Fatal(err)
	}
	return explained
}

func byEve(names ...string) policy.Supposition {
	s := policy.Supposition{Requester: person("eve")}
	for _, name := range names {
		s.Approve = append(s.Approve, person(name))
	}
	return s
}

func wantExplained(t *testing.T, name string, e policy.Explanation, want policy.Status, words string) {
	t.Helper()
	all := fmt.Sprint(e)
	if e.Status != want || !strings.Contains(all, words) {
		t.Errorf("%s: %s, want %s and %q in %s", name, e.Status, want, words, all)
	}
}

// A condition holds, does not, or cannot be told: only the first lets anybody
// in, and the last never makes another rule decide.
func TestConditions(t *testing.T) {
	t.Parallel()
	open := rule("open", `approval = "no approval needed"`)
	condition := func(expression string) string {
		return oneOfSecurity + fmt.Sprintf("\n condition \"it must be\" { expression = %q }", expression)
	}
	for name, c := range map[string]struct {
		rules string
		want  policy.Status
		words string
	}{
		"true":               {rule("a", condition("request.ttl <= duration('24h') && identity.kind == 'service'")), "approved", ""},
		"false":              {rule("a", condition("identity.kind == 'agent'")), "denied", `requires: it must be`},
		"error":              {rule("a", condition("access.settings['missing'][0] == 'x'")), "denied", "cannot be told"},
		"error or true":      {rule("a", condition("access.settings['missing'][0] == 'x' || true")), "approved", ""},
		"a list":             {rule("a", condition("access.settings.roles.all(r, r == 'x')")), "approved", ""},
		"all accesses":       {rule("a", condition("request.access.exists(a, a.kind == 'postgres' && a.system == 'orders')")), "approved", ""},
		"requester":          {rule("a", condition("requester.proven && requester.name.startsWith('eve@')")), "approved", ""},
		"another requester":  {rule("a", condition("requester.name == 'ben@example.com'")), "pending", "requires: it must be"},
		"late error":         {rule("a", condition("runner.claims['missing'] == 'x'")), "pending", "cannot be told"},
		"time":               {rule("a", condition("now < timestamp('2030-02-01T00:00:00Z')")), "approved", ""},
		"another time":       {rule("a", condition("now.getFullYear() == 2029")), "pending", "requires: it must be"},
		"when true":          {rule("a", "when = \"access.kind == 'postgres'\"\n"+oneOfSecurity), "approved", ""},
		"when false":         {rule("a", "when = \"access.kind == 'ssh'\"\n"+oneOfSecurity) + open, "approved", "its when is false"},
		"when false, alone":  {rule("a", "when = \"access.kind == 'ssh'\"\n"+oneOfSecurity), "denied", "no rule of the policy matches"},
		"when error":         {rule("a", "when = \"access.settings['missing'][0] == 'x'\"\n"+oneOfSecurity) + open, "denied", "cannot be told"},
		"before a when":      {open + rule("a", "when = \"access.settings['missing'][0] == 'x'\"\n"+oneOfSecurity), "approved", ""},
		"approval, by name":  {rule("a", "when = \"request.approval == 'default' && request.term == 1 && !request.reusable\"\n"+oneOfSecurity), "approved", ""},
		"no approval, false": {rule("a", "approval = \"no approval needed\"\n condition \"x\" { expression = \"false\" }"), "denied", "requires: x"},
		"no approval, late":  {rule("a", "approval = \"no approval needed\"\n condition \"x\" { expression = \"now < timestamp('2029-01-01T00:00:00Z')\" }"), "pending", "requires: x"},
	} {
		wantExplained(t, name, supposed(t, parse(t, classes(c.rules)), byEve("ben")), c.want, c.words)
	}
}

// A plan knows no time: what depends on one is never promised.
func TestWhatAPlanCannotTell(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]bool{
		"": false,
		"condition \"x\" { expression = \"identity.kind == 'service'\" }":                              false,
		"condition \"x\" { expression = \"requester.proven\" }":                                        true,
		"condition \"x\" { expression = \"now > timestamp('2020-01-01T00:00:00Z')\" }":                 true,
		"window \"x\" {\n days = [\"mon\"]\n from = \"00:00\"\n until = \"24:00\"\n zone = \"UTC\"\n}": true,
	} {
		document := parse(t, classes(rule("a", `approval = "no approval needed"`+"\n"+more)))
		if got := document.Rule(orders()).AtApply; got != want {
			t.Errorf("%q: %v", more, got)
		}
	}
	bound := parse(t, classes(rule("a", `approval = "no approval needed"`)+runnerBlock))
	if !bound.Rule(orders()).AtApply {
		t.Error("a scope bound to a runner is promised by a plan")
	}
}

func TestExpressionsAreChecked(t *testing.T) {
	t.Parallel()
	for expression, say := range map[string]string{
		"identity.team == 'x'":            "undefined field 'team'",
		"request.ttl <= 24":               "no matching overload",
		"request.ttl":                     "must be true or false",
		"1 +":                             "Syntax error",
		"nobody":                          "undeclared reference",
		"duration('1 day') < request.ttl": "invalid duration",
		"identity.name.matches('(')":      "invalid matches argument",
		"access.settings.roles":           "must be true or false",
		"request.access.all(a, request.access.all(b, request.access.all(c, a.key == b.key || b.key == c.key)))": "may cost more",
		"request.access.all(a, a.settings.all(n, a.settings[n].all(r, r.matches('^[a-z]+$'))))":                 "may cost more",
		"'" + strings.Repeat("x", 5000) + "' == ''":                                                             "longer than",
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300):                                            "",
	} {
		_, err := policy.Parse([]byte(classes(rule("a", oneOfSecurity+fmt.Sprintf("\n condition \"x\" { expression = %q }", expression)))))
		if say == "" {
			continue // must only return
		}
		if err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), "policy line 3") {
			t.Errorf("%.80s: %v", expression, err)
		}
	}
	_, err := policy.Parse([]byte(classes(rule("a", oneOfSecurity+"\n when = \"requester.proven\""))))
	if err == nil || !strings.Contains(err.Error(), "when may look at request, identity and access only") {
		t.Errorf("when: %v", err)
	}
}

const runnerBlock = `
issuer "https://ci.example.com" { audiences = ["nhi"] }
runner "payments CI" {
  environments = ["production"]
  scopes       = ["payments/**"]
  issuer       = "https://ci.example.com"
  claim "repository" { values = ["acme/payments", "acme/etl"] }
  claim "ref" { values = ["refs/heads/main"] }
}
`

// A scope that is bound to a runner gets nothing without it.
func TestRunner(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("a", oneOfSecurity)+runnerBlock))
	good := map[string]string{"repository": "acme/etl", "ref": "refs/heads/main", "more": "x"}
	for name, c := range map[string]struct {
		proof policy.RunnerProof
		want  policy.Status
	}{
		"none":             {policy.RunnerProof{}, "pending"},
		"this one":         {policy.RunnerProof{Issuer: "https://ci.example.com", Claims: good}, "approved"},
		"another issuer":   {policy.RunnerProof{Issuer: "https://ci.example.org", Claims: good}, "pending"},
		"no issuer":        {policy.RunnerProof{Claims: good}, "pending"},
		"another claim":    {policy.RunnerProof{Issuer: "https://ci.example.com", Claims: map[string]string{"repository": "acme/payments", "ref": "refs/heads/x"}}, "pending"},
		"a claim too few":  {policy.RunnerProof{Issuer: "https://ci.example.com", Claims: map[string]string{"repository": "acme/payments"}}, "pending"},
		"claims of nobody": {policy.RunnerProof{Issuer: "https://ci.example.com"}, "pending"},
	} {
		s := byEve("ben")
		s.Runner = c.proof
		words := ""
		if c.want == "pending" {
			words = "bound to the runner payments CI"
		}
		wantExplained(t, name, supposed(t, document, s), c.want, words)
	}
	elsewhere := byEve("ben")
	elsewhere.Request = orders()
	elsewhere.Request.Approval = "production/billing/etl/orders-etl:default"
	wantExplained(t, "another scope", supposed(t, document, elsewhere), "approved", "")
}

func TestWindows(t *testing.T) {
	t.Parallel()
	window := func(days, from, until, zone string) string {
		return fmt.Sprintf("window \"office hours\" {\n days = [%s]\n from = %q\n until = %q\n zone = %q\n}\n", days, from, until, zone)
	}
	weekdays := `"mon", "tue", "wed", "thu", "fri"`
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	office := parse(t, classes(rule("a", oneOfSecurity+"\n"+window(weekdays, "08:00", "18:00", "Europe/Berlin"))))
	for text, want := range map[string]policy.Status{
		"2030-01-10T06:59:59Z": "pending", "2030-01-10T07:00:00Z": "approved", // winter: one hour
		"2030-01-10T16:59:59Z": "approved", "2030-01-10T17:00:00Z": "pending",
		"2030-07-10T06:00:00Z": "approved", "2030-07-10T16:00:00Z": "pending", // summer: two hours
		"2030-01-12T12:00:00Z": "pending", // Saturday
	} {
		s := byEve("ben")
		s.Now = at(text)
		wantExplained(t, text, supposed(t, office, s), want, "")
	}
	for name, c := range map[string]struct{ window, say string }{
		"no day":     {window("", "08:00", "18:00", "UTC"), "must not be empty"},
		"a long day": {window(`"monday"`, "08:00", "18:00", "UTC"), "none of sun"},
		"backwards":  {window(weekdays, "18:00", "08:00", "UTC"), "two windows"},
		"midnight":   {window(weekdays, "08:00", "00:00", "UTC"), "two windows"},
		"25:00":      {window(weekdays, "08:00", "25:00", "UTC"), "no time of the day"},
		"8:00":       {window(weekdays, "8:00", "18:00", "UTC"), "no time of the day"},
		"local":      {window(weekdays, "08:00", "18:00", "Local"), "no time zone"},
		"no zone":    {window(weekdays, "08:00", "18:00", ""), "no time zone"},
		"nowhere":    {window(weekdays, "08:00", "18:00", "Europe/Atlantis"), "no time zone"},
	} {
		if _, err := policy.Parse([]byte(classes(rule("a", oneOfSecurity+"\n"+c.window)))); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProtectedPrincipals(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("a", oneOfSecurity)+`
protected "superusers" {
  kinds = ["postgres"]
  names = ["postgres", "rds_*", "a/*/z"]
}
protected "that one server" {
  kinds     = ["*"]
  endpoints = ["SHA256:*"]
  names     = ["root"]
}
`))
	for name, c := range map[string]struct {
		kind, endpoint string
		value          nhi.Value
		want           policy.Status
	}{
		"a role":             {"postgres", "db.internal:5432/orders", nhi.List("orders_ro", "postgres"), "denied"},
		"in capitals":        {"postgres", "db.internal:5432/orders", nhi.List("Postgres"), "denied"},
		"by pattern":         {"postgres", "db.internal:5432/orders", nhi.List("rds_superuser"), "denied"},
		"over slashes":       {"postgres", "db.internal:5432/orders", nhi.Text("a/b/c/z"), "denied"},
		"a text":             {"postgres", "db.internal:5432/orders", nhi.Text("postgres"), "denied"},
		"part of a name":     {"postgres", "db.internal:5432/orders", nhi.List("postgres_ro"), "approved"},
		"of another kind":    {"postgres", "db.internal:5432/orders", nhi.List("root"), "approved"},
		"at an endpoint":     {"ssh", "SHA256:bastion", nhi.List("root"), "denied"},
		"postgres is no ssh": {"ssh", "SHA256:bastion", nhi.List("postgres"), "approved"},
	} {
		request := orders()
		system := map[string]string{"postgres": "orders", "ssh": "bastion"}[c.kind]
		request.Access = nhi.Accesses{"x": {System: system, Kind: c.kind, Endpoint: c.endpoint, Settings: nhi.Values{"anything": c.value}}}
		s := byEve("ben")
		s.Request = request
		words := ""
		if c.want == "denied" {
			words = "no grant may touch it"
		}
		wantExplained(t, name, supposed(t, document, s), c.want, words)
	}
}

func TestRenewalsEnd(t *testing.T) {
	t.Parallel()
	for terms, want := range map[int]policy.Status{1: "approved", 3: "approved", 4: "denied"} {
		s := byEve("ben")
		s.Request = orders()
		s.Request.Term = terms
		wantExplained(t, fmt.Sprint(terms), supposed(t, parse(t, classes(rule("a", "max_renewals = 2\n"+oneOfSecurity))), s), want, "")
	}
	s := byEve("ben")
	s.Request = orders()
	s.Request.Term = 2
	wantExplained(t, "none at all", supposed(t, parse(t, classes(rule("a", "max_renewals = 0\n"+oneOfSecurity))), s), "denied", "renewal 1")
}

const delegateBlock = `
delegate "payments" {
  environments = ["production"]
  scopes       = ["payments/**"]
  systems      = ["orders"]
  groups       = ["data"]
  max_ttl      = "48h"
  max_renewals = 1
  rule "payments decide" {
    max_ttl = "48h"
    %s
    quorum "data" { count = 1 }
  }
}
`

// A delegate's rules decide within its limits, and nowhere else.
func TestDelegate(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(fmt.Sprintf(delegateBlock, "")+rule("platform", "quorum \"security\" { count = 2 }")))
	for name, c := range map[string]struct {
		change func(*nhi.Request)
		want   policy.Status
		words  string
	}{
		"its own":        {func(*nhi.Request) {}, "approved", "payments decide"},
		"another scope":  {func(r *nhi.Request) { r.Approval = "production/billing/x:default" }, "pending", "outside of what"},
		"another system": {func(r *nhi.Request) { r.Access = nhi.Accesses{"x": access("bastion", "ssh", "SHA256:bastion")} }, "pending", "platform"},
		"too long":       {func(r *nhi.Request) { r.TTL = 72 * time.Hour }, "denied", "longer than 48h"},
		"renewed twice":  {func(r *nhi.Request) { r.Term = 3 }, "denied", "renewal 2"},
	} {
		s := byEve("finn")
		s.Request = orders()
		c.change(&s.Request)
		e := supposed(t, document, s)
		if e.Status != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, e.Status, c.want, e)
		}
		_ = c.words
	}
	wide := parse(t, classes(fmt.Sprintf(delegateBlock, "scopes = [\"**\"]\n systems = [\"*\"]")))
	s := byEve("finn")
	s.Request = orders()
	s.Request.Approval = "production/billing/x:default"
	wantExplained(t, "a rule wider than its delegate", supposed(t, wide, s), "denied", `outside of what delegate "payments" may decide`)
	for more, say := range map[string]string{
		"quorum \"security\" { count = 1 }": "none of the groups of delegate",
		"approval = \"no approval needed\"": "no approval is needed",
		"scopes = [\"***\"]":                "scopes",
		"max_renewals = -1":                 "must not be used",
		"when = \"requester.proven\"":       "when may look at",
	} {
		if _, err := policy.Parse([]byte(classes(fmt.Sprintf(delegateBlock, more)))); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", more, err)
		}
	}
	long := strings.Replace(fmt.Sprintf(delegateBlock, ""), `max_ttl      = "48h"`, `max_ttl = "1h"`, 1)
	if _, err := policy.Parse([]byte(classes(long))); err == nil || !strings.Contains(err.Error(), "longer than 1h") {
		t.Errorf("longer than its delegate: %v", err)
	}
	none := strings.Replace(fmt.Sprintf(delegateBlock, `approval = "no approval needed"`), `quorum "data" { count = 1 }`, "", 1)
	if _, err := policy.Parse([]byte(classes(none))); err == nil || !strings.Contains(err.Error(), "need a quorum") {
		t.Errorf("without approval: %v", err)
	}
}

// Where a rule wants distinct persons, dora is one of security or of data.
func TestDistinctPersons(t *testing.T) {
	t.Parallel()
	quorums := "quorum \"security\" { count = 1 }\n quorum \"data\" { count = 1 }\n"
	twice := parse(t, classes(rule("a", quorums)))
	once := parse(t, classes(rule("a", "distinct_persons = true\n"+quorums)))
	for name, c := range map[string]struct {
		by         []string
		both, each policy.Status
	}{
		"dora alone":    {[]string{"dora"}, "approved", "pending"},
		"dora and ben":  {[]string{"dora", "ben"}, "approved", "approved"},
		"dora and finn": {[]string{"dora", "finn"}, "approved", "approved"},
		"ben and ana":   {[]string{"ben", "ana"}, "pending", "pending"},
	} {
		wantExplained(t, name+", counted in both", supposed(t, twice, byEve(c.by...)), c.both, "")
		wantExplained(t, name+", distinct", supposed(t, once, byEve(c.by...)), c.each, "")
	}
	wantExplained(t, "says whom it still needs", supposed(t, once, byEve("dora")), "pending", "needs 1 of data, has 0")
	for _, never := range []string{
		"distinct_persons = true\n quorum \"security\" { count = 3 }\n quorum \"data\" { count = 2 }",
		"hardware_keys = true\n quorum \"security\" { count = 2 }",
		"distinct_persons = true\n approval = \"no approval needed\"",
	} {
		if _, err := policy.Parse([]byte(classes(rule("a", never)))); err == nil {
			t.Errorf("parsed: %s", never)
		}
	}
}

// Where a rule wants hardware keys, only what one signed counts; a later yes by
// another key takes nothing away.
func TestHardwareKeys(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("a", "hardware_keys = true\n"+oneOfSecurity)))
	soft := yes("ana").signed(t)
	text, err := vote{key: "ana", at: time.Hour}.decision(t).Text()
	if err != nil {
		t.Fatal(err)
	}
	list, err := nhi.DecisionList([]string{text})
	if err != nil {
		t.Fatal(err)
	}
	block, err := signature.Sign(tokenOf("ana"), signature.NamespaceDecision, list)
	if err != nil {
		t.Fatal(err)
	}
	hard := nhi.SignedDecision{Text: text, List: list, Signature: block}
	for name, c := range map[string]struct {
		signed []nhi.SignedDecision
		want   policy.Status
		reason string
	}{
		"by a file":     {[]nhi.SignedDecision{soft}, "pending", "without a hardware key"},
		"by a token":    {[]nhi.SignedDecision{hard}, "approved", ""},
		"by both":       {[]nhi.SignedDecision{hard, soft}, "approved", ""},
		"and withdrawn": {[]nhi.SignedDecision{hard, soft, no("ana", nhi.VerdictWithdraw, 0).signed(t)}, "pending", "took it back"},
	} {
		in := input(t, orders())
		in.Decisions = c.signed
		verdict := document.Evaluate(in)
		if verdict.Status != c.want {
			t.Errorf("%s: %s, want %s: %q", name, verdict.Status, c.want, verdict.Reasons)
		}
		if c.reason != "" {
			wantReason(t, verdict, c.reason)
		}
	}
	supposition := byEve()
	supposition.Touch = []string{person("ana")}
	wantExplained(t, "supposed", supposed(t, document, supposition), "approved", "with hardware keys")
	supposition.Touch = []string{person("ben")}
	supposition.Request, supposition.Now = orders(), now
	if _, err := document.Suppose(supposition); err == nil {
		t.Error("ben has no hardware key")
	}
}
