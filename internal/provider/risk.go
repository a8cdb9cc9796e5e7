package provider

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// aboutRisk names the risk that an error keeps out, and its page; empty where it
// is about none.
func aboutRisk(err error) string {
	var risky *nhi.RiskError
	if !errors.As(err, &risky) {
		return ""
	}
	return riskLine(risky.Risk)
}

func riskLine(risk nhi.Risk) string { return "\n\n" + risk.Title() + ": " + risk.Page() }

// warnRisk adds a finding as a warning to the attribute that it is about.
func warnRisk(diags *diag.Diagnostics, at path.Path, finding policy.Finding) {
	const more = "\n\nWhat this is, and how to change the check: "
	if finding.Risk == nhi.RiskLeakage {
		diags.AddWarning(finding.Risk.Title(), unshown(at, finding)+more+finding.Risk.Page())
		return
	}
	diags.AddAttributeWarning(at, finding.Risk.Title(), sentence(errors.New(finding.Reason))+more+finding.Risk.Page())
}

// refuseRisk adds a finding as an error.
func refuseRisk(diags *diag.Diagnostics, at path.Path, finding policy.Finding) {
	if finding.Risk == nhi.RiskLeakage {
		diags.AddError(finding.Risk.Title(), unshown(at, finding)+riskLine(finding.Risk))
		return
	}
	diags.AddAttributeError(at, finding.Risk.Title(), sentence(errors.New(finding.Reason))+riskLine(finding.Risk))
}

// unshown is what is said of a secret. It names the attribute in words: of one
// that a diagnostic points at, Terraform prints the line, secret and all.
func unshown(at path.Path, finding policy.Finding) string {
	return fmt.Sprintf("In %s: %s.", at, finding.Reason)
}

// checks returns the policy whose checks hold in this run; one that says
// nothing where no file can be relied on.
func (s *session) checks() *policy.Document {
	document, err := s.engine.PolicyFromFile()
	if err != nil {
		return &policy.Document{}
	}
	return document
}

// inquired is a request as its checks see it.
type inquired struct {
	request       nhi.Request
	justification string
	before        nhi.Request // what the state holds; zero where there is none
	// fresh and rewritten say that the request, or its justification, is new or
	// changed: what stands is warned of and never refused, and so is another term
	// of it, which may be asked for by itself.
	fresh, rewritten bool
}

// inquire compares what is planned with what the state holds.
func inquire(plan approvalModel, state *approvalModel, memory approvalMemory, request nhi.Request, text string) inquired {
	asked := inquired{request: request, justification: plan.Justification.ValueString(), fresh: true, rewritten: true}
	if state == nil {
		return asked
	}
	asked.rewritten = memory.Rewritten || !plan.Justification.Equal(state.Justification)
	before, err := nhi.ParseRequest(ticketOf(state.Ticket).Text)
	if err != nil {
		return asked
	}
	asked.before, before.Term = before, request.Term
	same, err := before.Text()
	asked.fresh = err != nil || same != text
	return asked
}

// risks sorts what the checks find that the policy's ruling does not deny: what
// is refused, and what people are warned of.
func (s *session) risks(asked inquired) (refused, warned []policy.Finding) {
	document := s.checks()
	sort := func(found []policy.Finding, level policy.Level, changed bool) {
		switch {
		case level == policy.LevelOff:
		case level != policy.LevelWarn && changed:
			refused = append(refused, found...)
		default:
			warned = append(warned, found...)
		}
	}
	ruling := document.Rule(asked.request)
	if document.Digest == "" {
		ruling.Findings = policy.Findings(asked.request)
	}
	for _, finding := range append(ruling.Findings, document.Weak(asked.request, s.engine.Systems.Weak).Findings...) {
		sort([]policy.Finding{finding}, document.Check(finding.Risk).Level, asked.fresh)
	}
	sort(policy.LeakFinding(policy.FieldJustification, asked.justification), document.Check(nhi.RiskLeakage).Level, asked.rewritten)
	warned = append(warned, document.Unrotated(asked.before, asked.request)...)
	reused, fresh := s.reuse.Find(asked.request, asked.fresh)
	sort(reused, document.Check(nhi.RiskReuse).Level, fresh)
	return refused, warned
}

// planRisks tells of risks in a request that is known. A request of an identity
// that has ended asks for nothing.
func (r *approvalResource) planRisks(plan approvalModel, state *approvalModel, memory approvalMemory, b built, diags *diag.Diagnostics) {
	if !b.known || b.identityStatus != nhi.IdentityActive {
		return
	}
	request, err := nhi.ParseRequest(b.text)
	if err != nil {
		return // said where it is asked for
	}
	refused, warned := r.session.risks(inquire(plan, state, memory, request, b.text))
	for _, finding := range refused {
		refuseRisk(diags, riskPath(request, finding.Target, finding.Field), finding)
	}
	for _, finding := range warned {
		warnRisk(diags, riskPath(request, finding.Target, finding.Field), finding)
	}
}

// refuseRisks is planRisks at apply, where everything is known: nothing that is
// refused is recorded.
func (r *approvalResource) refuseRisks(plan approvalModel, state *approvalModel, memory approvalMemory, b built, diags *diag.Diagnostics) {
	if b.identityStatus != nhi.IdentityActive {
		return // its grants go, and nothing may stand in their way
	}
	refused, _ := r.session.risks(inquire(plan, state, memory, b.request, b.text))
	for _, finding := range refused {
		refuseRisk(diags, riskPath(b.request, finding.Target, finding.Field), finding)
	}
}

// identityRisks refuses secrets in the texts of an identity, where they are new
// or changed, and warns of those that stand. A change that ends the identity is
// never refused.
func (s *session) identityRisks(plan identityModel, state *identityModel, diags *diag.Diagnostics) {
	for field, text := range map[string][2]types.String{
		policy.FieldOwner:   {plan.Owner, held(state, func(m identityModel) types.String { return m.Owner })},
		policy.FieldPurpose: {plan.Purpose, held(state, func(m identityModel) types.String { return m.Purpose })},
	} {
		found := policy.LeakFinding(field, text[0].ValueString())
		if len(found) == 0 {
			continue
		}
		switch level := s.checks().Check(nhi.RiskLeakage).Level; {
		case level == policy.LevelOff:
		case level != policy.LevelWarn && !text[0].Equal(text[1]) && plan.Status.ValueString() == string(nhi.IdentityActive):
			refuseRisk(diags, path.Root(field), found[0])
		default:
			warnRisk(diags, path.Root(field), found[0])
		}
	}
}

// refuseIdentityRisks is identityRisks at apply, where everything is known:
// nothing that is refused is recorded.
func (s *session) refuseIdentityRisks(plan identityModel, state *identityModel, diags *diag.Diagnostics) {
	var all diag.Diagnostics
	s.identityRisks(plan, state, &all)
	diags.Append(all.Errors()...)
}

// held is a text of the state; null where there is no state.
func held(state *identityModel, of func(identityModel) types.String) types.String {
	if state == nil {
		return types.StringNull()
	}
	return of(*state)
}

// riskPath is the attribute that a finding or a denial is about.
func riskPath(request nhi.Request, target, field string) path.Path {
	if target == "" {
		switch field {
		case policy.FieldTTL, policy.FieldName, policy.FieldJustification:
			return path.Root(field)
		case policy.FieldOwner, policy.FieldPurpose:
			return path.Root("subject")
		default:
			return path.Root("access")
		}
	}
	at, access := path.Root("access").AtMapKey(target), request.Access[target]
	if slices.Contains([]string{policy.FieldSystem, policy.FieldEndpoint}, field) {
		return at.AtName("system")
	}
	if _, setting := access.Settings[field]; setting {
		return at.AtName(access.Kind).AtName(field)
	}
	return at
}
