package provider

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// channels opens the approval channels of the provider block. What is not known
// yet, or cannot be opened, is left out with a warning: nobody's yes comes that
// way, and nothing else fails.
//
// Later says that one of them may be there at apply: a plan must leave open what
// it could decide.
func (p *Provider) channels(block types.Object, diags *diag.Diagnostics) (all []*channel.Open, later bool) {
	if block.IsUnknown() {
		return nil, len(p.options.Channels) > 0
	}
	for _, kind := range p.options.Channels {
		inner, ok := block.Attributes()[kind.Name].(types.Object)
		if !ok || inner.IsNull() {
			continue
		}
		values, unknowns := fieldValues(inner, kind.Settings)
		if inner.IsUnknown() || len(unknowns) > 0 {
			later = true
			continue
		}
		open, errs := channel.NewOpen(kind, values, channel.Options{Getenv: os.Getenv})
		if len(errs) > 0 {
			diags.AddAttributeWarning(path.Root("approvals").AtName(kind.Name), "No confirmation counts in this run",
				sentence(errs[0])+"\n\nApprovals that are signed count as ever.")
			continue
		}
		all = append(all, open)
	}
	return all, later
}

// hears says whether the confirmation of the run that applies a plan may count.
func (s *session) hears() bool { return s.later || len(s.engine.Hosts()) > 0 }

// hosts are where a run could be confirmed, by what is known; all that the policy
// knows, where apply will know more.
func (s *session) hosts(document *policy.Document) []string {
	hosts := s.engine.Hosts()
	for _, approver := range document.Approvers {
		for _, account := range approver.Accounts {
			if s.later {
				hosts = append(hosts, account.Host)
			}
		}
	}
	return hosts
}

// checkChannels wants every value of an approval channel to be good.
func (p *Provider) checkChannels(block types.Object, diags *diag.Diagnostics) {
	for _, kind := range p.options.Channels {
		inner, ok := block.Attributes()[kind.Name].(types.Object)
		if !ok || inner.IsNull() || inner.IsUnknown() {
			continue
		}
		values, unknowns := fieldValues(inner, kind.Settings)
		for _, name := range unknowns {
			delete(values, name)
		}
		_, wrong := setting.Complete(kind.Settings, values)
		for _, err := range wrong {
			diags.AddAttributeError(path.Root("approvals").AtName(kind.Name).AtName(err.Field), "Invalid approval channel", sentence(err))
		}
	}
}

// confirmers are the persons of whom one could approve a new request by
// confirming the run that asks for it, by the policy file.
func (r *approvalResource) confirmers(request nhi.Request) []string {
	if !r.session.hears() || r.session.engine.PolicyFile == "" || r.session.requester.IsUnknown() {
		return nil
	}
	document, err := r.session.engine.PolicyFromFile()
	if err != nil {
		return nil
	}
	asker := r.session.asker(document)
	return document.Confirmers(request, asker != "" || r.session.byToken(), asker, r.session.hosts(document))
}

// asker is the person of the policy who is proven to ask by a key; empty where
// nobody is. Whose a token is, only apply tells.
func (s *session) asker(document *policy.Document) string {
	if s.requester.ValueString() == "" {
		return ""
	}
	signer, err := s.signer()
	if err != nil {
		return ""
	}
	person, _ := document.Person(signer.PublicKey())
	return person.Name
}

// mayConfirm plans what only apply knows: one of these persons can give the
// approval that is missing by confirming the run that applies this plan.
func (r *approvalResource) mayConfirm(plan *approvalModel, t *ticket, request nhi.Request, names []string, diags *diag.Diagnostics) {
	if len(names) == 0 || request.Approval == "" || t.Standing != standingOpen || t.Identity != nhi.IdentityActive || !r.session.hears() {
		return
	}
	t.May = true
	plan.Status = types.StringUnknown()
	plan.ApprovedBy, plan.Findings = types.ListUnknown(types.StringType), types.ListUnknown(types.StringType)
	plan.Ticket = t.object()
	diags.AddAttributeWarning(path.Root("status"), "Confirming this run can approve the access", fmt.Sprintf(
		"%s asks for %s for %s, and one approval is missing. The confirmation of this run%s counts as that, if it is by %s.\n"+
			"Then apply gives the access at once. Confirmed by anybody else, by who asked for the run, or automatically, it only records the request.",
		request.Approval, asks(request, r.session.engine.Systems), nhi.FormatTTL(request.TTL), r.session.onHosts(), anyOf(names)))
}

func (s *session) onHosts() string {
	if hosts := s.engine.Hosts(); len(hosts) > 0 {
		return " on " + strings.Join(hosts, " or ")
	}
	return ""
}

// anyOf writes "ana, ben or cyd".
func anyOf(names []string) string {
	const shown = 10
	more := ""
	if len(names) > shown {
		names, more = names[:shown], fmt.Sprintf(" (or one of %d more)", len(names)-shown)
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1] + more
}

// heard fills in what a plan left to apply: whether the confirmation of this
// run was the yes that was missing. It is no failure where it was not: then the
// approval shows what the next read will find, without that run.
func (r *approvalResource) heard(plan *approvalModel, without, standing lifecycle.Standing, diags *diag.Diagnostics) {
	shown := standing
	if !standing.Approved() && standing.Status != lifecycle.Spent {
		shown = without
	}
	status, findings := shownStatus(shown)
	plan.Status, plan.Findings = types.StringValue(string(status)), list(findings)
	plan.ApprovedBy = list(shown.Verdict.ApprovedBy)
	t := ticketOf(plan.Ticket)
	if t.Standing = standingOpen; standing.Approved() {
		t.Standing = standingApproved
	}
	plan.Ticket = t.object()
	if !standing.Approved() && standing.Status != lifecycle.Spent {
		diags.AddAttributeWarning(path.Root("status"), "The confirmation of this run is no approval", fmt.Sprintf(
			"%s is recorded and waits: %s.\nNothing is granted on it, and nothing failed. Have it approved (nhi approve %s), or have a later run confirmed by a person whose yes counts.",
			plan.ID.ValueString(), strings.Join(append(standing.Unheard, standing.Verdict.Reasons...), "; "), plan.ID.ValueString()))
	}
}

// shownStatus is the status that an approval shows for a standing, and what
// there is to say about it.
func shownStatus(standing lifecycle.Standing) (status policy.Status, findings []string) {
	status, findings = standing.Status, standing.Verdict.Reasons
	switch status {
	case lifecycle.Spent:
		status, findings = policy.StatusApproved, standing.Why()
	case policy.StatusApproved:
		findings = nil
	}
	for _, denial := range standing.Verdict.Denials {
		findings = append(findings, denial.Reason)
	}
	return status, findings
}

// again looks once more at a request that stands, in the apply of a plan that
// left its status open. What it cannot learn changes nothing, and is no failure.
func (r *approvalResource) again(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse, plan, state approvalModel) {
	var memory approvalMemory
	recall(ctx, req.Private, &memory, &resp.Diagnostics)
	asked := plan
	var found diag.Diagnostics
	r.ask(ctx, &asked, &state, memory, &found)
	if found.HasError() {
		for _, problem := range found.Errors() {
			resp.Diagnostics.AddWarning("The confirmation of this run is no approval", problem.Summary()+": "+problem.Detail())
		}
		asked = plan
		t := ticketOf(plan.Ticket)
		t.May, t.Standing = false, standingOpen
		asked.Ticket = t.object()
	} else {
		resp.Diagnostics.Append(found...)
	}
	settle(&asked, state)
	remember(ctx, resp.Private, memory, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, asked)...)
}
