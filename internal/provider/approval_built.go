package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// built is a request as far as the configuration lets it be known.
type built struct {
	id             types.String
	request        nhi.Request
	text           string
	known          bool // request and text
	identityStatus nhi.IdentityStatus
}

// ended says whether the identity is known to have ended: it asks for nothing.
func (b built) ended() bool {
	return b.identityStatus != "" && b.identityStatus != nhi.IdentityActive
}

// back says whether the identity had ended and is active again. What was edited
// meanwhile is asked for now.
func (b built) back(held ticket) bool {
	return b.identityStatus == nhi.IdentityActive && held.Identity != nhi.IdentityActive
}

// build makes the request of a configuration. What is unknown leaves it
// unknown; what is wrong is an error on its attribute. Where the ledger cannot
// be asked for its id and held is set, the held one's is used: a request that
// stands must not change because the ledger is away.
func (r *approvalResource) build(model approvalModel, term int, held *ticket, diags *diag.Diagnostics) built {
	b := built{id: types.StringUnknown()}
	read, known := accesses(model.Access, r.kinds, diags)
	subject, subjectKnown := subjectOf(model.Subject)
	if status := textAt(model.Subject, "status"); !status.IsUnknown() {
		b.identityStatus = nhi.IdentityStatus(status.ValueString())
	}
	if diags.HasError() || !subjectKnown || model.Name.IsUnknown() {
		return b
	}
	if !r.session.environment.IsUnknown() && !r.session.scope.IsUnknown() {
		if err := r.session.speaksFor(subject.ID); err != nil {
			failure(diags, path.Root("subject"), "Identity of another scope", err)
			return b
		}
	}
	id, err := nhi.NewApprovalID(subject.ID, model.Name.ValueString())
	if err != nil {
		failure(diags, path.Root("name"), "Invalid approval", err)
		return b
	}
	b.id = types.StringValue(string(id))
	if !known || model.TTL.IsUnknown() || model.ReusableUntil.IsUnknown() || model.Renewal.IsUnknown() {
		return b
	}
	ttl, err := nhi.ParseTTL(model.TTL.ValueString())
	if err != nil {
		failure(diags, path.Root("ttl"), "Invalid duration", err)
		return b
	}
	reusableUntil, _ := nhi.ParseTime(model.ReusableUntil.ValueString()) // checked, or null
	b.request = nhi.Request{Approval: id, Term: term, ReusableUntil: reusableUntil, Owner: subject.Owner, Kind: subject.Kind, Purpose: subject.Purpose, TTL: ttl, Access: read}
	if !locate(r.session.engine.Systems, read, diags) || diags.HasError() {
		return b
	}
	b.request.Ledger = r.ledgerFor(held, diags)
	if diags.HasError() || b.request.Ledger == "" {
		return b
	}
	if b.text, err = b.request.Text(); err != nil {
		failure(diags, path.Root("access"), "Invalid request", err)
		return b
	}
	b.known = true
	return b
}

// ledgerFor returns the id of the ledger that a request is for; empty while
// the provider's ledger is not known yet.
func (r *approvalResource) ledgerFor(held *ticket, diags *diag.Diagnostics) string {
	id, err := r.session.ledgerID()
	if err == nil {
		return id
	}
	if held != nil && held.Known {
		if request, parseErr := nhi.ParseRequest(held.Text); parseErr == nil {
			return request.Ledger
		}
	}
	if !isNotKnownYet(err) {
		failure(diags, path.Root("access"), "Nothing can be requested without the ledger", err)
	}
	return ""
}
