package provider

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// grantModel is nhi_grant in Terraform.
type grantModel struct {
	ID            types.String `tfsdk:"id"`
	Ticket        types.Object `tfsdk:"ticket"`
	Trigger       types.String `tfsdk:"trigger"`
	Status        types.String `tfsdk:"status"`
	Active        types.Bool   `tfsdk:"active"`
	Findings      types.List   `tfsdk:"findings"`
	ActiveRequest types.String `tfsdk:"active_request"`
	ActivatedAt   types.String `tfsdk:"activated_at"`
	ExpiresAt     types.String `tfsdk:"expires_at"`
	Lease         types.String `tfsdk:"lease"`
	Targets       types.Map    `tfsdk:"targets"`
}

// targetTypes are the attributes of one target of a grant.
var targetTypes = map[string]attr.Type{
	"system": types.StringType, "principal": types.StringType, "status": types.StringType,
	"verified": types.BoolType, "privileges": types.ListType{ElemType: types.StringType},
	"findings": types.ListType{ElemType: types.StringType}, "expires_at": types.StringType,
	"enforced_by": types.StringType, "usable_until": types.StringType,
}

// targetView is one target of a grant, as attributes.
type targetView map[string]attr.Value

// restingTarget is a target that holds nothing.
func restingTarget(system, principal string, status lifecycle.Status) targetView {
	return targetView{
		"system": optional(system), "principal": optional(principal), "status": types.StringValue(string(status)),
		"verified": types.BoolValue(false), "privileges": words(nil), "findings": list(nil),
		"expires_at": types.StringNull(), "enforced_by": types.StringNull(), "usable_until": types.StringNull(),
	}
}

// principalOn is the name of an account on a target of a kind; empty where
// there is no account of ours.
func principalOn(kind, principal string) string {
	if kind == nhi.KindExternal {
		return ""
	}
	return principal
}

// words is a list that may be empty but not null, so that a plan shows what
// goes and what comes.
func words(texts []string) types.List {
	if len(texts) == 0 {
		return types.ListValueMust(types.StringType, []attr.Value{})
	}
	return list(texts)
}

// with returns a copy with one attribute changed.
func (v targetView) with(name string, value attr.Value) targetView {
	changed := maps.Clone(v)
	changed[name] = value
	return changed
}

// targetsMap writes targets as a map value.
func targetsMap(views map[string]targetView) types.Map {
	elements := map[string]attr.Value{}
	for key, view := range views {
		elements[key] = types.ObjectValueMust(targetTypes, view)
	}
	return types.MapValueMust(types.ObjectType{AttrTypes: targetTypes}, elements)
}

// targetsOf reads a map value of targets; nil where it is not known.
func targetsOf(value types.Map) map[string]targetView {
	views := map[string]targetView{}
	for key, element := range value.Elements() {
		if object, ok := element.(types.Object); ok {
			views[key] = targetView(object.Attributes())
		}
	}
	return views
}

// wishedTargets are the targets of a request, all with one status.
func wishedTargets(request nhi.Request, systems *lifecycle.Systems, status lifecycle.Status) map[string]targetView {
	views := map[string]targetView{}
	for key, access := range request.Access {
		kind, _ := systems.Kind(access.Kind)
		views[key] = restingTarget(access.System, principalOn(access.Kind, kind.Principal(request.Approval, key, access.Settings)), status)
	}
	return views
}

// timeValue writes a time; null where it is not set.
func timeValue(t time.Time) types.String {
	if t.IsZero() {
		return types.StringNull()
	}
	return types.StringValue(nhi.FormatTime(t))
}

// held writes what a record says of an active grant into the model.
func (m *grantModel) held(record lifecycle.Record, systems *lifecycle.Systems) {
	m.Status = types.StringValue(string(lifecycle.Active))
	m.Active = types.BoolValue(true)
	m.Findings = list(nil)
	m.ActiveRequest = types.StringValue(string(record.Held))
	m.ActivatedAt, m.ExpiresAt = timeValue(record.StartedAt), timeValue(record.ExpiresAt)
	m.Lease = types.StringValue(lifecycle.Lease{Grant: record.Grant, Activation: record.Activation}.String())
	views := map[string]targetView{}
	for _, key := range slices.Sorted(maps.Keys(record.Targets)) {
		if !lifecycle.Retired(key) {
			views[key] = heldTarget(record, key, systems)
		}
	}
	m.Targets = targetsMap(views)
}

func heldTarget(record lifecycle.Record, key string, systems *lifecycle.Systems) targetView {
	target, last := record.Targets[key], record.Last[key]
	view := restingTarget(target.System, principalOn(target.Kind, target.Principal), lifecycle.Active)
	view["verified"] = types.BoolValue(last.Verified)
	kind, _ := systems.Kind(target.Kind)
	if kind.Privileges != nil {
		view["privileges"] = words(kind.Privileges(target.Access))
	}
	view["expires_at"] = timeValue(target.NotAfter)
	view["enforced_by"] = optional(kind.EnforcedBy)
	view["usable_until"] = timeValue(last.UsableUntil)
	return view
}

// removed writes what a removal left into the model: revoked where all is
// gone, revoking where something is not confirmed.
func (m *grantModel) removed(record lifecycle.Record, before map[string]targetView) {
	status := lifecycle.Revoked
	if record.Phase == lifecycle.PhaseRevoking {
		status = lifecycle.Revoking
	}
	views := map[string]targetView{}
	for key, view := range before {
		views[key] = removedTarget(record, key, view)
	}
	for key := range record.Targets {
		status = lifecycle.Revoking
		if _, known := views[key]; !known && !lifecycle.Retired(key) {
			target := record.Targets[key]
			views[key] = removedTarget(record, key, restingTarget(target.System, principalOn(target.Kind, target.Principal), lifecycle.Revoking))
		}
	}
	m.Status = types.StringValue(string(status))
	m.Active = types.BoolValue(false)
	m.Findings = list(openFindings(record))
	m.ActiveRequest, m.Lease = types.StringNull(), types.StringNull()
	m.ActivatedAt, m.ExpiresAt = types.StringNull(), types.StringNull()
	m.Targets = targetsMap(views)
}

func removedTarget(record lifecycle.Record, key string, view targetView) targetView {
	last := record.Last[key]
	status := lifecycle.Revoked
	_, open := record.Targets[key]
	unknown := record.Phase == lifecycle.PhaseRevoking && len(record.Targets) == 0 // nobody can say what there is
	if open || unknown {
		status = lifecycle.Revoking
	}
	gone := restingTarget("", "", status)
	gone["system"], gone["principal"] = view["system"], view["principal"]
	gone["verified"] = types.BoolValue(last.Verified && last.Open == "")
	if status == lifecycle.Revoking {
		gone["privileges"] = words(last.Privileges)
		gone["findings"] = list([]string{last.Open})
		gone["usable_until"] = timeValue(last.UsableUntil)
	}
	return gone
}

// openFindings says which targets are not confirmed as removed, and why.
func openFindings(record lifecycle.Record) []string {
	var findings []string
	for _, key := range slices.Sorted(maps.Keys(record.Targets)) {
		why := record.Last[key].Open
		if why == "" {
			why = "its removal is not confirmed"
		}
		findings = append(findings, strings.TrimSpace(key+": "+why))
	}
	return findings
}
