package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// vaultURL is a Vault of the tests' policies.
const vaultURL = "https://vault.internal:8200"

// believing is the policy of the tests, which believes tokens of an issuer:
// eve asks by the actor 4711, gil has no key, and vic is an entity of Vault's.
func believing(url, keys string) string {
	eve := fmt.Sprintf("keys = [%q]\n}\n\nenvironment", keyOf("eve"))
	workloadOf := func(issuer, claim, value string) string {
		return fmt.Sprintf("workload \"CI\" {\n issuer = %q\n claim %q { values = [%q] }\n}\n", issuer, claim, value)
	}
	return fmt.Sprintf("issuer %q {\n audiences = [\"nhi\"]\n %s}\nissuer %q { vault = true }\n", url, keys, vaultURL) +
		strings.Replace(source(), eve, fmt.Sprintf("keys = [%q]\n%s}\napprover \"gil@example.com\" {\n%s}\napprover \"vic@example.com\" {\n%s}\n\nenvironment",
			keyOf("eve"), workloadOf(url, "actor_id", "4711"), workloadOf(url, "actor_id", "4712"), workloadOf(vaultURL, "entity_id", "e-1")), 1)
}

// askedWith returns a record of the request, proven by a token of an issuer.
func askedWith(t *testing.T, issuer *testserver.IssuerServer, request nhi.Request, claims map[string]any) policy.Asked {
	t.Helper()
	at := time.Now()
	keys, err := workload.ParseKeys(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := (workload.Issuer{URL: issuer.URL(), Audiences: []string{"nhi", "other"}}).Prove(keys, nhi.NewSecret(issuer.Token(claims)), at, textOf(t, request))
	if err != nil {
		t.Fatal(err)
	}
	return policy.Asked{Proof: proof, At: at}
}

func TestATokenProvesWhoAsks(t *testing.T) {
	t.Parallel()
	issuer, stranger := testserver.Issuer(t), testserver.Issuer(t)
	good := map[string]any{"aud": "nhi", "actor_id": "4711"}
	with := func(asked policy.Asked, change func(*policy.Asked)) policy.Asked {
		change(&asked)
		return asked
	}
	other := orders()
	other.Purpose = "something else"
	for name, c := range map[string]struct {
		asked     policy.Asked
		requester string
		say       string
	}{
		"good":                {askedWith(t, issuer, orders(), good), "eve", ""},
		"of one without keys": {askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": 4712}), "gil", ""},
		"of nobody":           {askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": "1"}), "", "its claims are those of nobody in this policy"},
		"another audience":    {askedWith(t, issuer, orders(), map[string]any{"aud": "other", "actor_id": "4711"}), "", "it is for another audience"},
		"another text":        {askedWith(t, issuer, other, good), "", "the proof does not hold for this text"},
		"another issuer":      {askedWith(t, stranger, orders(), good), "", "is no issuer of this policy"},
		"recorded too late":   {with(askedWith(t, issuer, orders(), good), func(a *policy.Asked) { a.At = a.At.Add(time.Hour) }), "", "it has expired"},
		"recorded too early":  {with(askedWith(t, issuer, orders(), good), func(a *policy.Asked) { a.At = a.At.Add(-time.Hour) }), "", "not valid yet"},
		"recorded at no time": {with(askedWith(t, issuer, orders(), good), func(a *policy.Asked) { a.At = time.Time{} }), "", "the time is not known"},
		"no proof":            {with(askedWith(t, issuer, orders(), good), func(a *policy.Asked) { a.Proof.Signature = "" }), "", "the proof does not hold"},
		"garbage":             {policy.Asked{Proof: workload.Proof{Token: "\x1b[2J"}}, "", "it is malformed"},
	} {
		for _, keys := range []string{issuer.PolicyKeys(), ""} {
			in := input(t, orders(), yes("ana"), yes("ben"))
			in.Asked = []policy.Asked{c.asked}
			fetched, err := workload.ParseKeys(issuer.JWKS())
			if err != nil {
				t.Fatal(err)
			}
			in.Keys = map[string]policy.IssuerKeys{issuer.URL(): {Keys: fetched}}
			verdict := parse(t, believing(issuer.URL(), keys)).Evaluate(in)
			if c.requester != "" {
				if verdict.Status != policy.StatusApproved || verdict.Requester != person(c.requester) || verdict.ProvenBy != policy.ProvenByOIDC {
					t.Errorf("%s: %s, asked by %q (%s): %q", name, verdict.Status, verdict.Requester, verdict.ProvenBy, verdict.Reasons)
				}
				continue
			}
			if verdict.Status != policy.StatusPending || verdict.Requester != "" || verdict.ProvenBy != "" || verdict.Needs[0].Want != 3 {
				t.Errorf("%s: %+v", name, verdict)
			}
			wantReason(t, verdict, c.say)
		}
	}
}

// Whoever asks by a token is the same person as whoever signs by a key.
func TestATokensPersonNeverCounts(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	in := input(t, orders(), yes("ana"), yes("ben"))
	in.Asked = []policy.Asked{askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": "4711"})}
	src := strings.Replace(believing(issuer.URL(), issuer.PolicyKeys()), keyOf("ben"), "x", 1)
	src = strings.Replace(src, keyOf("eve"), keyOf("ben"), 1)
	src = strings.Replace(src, "\"x\"", fmt.Sprintf("%q", keyOf("eve")), 1)
	src = strings.Replace(src, "workload", "groups = [\"security\"]\nworkload", 1) // eve signs with what was ben's key
	verdict := parse(t, src).Evaluate(in)
	wantStatus(t, verdict, policy.StatusPending)
	wantReason(t, verdict, "eve@example.com asked for this access and approved it too")
}

func TestKeysThatAreNotKnownProveNothing(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	document := parse(t, believing(issuer.URL(), ""))
	in := input(t, orders(), yes("ana"), yes("ben"))
	in.Asked = []policy.Asked{askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": "4711"})}
	for words, keys := range map[string]map[string]policy.IssuerKeys{
		"nobody fetched them": nil,
		"is away":             {issuer.URL(): {Err: fmt.Errorf("it is away: %w", nhi.ErrUnreachable)}},
		"no such key":         {issuer.URL(): {}},
	} {
		in.Keys = keys
		verdict := document.Evaluate(in)
		wantStatus(t, verdict, policy.StatusPending)
		wantReason(t, verdict, words)
	}
}

// What a run wrote down of Vault's answer counts only while Vault says the
// same of whoever evaluates.
func TestVaultsWordCountsWhileItStands(t *testing.T) {
	t.Parallel()
	document := parse(t, believing("https://ci.example.com", ""))
	vic := policy.RunnerProof{Issuer: vaultURL, Claims: map[string]string{"entity_id": "e-1"}}
	for name, c := range map[string]struct {
		said, self policy.RunnerProof
		want       string
	}{
		"the same":               {vic, vic, ""},
		"nobody evaluates":       {vic, policy.RunnerProof{}, "is the testimony of a run"},
		"another entity":         {vic, policy.RunnerProof{Issuer: vaultURL, Claims: map[string]string{"entity_id": "e-2"}}, "is the testimony of a run"},
		"another Vault":          {vic, policy.RunnerProof{Issuer: "https://vault.other:8200", Claims: vic.Claims}, "is the testimony of a run"},
		"no entity":              {policy.RunnerProof{Issuer: vaultURL}, policy.RunnerProof{Issuer: vaultURL}, "is of no entity"},
		"a Vault of nobody":      {policy.RunnerProof{Issuer: "https://x:1", Claims: vic.Claims}, vic, "is no Vault of this policy"},
		"an issuer that is none": {policy.RunnerProof{Issuer: "https://ci.example.com", Claims: vic.Claims}, vic, "is no Vault of this policy"},
		"an entity that is nobody": {policy.RunnerProof{Issuer: vaultURL, Claims: map[string]string{"entity_id": "e-2"}},
			policy.RunnerProof{Issuer: vaultURL, Claims: map[string]string{"entity_id": "e-2"}}, "those of nobody"},
	} {
		in := input(t, orders(), yes("ana"), yes("ben"))
		in.Asked, in.Self = []policy.Asked{{Said: c.said, At: now}}, c.self
		verdict := document.Evaluate(in)
		if c.want == "" {
			if verdict.Requester != person("vic") || verdict.ProvenBy != policy.ProvenByVault || verdict.Status != policy.StatusApproved {
				t.Errorf("%s: %+v", name, verdict)
			}
			continue
		}
		if verdict.Requester != "" || verdict.Status != policy.StatusPending {
			t.Errorf("%s: %+v", name, verdict)
		}
		wantReason(t, verdict, c.want)
	}
}

// What is taken at its word is told, held back, and never approved.
func TestWhatIsSupposedIsNeverApproved(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	document := parse(t, believing(issuer.URL(), ""))
	good := askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": "4711"})
	stranger := askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": "1"})
	vault := policy.Asked{Said: policy.RunnerProof{Issuer: vaultURL, Claims: map[string]string{"entity_id": "e-1"}}}
	for name, c := range map[string]struct {
		asked policy.Asked
		held  bool
	}{"a token": {good, true}, "Vault's word": {vault, true}, "a token of nobody": {stranger, false}} {
		in := input(t, orders(), yes("ana"), yes("ben"))
		in.Asked, in.Suppose = []policy.Asked{c.asked}, true
		verdict := document.Evaluate(in)
		if verdict.Status != policy.StatusPending || verdict.HeldBack() != c.held || (verdict.Requester != "") != c.held {
			t.Errorf("%s: %+v", name, verdict)
		}
	}
	// A key that is known decides, whatever may be supposed.
	in := input(t, orders(), yes("ana"), yes("ben"))
	moved := askedWith(t, issuer, orders(), map[string]any{"aud": "nhi", "actor_id": "4711"})
	moved.Proof.Signature = ""
	keys, err := workload.ParseKeys(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	in.Asked, in.Suppose, in.Keys = []policy.Asked{moved}, true, map[string]policy.IssuerKeys{issuer.URL(): {Keys: keys}}
	if verdict := document.Evaluate(in); verdict.HeldBack() || verdict.Requester != "" {
		t.Errorf("a proof that is none: %+v", verdict)
	}
}

func TestIssuersAreStrict(t *testing.T) {
	t.Parallel()
	good := believing("https://ci.example.com", "")
	if d := parse(t, good); len(d.Issuers) != 2 || !d.Issuers[1].Vault || d.Issuers[0].Audiences[0] != "nhi" {
		t.Fatalf("%+v", d.Issuers)
	}
	for name, c := range map[string][3]string{
		"no audience":        {`audiences = ["nhi"]`, ``, `"audiences" is missing`},
		"empty audiences":    {`audiences = ["nhi"]`, `audiences = []`, `must not be empty`},
		"unknown field":      {`audiences = ["nhi"]`, `audiences = ["nhi"]` + "\n trust = true", `unknown attribute "trust"`},
		"a key of no kind":   {`audiences = ["nhi"]`, `audiences = ["nhi"]` + "\n key \"a\" {\n n = \"x\"\n}", `"kty" is missing`},
		"a key that is none": {`audiences = ["nhi"]`, `audiences = ["nhi"]` + "\n key \"a\" {\n kty = \"RSA\"\n}", `is none that is accepted`},
		"a weak key":         {`audiences = ["nhi"]`, `audiences = ["nhi"]` + "\n key \"a\" {\n kty = \"RSA\"\n e = \"AQAB\"\n n = \"" + strings.Repeat("r", 171) + "\"\n}", `is no RSA key of 2048`},
		"a secret as a key":  {`audiences = ["nhi"]`, `audiences = ["nhi"]` + "\n key \"a\" {\n kty = \"oct\"\n k = \"AAAA\"\n}", `unknown attribute "k"`},
		"plain http":         {`issuer "https://ci.example.com" {`, `issuer "http://ci.example.com" {`, `must start with https://`},
		"twice":              {`issuer "https://vault`, `issuer "https://ci.example.com" { audiences = ["x"] }` + "\nissuer \"https://vault", `stands twice`},
		"a Vault's audience": {`{ vault = true }`, "{\n vault = true\n audiences = [\"x\"]\n}", `have no audiences and no keys`},
		"nobody's issuer":    {`issuer "https://vault`, `issuer "https://elsewhere`, `there is no block issuer "https://vault.internal:8200"`},
		"no claim":           {`claim "entity_id" { values = ["e-1"] }`, ``, `workload "CI" needs a claim block`},
		"unknown in one":     {`claim "entity_id" { values = ["e-1"] }`, `claim "entity_id" { values = ["e-1"] }` + "\n groups = []", `unknown attribute "groups"`},
		"in a group":         {`approver "gil@example.com" {`, `approver "gil@example.com" {` + "\n groups = [\"security\"]", `is in groups and has no key`},
		"neither":            {"approver \"gil@example.com\" {", "approver \"hal@example.com\" {\n}\napprover \"gil@example.com\" {", `"keys" is missing`},
	} {
		_, err := policy.Parse([]byte(strings.Replace(good, c[0], c[1], 1)))
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %q", name, err, c[2])
		}
	}
	runner := strings.Replace(runnerBlock, `issuer "https://ci.example.com" { audiences = ["nhi"] }`, "", 1)
	if _, err := policy.Parse([]byte(source() + runner)); err == nil || !strings.Contains(err.Error(), "there is no block issuer") {
		t.Errorf("a runner of an issuer that is not believed: %v", err)
	}
	// A token that fits two persons proves neither.
	twice := strings.Replace(good, `["4712"]`, `["4711"]`, 1)
	in := input(t, orders(), yes("ana"), yes("ben"))
	in.Self = policy.RunnerProof{Issuer: vaultURL, Claims: map[string]string{"entity_id": "e-1"}}
	in.Asked = []policy.Asked{{Said: in.Self}}
	twice = strings.Replace(twice, "approver \"gil@example.com\" {\n", "approver \"gil@example.com\" {\nworkload \"V\" {\n issuer = \""+vaultURL+"\"\n claim \"entity_id\" { values = [\"e-1\"] }\n}\n", 1)
	wantReason(t, parse(t, twice).Evaluate(in), "its claims are those of gil@example.com and of vic@example.com")
}
