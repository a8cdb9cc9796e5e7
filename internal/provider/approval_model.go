package provider

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// approvalModel is nhi_approval in Terraform.
type approvalModel struct {
	ID            types.String `tfsdk:"id"`
	Subject       types.Object `tfsdk:"subject"`
	Name          types.String `tfsdk:"name"`
	Access        types.Map    `tfsdk:"access"`
	Justification types.String `tfsdk:"justification"`
	TTL           types.String `tfsdk:"ttl"`
	OnPending     types.String `tfsdk:"on_pending"`
	ReusableUntil types.String `tfsdk:"reusable_until"`
	Renewal       types.Int64  `tfsdk:"renewal"`
	RenewBefore   types.String `tfsdk:"renew_before"`
	Request       types.String `tfsdk:"request"`
	Status        types.String `tfsdk:"status"`
	CoveredBy     types.String `tfsdk:"covered_by"`
	Required      types.List   `tfsdk:"required"`
	ApprovedBy    types.List   `tfsdk:"approved_by"`
	Findings      types.List   `tfsdk:"findings"`
	Ticket        types.Object `tfsdk:"ticket"`
}

// What a grant may plan from a ticket.
const (
	standingOpen    = "open"    // pending, until it is approved
	standingAssured = "assured" // active at once, or the run fails
	// standingApproved is what an apply makes of a ticket that its plan left open,
	// because the confirmation of the run was the yes that was missing.
	standingApproved = "approved"
)

// ticketTypes are the attributes of a ticket: what a grant must know of its
// approval, decided by plan and apply alone.
var ticketTypes = map[string]attr.Type{
	"request": types.StringType, "text": types.StringType, "identity_status": types.StringType, "standing": types.StringType,
}

// ticket is the Go form of a ticket. Text is empty while it is not known.
type ticket struct {
	Request  nhi.Digest
	Text     string
	Identity nhi.IdentityStatus // empty while it is not known
	Standing string
	Known    bool // request and text are known
	// May says, in a plan, that only apply knows whether the request is approved:
	// the confirmation of the run may be what is missing. It ends with the apply.
	May bool
}

// object writes a ticket; what is not known yet is unknown.
func (t ticket) object() types.Object {
	values := map[string]attr.Value{
		"request": types.StringUnknown(), "text": types.StringUnknown(),
		"identity_status": types.StringUnknown(), "standing": types.StringValue(t.Standing),
	}
	if t.Known {
		values["request"], values["text"] = types.StringValue(string(t.Request)), types.StringValue(t.Text)
	}
	if t.May {
		values["standing"] = types.StringUnknown()
	}
	if t.Identity != "" {
		values["identity_status"] = types.StringValue(string(t.Identity))
	}
	return types.ObjectValueMust(ticketTypes, values)
}

// ticketOf reads a ticket object. A null or unknown one is open and not known.
func ticketOf(object types.Object) ticket {
	t := ticket{Standing: standingOpen}
	if object.IsNull() || object.IsUnknown() {
		return t
	}
	request, text := textAt(object, "request"), textAt(object, "text")
	t.Known = !request.IsUnknown() && !text.IsUnknown() && !text.IsNull()
	t.Request, t.Text = nhi.Digest(request.ValueString()), text.ValueString()
	t.Identity = nhi.IdentityStatus(textAt(object, "identity_status").ValueString())
	standing := textAt(object, "standing")
	t.May = t.Known && standing.IsUnknown()
	if word := standing.ValueString(); word == standingAssured || word == standingApproved {
		t.Standing = word
	}
	return t
}

// open says whether only apply tells if the request is approved: in the plan,
// where it is not known yet, and in the final plan of that same apply, in which
// the approval has just told.
func (t ticket) open() bool { return t.May || t.Known && t.Standing == standingApproved }

// accesses reads the access map against the kinds: every field checked and
// written out. Errors point at attributes. known is false while any part is
// unknown; then what was known has been checked all the same.
func accesses(access types.Map, kinds []connector.Kind, diags *diag.Diagnostics) (read nhi.Accesses, known bool) {
	if access.IsUnknown() {
		return nil, false
	}
	at := path.Root("access")
	if len(access.Elements()) == 0 {
		diags.AddAttributeError(at, "No access", "An approval asks for at least one access.")
		return nil, false
	}
	if len(access.Elements()) > nhi.MaxAccesses {
		diags.AddAttributeError(at, "Too much access", fmt.Sprintf("One approval asks for at most %d accesses.", nhi.MaxAccesses))
		return nil, false
	}
	read, known = nhi.Accesses{}, true
	for key, element := range access.Elements() {
		if err := nhi.CheckName(key); err != nil {
			diags.AddAttributeError(at, "Invalid name of a target", sentence(err))
			continue
		}
		object, ok := element.(types.Object)
		if !ok || object.IsUnknown() {
			known = false
			continue
		}
		one, oneKnown := readAccess(object, kinds, at.AtMapKey(key), diags)
		known = known && oneKnown
		read[key] = one
	}
	return read, known && !diags.HasError()
}

func readAccess(object types.Object, kinds []connector.Kind, at path.Path, diags *diag.Diagnostics) (nhi.Access, bool) {
	kind, block, unknown, err := chosen(object, kinds, systemKind)
	if err != nil {
		diags.AddAttributeError(at, "Invalid access", sentence(fmt.Errorf("an access %w", err)))
		return nhi.Access{}, false
	}
	if unknown {
		return nhi.Access{}, false
	}
	values, unknowns := fieldValues(block, kind.Access)
	for _, name := range unknowns {
		delete(values, name)
	}
	complete, errs := setting.Complete(kind.Access, values)
	for _, err := range errs {
		if !slices.Contains(unknowns, err.Field) {
			diags.AddAttributeError(at.AtName(kind.Name).AtName(err.Field), "Invalid access", sentence(err))
		}
	}
	system := textAt(object, "system")
	checkAccessSystem(kind, system, at, diags)
	if len(errs) == 0 && len(unknowns) == 0 && kind.CheckAccess != nil {
		if err := kind.CheckAccess(complete); err != nil {
			diags.AddAttributeError(at.AtName(kind.Name), "Invalid access", sentence(err))
		}
	}
	return nhi.Access{System: system.ValueString(), Kind: kind.Name, Settings: complete},
		len(unknowns) == 0 && !system.IsUnknown()
}

// checkAccessSystem wants the name of a system, except for an external access.
func checkAccessSystem(kind connector.Kind, system types.String, at path.Path, diags *diag.Diagnostics) {
	switch {
	case system.IsUnknown():
	case kind.Name == nhi.KindExternal && !system.IsNull():
		diags.AddAttributeError(at.AtName("system"), "Invalid access", "An external access is on no system of the provider.")
	case kind.Name != nhi.KindExternal && system.IsNull():
		diags.AddAttributeError(at.AtName("system"), "Invalid access", "The access needs the name of a system in the provider block.")
	case !system.IsNull():
		if err := nhi.CheckName(system.ValueString()); err != nil {
			diags.AddAttributeError(at.AtName("system"), "Invalid name of a system", sentence(err))
		}
	}
}

// locate fills in the endpoint of every access. known is false while a system
// of the access is not known yet.
func locate(systems *lifecycle.Systems, read nhi.Accesses, diags *diag.Diagnostics) (known bool) {
	known = true
	for key, access := range read {
		if access.Kind == nhi.KindExternal {
			continue
		}
		endpoint, err := systems.Endpoint(access.System, access.Kind)
		if errors.Is(err, lifecycle.ErrNotKnownYet) {
			known = false
			continue
		}
		if err != nil {
			failure(diags, path.Root("access").AtMapKey(key).AtName("system"), "Invalid system", err)
			known = false
			continue
		}
		access.Endpoint = endpoint
		read[key] = access
	}
	return known
}
