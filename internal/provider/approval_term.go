package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// approvalMemory is what is kept of an approval in private state: what its
// read has found in the ledger, for the next plan.
type approvalMemory struct {
	// Terms is the highest term of this request on record.
	Terms int `json:"terms"`
	// Due says that the term in force ends within renew_before.
	Due bool `json:"due"`
	// InForce is the text of the request in force; empty where none is.
	InForce string `json:"in_force"`
	// EndsAt is when it ends, for people.
	EndsAt string `json:"ends_at"`
	// Confirmers are the persons of whom one can give all that is missing by
	// confirming a run.
	Confirmers []string `json:"confirmers,omitempty"`
	// Raised and Rewritten say that renewal was raised, or the justification
	// changed, while the identity had ended: it is asked for when that is back.
	Raised    bool `json:"raised,omitempty"`
	Rewritten bool `json:"rewritten,omitempty"`
}

// unasked notes what a change to an identity that has ended does not ask for.
func (m *approvalMemory) unasked(plan, state approvalModel) {
	m.Raised = m.Raised || plan.Renewal.ValueInt64() > state.Renewal.ValueInt64()
	m.Rewritten = m.Rewritten || !plan.Justification.Equal(state.Justification)
}

// term returns the number of the term that a configuration asks for: the first
// one and each renewal, behind those that are on record. It follows from
// configuration and state alone.
func term(plan approvalModel, state *approvalModel, held *ticket, memory approvalMemory) int {
	asked := 1 + int(plan.Renewal.ValueInt64())
	if state == nil || held == nil {
		return asked
	}
	request, err := nhi.ParseRequest(held.Text)
	if err != nil {
		return asked
	}
	now := max(request.Term, memory.Terms)
	switch before := state.Renewal.ValueInt64(); {
	case plan.Renewal.ValueInt64() > before || memory.Raised && plan.Renewal.ValueInt64() == before:
		return max(now+1, asked)
	case memory.Due && !plan.RenewBefore.IsNull():
		return now + 1
	default:
		return now
	}
}

// askedTerm is the term of a request at apply: the one that the plan shows
// where it is known, so that what was planned is what is asked for.
func askedTerm(plan approvalModel, state *approvalModel, memory approvalMemory) int {
	if planned := ticketOf(plan.Ticket); planned.Known {
		if request, err := nhi.ParseRequest(planned.Text); err == nil {
			return request.Term
		}
	}
	if state == nil {
		return term(plan, nil, nil, memory)
	}
	held := ticketOf(state.Ticket)
	return term(plan, state, &held, memory)
}

// recallTerms looks in the ledger for the terms of a request, and for the one
// in force. What cannot be read is left as it was.
func (r *approvalResource) recallTerms(ctx context.Context, state approvalModel, standing lifecycle.Standing, memory *approvalMemory) {
	text := ticketOf(state.Ticket).Text
	if terms, err := r.session.engine.Terms(ctx, text); err == nil {
		memory.Terms = terms
	}
	record, err := r.session.engine.Record(ctx, nhi.ApprovalID(state.ID.ValueString()))
	if err != nil {
		return
	}
	memory.InForce, memory.EndsAt, memory.Due = "", "", false
	if record.Phase != lifecycle.PhaseActive {
		return
	}
	memory.InForce, memory.EndsAt = record.Text, nhi.FormatTime(record.ExpiresAt)
	before, err := nhi.ParseTTL(state.RenewBefore.ValueString())
	if err != nil || state.RenewBefore.IsNull() {
		return
	}
	memory.Due = renewalDue(record, standing, text, before)
}

// renewalDue says whether the next term is to be asked for: the term in force
// is this request's, ends within that time, the identity outlives it, and the policy
// allows a term more.
func renewalDue(record lifecycle.Record, standing lifecycle.Standing, text string, before time.Duration) bool {
	request, err := nhi.ParseRequest(text)
	if err != nil || record.Held != nhi.DigestOf(text) || !request.ReusableUntil.IsZero() {
		return false
	}
	end := standing.Identity.ExpiresAt
	outlives := end.IsZero() || end.After(record.ExpiresAt)
	return standing.Identity.Status == nhi.IdentityActive && outlives && !lastTerm(standing.Policy, request) &&
		!standing.Now.IsZero() && !standing.Now.Before(record.ExpiresAt.Add(-before))
}

// coveredBy returns the digest of the request in force, where it contains the
// wished one and is another: then nobody is asked.
func (r *approvalResource) coveredBy(memory approvalMemory, request nhi.Request, text string) nhi.Digest {
	held, err := nhi.ParseRequest(memory.InForce)
	if err != nil || memory.InForce == text || !held.Contains(request, r.session.engine.Systems.Privilege) {
		return ""
	}
	return nhi.DigestOf(memory.InForce)
}

// checkReuse wants the dates of a reusable approval to make sense.
func checkReuse(plan approvalModel, diags *diag.Diagnostics) {
	if !plan.ReusableUntil.IsNull() && !plan.RenewBefore.IsNull() {
		diags.AddAttributeError(path.Root("renew_before"), "Two ways to go on",
			"An approval with reusable_until is activated again by the grant's trigger. Set either reusable_until or renew_before.")
	}
	ttl, ttlErr := nhi.ParseTTL(plan.TTL.ValueString())
	before, beforeErr := nhi.ParseTTL(plan.RenewBefore.ValueString())
	if !plan.RenewBefore.IsNull() && ttlErr == nil && beforeErr == nil && before >= ttl {
		diags.AddAttributeError(path.Root("renew_before"), "Renewal before the beginning",
			fmt.Sprintf("renew_before (%s) must be shorter than ttl (%s).", nhi.FormatTTL(before), nhi.FormatTTL(ttl)))
	}
}

// atLeastOne wants a number from one on.
type atLeastOne struct{}

// Description implements validator.Int64.
func (atLeastOne) Description(context.Context) string { return "a number from 1 on" }

// MarkdownDescription implements validator.Int64.
func (v atLeastOne) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateInt64 implements validator.Int64.
func (atLeastOne) ValidateInt64(_ context.Context, req validator.Int64Request, resp *validator.Int64Response) {
	const most = 100_000
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if value := req.ConfigValue.ValueInt64(); value < 1 || value > most {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid number", fmt.Sprintf("renewal is a number from 1 to %d.", most))
	}
}
