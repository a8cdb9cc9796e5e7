package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// identityModel is nhi_identity in Terraform.
type identityModel struct {
	ID        types.String `tfsdk:"id"`
	Name      types.String `tfsdk:"name"`
	Owner     types.String `tfsdk:"owner"`
	Purpose   types.String `tfsdk:"purpose"`
	Kind      types.String `tfsdk:"kind"`
	TTL       types.String `tfsdk:"ttl"`
	ExpiresAt types.String `tfsdk:"expires_at"`
	Enabled   types.Bool   `tfsdk:"enabled"`
	Source    types.String `tfsdk:"source"`
	Status    types.String `tfsdk:"status"`
	Findings  types.List   `tfsdk:"findings"`
	Subject   types.Object `tfsdk:"subject"`
}

// subjectTypes are the attributes of a subject: what an approval must know of
// an identity, decided by plan and apply alone.
var subjectTypes = map[string]attr.Type{
	"id": types.StringType, "owner": types.StringType, "purpose": types.StringType,
	"kind": types.StringType, "status": types.StringType,
}

// subject builds the object; each part may be unknown.
func (m identityModel) subject() types.Object {
	return types.ObjectValueMust(subjectTypes, map[string]attr.Value{
		"id": m.ID, "owner": m.Owner, "purpose": m.Purpose, "kind": m.Kind, "status": m.Status,
	})
}

// identity turns the model into the noun, with the given end.
func (m identityModel) identity(expires time.Time) nhi.Identity {
	return nhi.Identity{
		ID: nhi.IdentityID(m.ID.ValueString()), Owner: m.Owner.ValueString(), Purpose: m.Purpose.ValueString(),
		Kind: m.Kind.ValueString(), Status: nhi.IdentityStatus(m.Status.ValueString()), ExpiresAt: expires,
	}
}

// subjectOf reads a subject object; known is false while any part is unknown.
func subjectOf(object types.Object) (subject nhi.Identity, known bool) {
	if object.IsNull() || object.IsUnknown() {
		return subject, false
	}
	for name := range subjectTypes {
		if textAt(object, name).IsUnknown() {
			return subject, false
		}
	}
	return nhi.Identity{
		ID: nhi.IdentityID(textAt(object, "id").ValueString()), Owner: textAt(object, "owner").ValueString(),
		Purpose: textAt(object, "purpose").ValueString(), Kind: textAt(object, "kind").ValueString(),
		Status: nhi.IdentityStatus(textAt(object, "status").ValueString()),
	}, true
}

// end computes the end of an identity that began at start.
func (m identityModel) end(start time.Time) (time.Time, error) {
	if !m.TTL.IsNull() {
		ttl, err := nhi.ParseTTL(m.TTL.ValueString())
		return start.UTC().Truncate(time.Second).Add(ttl), err
	}
	return nhi.ParseTime(m.ExpiresAt.ValueString())
}

// statusAt is the status of an identity at a time: one that is active on
// record ends when its end has come.
func statusAt(identity nhi.Identity, now time.Time) nhi.IdentityStatus {
	if identity.Status == nhi.IdentityActive && !identity.ExpiresAt.IsZero() && !now.Before(identity.ExpiresAt) {
		return nhi.IdentityExpired
	}
	return identity.Status
}
