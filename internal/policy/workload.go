package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxWorkloads bounds how many workloads one person may have.
const maxWorkloads = 50

// Workload says which tokens prove that a person asks: those of an issuer that
// say all of this. It proves who asks, and never signs a decision.
type Workload struct {
	Name   string
	Issuer string
	Claims []Claim // all of them, at least one
}

// is says whether the proof is of this workload.
func (w Workload) is(proof RunnerProof) bool { return says(proof, w.Issuer, w.Claims) }

// asker returns the one person whose workload the proof is of. Where it is of
// nobody's, or of two persons', the reason says so.
func (d *Document) asker(proof RunnerProof) (person Approver, problem string) {
	var found []Approver
	for _, approver := range d.Approvers {
		if slices.ContainsFunc(approver.Workloads, func(w Workload) bool { return w.is(proof) }) {
			found = append(found, approver)
		}
	}
	switch len(found) {
	case 0:
		return Approver{}, "its claims are those of nobody in this policy"
	case 1:
		return found[0], ""
	default:
		return Approver{}, "its claims are those of " + found[0].Name + " and of " + found[1].Name
	}
}

func (r *reader) workloads(body *hclsyntax.Body, issuers []Issuer) []Workload {
	var workloads []Workload
	names := map[string]bool{}
	for _, block := range r.blocks(body, "workload", maxWorkloads) {
		r.check(block.TypeRange, "workload", nhi.CheckText(block.Labels[0]))
		r.once(names, block.TypeRange, "workload", block.Labels[0])
		r.shape(block.Body, []string{"issuer"}, map[string]int{"claim": 1})
		workloads = append(workloads, Workload{Name: block.Labels[0], Issuer: r.believed(block, issuers), Claims: r.claims(block)})
	}
	return workloads
}
