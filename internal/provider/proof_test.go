package provider_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// believe writes a policy under which rae asks by tokens of an issuer, as the
// actor 4711; more is added to it.
func (w *world) believe(version int, issuer string, more string) {
	w.t.Helper()
	w.policy(version, "", twoOfSecurity+more)
	key := fmt.Sprintf("keys = [%q]", signature.Key(w.people[rae].PublicKey()))
	by := fmt.Sprintf("%s\n  workload \"CI\" {\n    issuer = %q\n    claim \"actor_id\" { values = [\"4711\"] }\n  }", key, issuer)
	w.signPolicy(strings.Replace(w.read("policy.hcl"), key, by, 1))
}

// issuerBlock believes an issuer's tokens for the audience nhi.
func issuerBlock(url, keys string) string {
	return fmt.Sprintf("issuer %q {\n  audiences = [\"nhi\"]\n%s}\n", url, keys)
}

// proving is the provider block of a world whose requester, or runner too, is
// proven as this says.
func (w *world) proving(requester string) string {
	return strings.Replace(w.providerBlock(""), fmt.Sprintf("requester   = { ssh_key_file = %q }", w.keyFile(rae)), requester, 1)
}

// with sets a variable for all commands from now on.
func (w *world) with(name, value string) {
	w.Env = append(w.Env, name+"="+value)
}

const byToken = `requester   = { token_env = "CI_TOKEN" }`

func asRae(more map[string]any) map[string]any {
	claims := map[string]any{"aud": "nhi", "actor_id": 4711}
	for name, value := range more {
		claims[name] = value
	}
	return claims
}

// TestRequesterByToken: a token proves who asks, over the plan that did not know
// it yet; later runs and approvers check that without it, and the ledger holds
// nothing by which it could be used.
func TestRequesterByToken(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	w := newWorld(t)
	w.believe(1, issuer.URL(), issuerBlock(issuer.URL(), ""))
	w.Write(t, "main.tf", w.proving(byToken)+grantOf("720h", externalAccess))
	planned := w.Plan(t, "-out=plan")
	wants(t, planned, 2, "+ required = (known after apply)", "needs 2 of group security", "a token proves who asks at apply")
	token := issuer.Token(asRae(nil))
	w.with("CI_TOKEN", token)
	w.Env = append(w.Env, "TF_LOG=TRACE", "TF_LOG_PATH="+filepath.Join(w.Dir, "trace.log"))
	applied := w.applySaved("plan")
	wants(t, applied, 0, "active = false")
	refuses(t, applied, "It is not proven who asks")
	w.with("CI_TOKEN", "") // the job is over
	wants(t, w.Plan(t), 0, "No changes", "needs 2 of group security")
	shown := w.NHI(t, "show", string(w.etl), "--ledger", ".nhi", "--policy", "policy.hcl")
	wants(t, shown, 0, rae, "proven by a proof over this request, by a token of an issuer that the policy believes")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	wants(t, w.NHI(t, "verify", "--ledger", ".nhi"), 0)
	secret := token[strings.LastIndexByte(token, '.')+1:]
	must(t, filepath.WalkDir(w.Dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) {
			t.Errorf("%s holds the token's signature", path)
		}
		return err
	}))
	// What nobody can check any more is told, and is no fault.
	issuer.Rotate()
	issuer.Forget()
	wants(t, w.NHI(t, "verify", "--ledger", ".nhi"), 0, "cannot be checked")
	wants(t, w.Plan(t), 0, "No changes")
}

// TestThreatForgedToken: no token but a good one proves who asks, and no proof
// serves for another request; the access then takes one approval more.
func TestThreatForgedToken(t *testing.T) {
	t.Parallel()
	issuer, other := testserver.Issuer(t), testserver.Issuer(t)
	w := newWorld(t)
	w.believe(1, issuer.URL(), issuerBlock(issuer.URL(), issuer.PolicyKeys()))
	ask := func(name, token string) testserver.Result {
		w.with("CI_TOKEN", token)
		config := w.proving(byToken) + grantOf("720h", externalAccess)
		w.Write(t, "main.tf", strings.Replace(config, "justification =", fmt.Sprintf("name = %q\n  justification =", name), 1))
		return w.Apply(t)
	}
	past := time.Now().Add(-time.Hour).Unix()
	good := issuer.Token(asRae(nil))
	changed := strings.Split(issuer.Token(asRae(map[string]any{"actor_id": "1"})), ".")
	changed[1] = strings.Split(good, ".")[1]
	for name, c := range map[string]struct{ token, says string }{
		"missing":  {"", "the variable CI_TOKEN is not set"},
		"garbage":  {"a.b.c", "it is malformed"},
		"forged":   {other.Token(asRae(map[string]any{"iss": issuer.URL()})), "its signature does not hold"},
		"changed":  {strings.Join(changed, "."), "its signature does not hold"},
		"others":   {other.Token(asRae(nil)), "the policy has no such issuer"},
		"expired":  {issuer.Token(asRae(map[string]any{"iat": past, "exp": past + 60})), "it has expired"},
		"audience": {issuer.Token(asRae(map[string]any{"aud": "vault"})), "it is for another audience"},
	} {
		result := ask(name, c.token)
		wants(t, result, 0, "It is not proven who asks", c.says, "active = false")
		if c.token != "" && strings.Contains(result.Stdout+result.Stderr, c.token) {
			t.Errorf("%s: the token is printed", name)
		}
		wants(t, w.Plan(t), 0, "needs 3 of group security")
	}
	// A good token of somebody whom the policy does not know is recorded, and counts for nobody.
	wants(t, ask("stranger", issuer.Token(asRae(map[string]any{"actor_id": "1"}))), 0, "active = false")
	wants(t, w.Plan(t), 0, "needs 3 of group security", "its claims are those of nobody in this policy")
	wants(t, ask("good", good), 0, "active = false")
	wants(t, w.Plan(t), 0, "needs 2 of group security")
	w.movedProof(good)
}

// movedProof puts the proof of the approval "good" under the request of
// another one, as whoever can write to the ledger might.
func (w *world) movedProof(token string) {
	w.t.Helper()
	id := func(name string) nhi.ApprovalID {
		return nhi.ApprovalID(strings.Replace(string(w.etl), ":default", ":"+name, 1))
	}
	proof := w.requested(id("good"))
	w.Write(w.t, "main.tf", strings.Replace(w.proving("")+grantOf("720h", externalAccess), "justification =", "name = \"moved\"\n  justification =", 1))
	wants(w.t, w.Apply(w.t), 0, "active = false")
	moved := w.requested(id("moved"))
	moved.Token, moved.Proof = proof.Token, proof.Proof
	book := w.book()
	chain := w.chain(ledger.ApprovalChain(id("moved")))
	chain, err := book.Append(context.Background(), chain, ledger.WithdrawalBody{Request: nhi.DigestOf(moved.Text)}, moved)
	must(w.t, err)
	w.decide(nhi.VerdictApprove, id("moved"), ana, ben)
	wants(w.t, w.Apply(w.t), 0, "active = false")
	wants(w.t, w.Plan(w.t), 0, "needs 3 of group security", "the proof does not hold for this text")
	wants(w.t, w.NHI(w.t, "verify", "--ledger", ".nhi"), 1, fmt.Sprintf("entry %d", chain.Head().Seq), "the proof does not hold for this text")
	if strings.Contains(proof.Token+proof.Proof, token[strings.LastIndexByte(token, '.')+1:]) {
		w.t.Error("the ledger holds a token's signature")
	}
}

// requested is the newest request on record of an approval.
func (w *world) requested(id nhi.ApprovalID) ledger.RequestBody {
	w.t.Helper()
	var newest ledger.RequestBody
	for _, entry := range w.chain(ledger.ApprovalChain(id)).Entries {
		if body, ok := entry.Body.(ledger.RequestBody); ok {
			newest = body
		}
	}
	return newest
}

// TestThreatForgedRunner: a scope that is bound to a runner gets nothing from
// anywhere else, whatever token is shown, and all from that runner.
func TestThreatForgedRunner(t *testing.T) {
	t.Parallel()
	issuer, other := testserver.Issuer(t), testserver.Issuer(t)
	w := newWorld(t)
	bound := "runner \"CI\" {\n environments = [\"production\"]\n scopes = [\"payments/*\"]\n issuer = %q\n claim \"repository\" { values = [\"acme/payments\"] }\n}\n"
	w.policy(1, "", twoOfSecurity+issuerBlock(issuer.URL(), "")+fmt.Sprintf(bound, issuer.URL()))
	run := func(runner string) testserver.Result {
		w.Write(t, "main.tf", strings.Replace(w.providerBlock(""), "requester  ", runner+"\n  requester  ", 1)+grantOf("720h", externalAccess))
		return w.Apply(t)
	}
	claims := func(repository string) map[string]any { return map[string]any{"aud": "nhi", "repository": repository} }
	const fromEnv, fromFile, fromGitHub = `runner = { token_env = "CI_TOKEN" }`, `runner = { token_file = "token" }`, `runner = { github_actions = true }`
	wants(t, run(""), 0, "active = false")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, run(""), 0, "active = false", "nothing proves that this is one")
	for token, says := range map[string]string{
		"": "the variable CI_TOKEN is not set",
		other.Token(map[string]any{"aud": "nhi", "repository": "acme/payments", "iss": issuer.URL()}): "its signature does not hold",
		issuer.Token(claims("acme/other")):                          "is of another one",
		issuer.Token(map[string]any{"repository": "acme/payments"}): "it is for another audience",
	} {
		w.with("CI_TOKEN", token)
		wants(t, run(fromEnv), 0, "active = false", "bound to the runner CI", says)
	}
	wants(t, run(fromFile), 0, "active = false", "no such file")
	wants(t, run(fromGitHub), 0, "active = false", "no job of GitHub Actions")
	w.Env = append(w.Env, issuer.Exchange(claims("acme/other"))...)
	wants(t, run(fromGitHub), 0, "active = false", "is of another one")
	issuer.Exchange(claims("acme/payments"))
	issuer.Cut()
	wants(t, run(fromGitHub), 0, "active = false", "unreachable")
	issuer.Fault(nil)
	wants(t, run(fromGitHub), 0, "active = true")
	wants(t, w.NHI(t, "verify", "--ledger", ".nhi"), 0)
	// Removal asks for no proof.
	w.Write(t, "main.tf", w.providerBlock(""))
	wants(t, w.Apply(t), 0, "3 destroyed")
}

// TestBadProofs: a block that names no place, or two, is an error of the plan.
func TestBadProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	for block, says := range map[string]string{
		`runner = {}`: "must name exactly one of",
		`runner = { token_env = "A", token_file = "b" }`:                                         "must name exactly one of",
		`runner = { token_env = "A B" }`:                                                         "is no name of a variable",
		`runner = { vault = { address = "http://vault.internal:8200", token_env = "A" } }`:       "must start with https://",
		`runner = { vault = { address = "https://vault.internal:8200" } }`:                       "exactly one of token_env and token_file",
		`requester = { ssh_key_file = "x", github_actions = true }`:                              "a key or a token, and not both",
		`requester = { token_env = "A", vault = { address = "https://a:1", token_file = "x" } }`: "must name exactly one of",
		`runner = { token = "eyJ" }`:                                                             "token",
	} {
		w.Write(t, "main.tf", w.proving(block)+grantOf("720h", externalAccess))
		wants(t, w.Plan(t), 1, says)
	}
}
