package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// Bounds of runners.
const (
	maxRunners = 200
	maxClaims  = 50
)

// Runner names where Terraform must run to activate what is asked for in its
// environments and scopes: a request that a runner is for gets nothing from
// anywhere else.
type Runner struct {
	Name         string
	Environments []string // names, or "*" alone
	Scopes       []string // patterns, see MatchScope
	Issuer       string   // of its token, as a URL
	Claims       []Claim  // all of them; at least one, since an issuer alone may serve anybody
}

// Claim is what a token must say.
type Claim struct {
	Name   string
	Values []string // one of them, exactly
}

// RunnerProof is what a verified token says of where Terraform runs, or of who
// asks. The zero RunnerProof proves nothing.
type RunnerProof struct {
	Issuer string
	Claims map[string]string
	Why    string // why nothing is proven, for people; empty where nothing was tried
}

// ProofOf is what a verified token proves.
func ProofOf(token workload.Token) RunnerProof {
	return RunnerProof{Issuer: token.Issuer, Claims: token.Claims}
}

// speaksFor says whether the runner is for a request.
func (r Runner) speaksFor(request nhi.Request) bool {
	return named(r.Environments, request.Environment()) &&
		slices.ContainsFunc(r.Scopes, func(pattern string) bool { return MatchScope(pattern, request.Scope()) })
}

// is says whether the proof is of this runner.
func (r Runner) is(proof RunnerProof) bool { return says(proof, r.Issuer, r.Claims) }

// says whether a proof is of an issuer, and says all of these claims.
func says(proof RunnerProof, issuer string, claims []Claim) bool {
	if proof.Issuer == "" || proof.Issuer != issuer || len(claims) == 0 {
		return false
	}
	for _, claim := range claims {
		value, said := proof.Claims[claim.Name]
		if !said || !slices.Contains(claim.Values, value) {
			return false
		}
	}
	return true
}

// runners are the names of those that a request is bound to; none where it may
// be activated from anywhere.
func (d *Document) runners(request nhi.Request) (names []string) {
	for _, runner := range d.Runners {
		if runner.speaksFor(request) {
			names = append(names, runner.Name)
		}
	}
	return names
}

// proven says whether the proof is of a runner that the request is bound to.
func (d *Document) proven(request nhi.Request, proof RunnerProof) bool {
	return slices.ContainsFunc(d.Runners, func(runner Runner) bool { return runner.speaksFor(request) && runner.is(proof) })
}

func (r *reader) runners(body *hclsyntax.Body, issuers []Issuer) []Runner {
	var runners []Runner
	names := map[string]bool{}
	for _, block := range r.blocks(body, "runner", maxRunners) {
		r.check(block.TypeRange, "runner", nhi.CheckText(block.Labels[0]))
		r.once(names, block.TypeRange, "runner", block.Labels[0])
		r.shape(block.Body, []string{"environments", "scopes", "issuer"}, map[string]int{"claim": 1})
		runner := Runner{Name: block.Labels[0], Environments: r.names(block.Body, "environments"), Scopes: r.scopes(block.Body)}
		runner.Issuer, runner.Claims = r.believed(block, issuers), r.claims(block)
		runners = append(runners, runner)
	}
	return runners
}

func (r *reader) claims(block *hclsyntax.Block) []Claim {
	var claims []Claim
	names := map[string]bool{}
	for _, inner := range r.blocks(block.Body, "claim", maxClaims) {
		r.check(inner.TypeRange, "claim", nhi.CheckText(inner.Labels[0]))
		r.once(names, inner.TypeRange, "claim", inner.Labels[0])
		r.shape(inner.Body, []string{"values"}, nil)
		values, at := r.list(inner.Body, "values", true)
		for _, value := range values {
			r.check(at, "values", nhi.CheckText(value))
		}
		claims = append(claims, Claim{Name: inner.Labels[0], Values: values})
	}
	if len(claims) == 0 {
		r.fail(block.TypeRange, "%s %.60q needs a claim block: an issuer alone may serve anybody", block.Type, block.Labels[0])
	}
	return claims
}
