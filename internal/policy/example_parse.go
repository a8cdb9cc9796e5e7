package policy

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxExamples bounds the examples of one file.
const maxExamples = 1_000

// expectable are the statuses that an example may expect.
var expectable = []Status{StatusApproved, StatusPending, StatusDenied}

// ParseExamples reads a file of examples. It is as strict as Parse, with the
// same errors.
func ParseExamples(src []byte) ([]Example, error) {
	r := &reader{of: "examples"}
	body := r.syntax(src)
	if body == nil {
		return nil, r.err()
	}
	r.shape(body, nil, map[string]int{"test": 1})
	var examples []Example
	names := map[string]bool{}
	for _, block := range r.blocks(body, "test", maxExamples) {
		r.check(block.TypeRange, "test", nhi.CheckText(block.Labels[0]))
		r.once(names, block.TypeRange, "test", block.Labels[0])
		examples = append(examples, r.example(block))
	}
	return examples, r.err()
}

func (r *reader) example(block *hclsyntax.Block) Example {
	body := block.Body
	r.shape(body, []string{"requester", "proven_by", "approve", "approve_with_hardware_key", "deny", "at", "expect", "because", "decided_by"},
		map[string]int{"request": 0, "runner": 0})
	x := Example{Name: block.Labels[0], Line: block.TypeRange.Start.Line}
	x.asks.Requester, _, _ = r.text(body, "requester", false)
	if by, at, ok := r.text(body, "proven_by", false); ok {
		x.asks.ProvenBy = by
		if !slices.Contains([]string{ProvenBySSH, ProvenByOIDC, ProvenByVault}, by) || x.asks.Requester == "" {
			r.fail(at, "proven_by is ssh, oidc or vault, of a requester that is named")
		}
	}
	x.asks.Approve, _ = r.list(body, "approve", false)
	x.asks.Touch, _ = r.list(body, "approve_with_hardware_key", false)
	x.asks.Deny, _ = r.list(body, "deny", false)
	x.because, _ = r.list(body, "because", false)
	x.decidedBy, _ = r.list(body, "decided_by", false)
	slices.Sort(x.decidedBy)
	x.at = r.moment(body, "at")
	if text, at, ok := r.text(body, "expect", true); ok {
		x.expect = Status(text)
		if !slices.Contains(expectable, x.expect) {
			r.fail(at, "expect is approved, pending or denied, not %.40q", text)
		}
	}
	if runner := r.single(body, "runner", false); runner != nil {
		x.asks.Runner = r.runnerProof(runner.Body)
	}
	if request := r.single(body, "request", true); request != nil {
		x.request = r.exampleRequest(request.Body)
	}
	return x
}

// single returns the one block of a type that has no label; nil, and perhaps a
// problem, where there is none.
func (r *reader) single(body *hclsyntax.Body, name string, required bool) *hclsyntax.Block {
	var found *hclsyntax.Block
	for _, block := range body.Blocks {
		switch {
		case block.Type != name || len(block.Labels) != 0:
		case found != nil:
			r.fail(block.TypeRange, "block %q stands twice", name)
		default:
			found = block
		}
	}
	if found == nil && required {
		r.fail(body.SrcRange, "block %q is missing", name)
	}
	return found
}

// moment reads an RFC 3339 time; zero where it is not set.
func (r *reader) moment(body *hclsyntax.Body, name string) time.Time {
	text, at, ok := r.text(body, name, false)
	if !ok {
		return time.Time{}
	}
	moment, err := nhi.ParseTime(text)
	r.check(at, name, err)
	return moment
}

func (r *reader) runnerProof(body *hclsyntax.Body) RunnerProof {
	r.shape(body, []string{"issuer"}, map[string]int{"claims": 0})
	proof := RunnerProof{Claims: map[string]string{}}
	proof.Issuer, _, _ = r.text(body, "issuer", true)
	if claims := r.single(body, "claims", true); claims != nil {
		for name := range claims.Body.Attributes {
			proof.Claims[name], _, _ = r.text(claims.Body, name, true)
		}
	}
	return proof
}

func (r *reader) exampleRequest(body *hclsyntax.Body) exampleRequest {
	r.shape(body, []string{"environment", "scope", "identity", "approval", "owner", "purpose", "kind", "ttl", "reusable_until", "term"},
		map[string]int{"access": 1})
	x := exampleRequest{term: 1, reusableUntil: r.moment(body, "reusable_until")}
	for _, field := range []struct {
		name, otherwise string
		required        bool
		into            *string
	}{
		{"environment", "", true, &x.environment}, {"scope", "", true, &x.scope},
		{"identity", "example", false, &x.identity}, {"approval", "default", false, &x.approval},
		{"owner", "owner@example.com", false, &x.owner}, {"purpose", "An example", false, &x.purpose},
		{"kind", nhi.KindService, false, &x.kind},
	} {
		text, _, _ := r.text(body, field.name, field.required)
		*field.into = or(text, field.otherwise)
	}
	if text, at, ok := r.text(body, "ttl", true); ok {
		ttl, err := nhi.ParseTTL(text)
		r.check(at, "ttl", err)
		x.ttl = ttl
	}
	if _, written := body.Attributes["term"]; written {
		x.term = r.number(body, "term", maxRenewals)
	}
	for _, block := range r.blocks(body, "access", nhi.MaxAccesses) {
		r.check(block.TypeRange, "access", nhi.CheckName(block.Labels[0]))
		x.access = append(x.access, r.exampleAccess(block))
	}
	return x
}

func (r *reader) exampleAccess(block *hclsyntax.Block) exampleAccess {
	r.shape(block.Body, []string{"system", "kind", "endpoint"}, map[string]int{"settings": 0})
	x := exampleAccess{key: block.Labels[0], settings: nhi.Values{}}
	x.system, _, _ = r.text(block.Body, "system", true)
	x.kind, _, _ = r.text(block.Body, "kind", false)
	x.endpoint, _, _ = r.text(block.Body, "endpoint", false)
	settings := r.single(block.Body, "settings", false)
	if settings == nil {
		return x
	}
	for name := range settings.Body.Attributes {
		value, at, ok := r.value(settings.Body, name, true)
		switch {
		case !ok:
		case value.Type() == cty.String && !value.IsNull():
			x.settings[name] = nhi.Text(value.AsString())
		default:
			items, _ := r.list(settings.Body, name, false)
			x.settings[name] = nhi.List(items...)
		}
		r.check(at, "settings", nhi.CheckName(name))
	}
	return x
}
