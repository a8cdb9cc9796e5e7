package provider

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// accessValue writes the accesses of a request as the attribute that would ask
// for them: what is as by default is left out. of is the type of the attribute.
// It fails where a kind or a setting is not known here.
func accessValue(ctx context.Context, of types.MapType, accesses nhi.Accesses, systems *lifecycle.Systems) (types.Map, error) {
	object, ok := of.ElemType.(types.ObjectType)
	if !ok {
		return types.MapNull(of.ElemType), fmt.Errorf("an access is no object in this release: %w", nhi.ErrInvalid)
	}
	elements := map[string]attr.Value{}
	for _, key := range accesses.Keys() {
		access := accesses[key]
		kind, known := systems.Kind(access.Kind)
		block, described := object.AttrTypes[access.Kind].(types.ObjectType)
		if !known || !described {
			return types.MapNull(of.ElemType), fmt.Errorf("access %q is of kind %q, which this release does not know: %w", key, access.Kind, nhi.ErrInvalid)
		}
		values := nullAttributes(ctx, object.AttrTypes)
		values["system"] = optional(access.System)
		fields := nullAttributes(ctx, block.AttrTypes)
		for _, field := range kind.Access {
			if value, set := access.Settings[field.Name]; set && !isDefault(field, value) {
				fields[field.Name] = fieldAttribute(field, value)
			}
		}
		values[access.Kind] = types.ObjectValueMust(block.AttrTypes, fields)
		elements[key] = types.ObjectValueMust(object.AttrTypes, values)
	}
	return types.MapValueMust(object, elements), nil
}

// nullAttributes gives every attribute of an object its null.
func nullAttributes(ctx context.Context, of map[string]attr.Type) map[string]attr.Value {
	values := map[string]attr.Value{}
	for name, kind := range of {
		values[name], _ = kind.ValueFromTerraform(ctx, tftypes.NewValue(kind.TerraformType(ctx), nil)) // null fits every type
	}
	return values
}

// isDefault says whether a value is what stands there when nobody sets it.
func isDefault(field setting.Field, value nhi.Value) bool {
	if field.Required {
		return false
	}
	complete, _ := setting.Complete([]setting.Field{field}, nil)
	written, set := complete[field.Name]
	return set && written.Equal(value)
}

// fieldAttribute is fieldValue, backwards.
func fieldAttribute(field setting.Field, value nhi.Value) attr.Value {
	switch field.Type {
	case setting.Strings:
		items := make([]attr.Value, 0, len(value.Items()))
		for _, item := range value.Items() {
			items = append(items, types.StringValue(item))
		}
		return types.SetValueMust(types.StringType, items)
	case setting.Map:
		items := map[string]attr.Value{}
		for _, item := range value.Items() {
			name, text, _ := strings.Cut(item, "=")
			items[name] = types.StringValue(text)
		}
		return types.MapValueMust(types.StringType, items)
	case setting.Bool:
		return types.BoolValue(value.Text() == "true")
	default:
		return types.StringValue(value.Text())
	}
}

// keepWritten keeps what the state holds wherever the configuration says the
// same in other letters (a comment behind a public key, a duration in minutes):
// no plan shows a change that is none.
func (m *approvalModel) keepWritten(ctx context.Context, state approvalModel, kinds []connector.Kind) {
	planned, err := nhi.ParseTTL(m.TTL.ValueString())
	held, heldErr := nhi.ParseTTL(state.TTL.ValueString())
	if err == nil && heldErr == nil && planned == held {
		m.TTL = state.TTL
	}
	if m.Access.IsUnknown() || m.Access.IsNull() {
		return
	}
	elements := m.Access.Elements()
	for key, was := range state.Access.Elements() {
		now, ok := elements[key].(types.Object)
		old, oldOK := was.(types.Object)
		if ok && oldOK && !now.IsUnknown() && !now.IsNull() {
			elements[key] = keptAccess(ctx, now, old, kinds)
		}
	}
	m.Access = types.MapValueMust(m.Access.ElementType(ctx), elements)
}

func keptAccess(ctx context.Context, planned, held types.Object, kinds []connector.Kind) types.Object {
	values := planned.Attributes()
	for _, kind := range kinds {
		now, ok := values[kind.Name].(types.Object)
		was, wasOK := held.Attributes()[kind.Name].(types.Object)
		if !ok || !wasOK || now.IsNull() || now.IsUnknown() || was.IsNull() {
			continue
		}
		fields := now.Attributes()
		maps.Copy(fields, sameFields(fields, was.Attributes(), kind.Access))
		values[kind.Name] = types.ObjectValueMust(now.AttributeTypes(ctx), fields)
	}
	return types.ObjectValueMust(planned.AttributeTypes(ctx), values)
}

// sameFields returns the held ones of the fields that are set in both and mean
// the same.
func sameFields(planned, held map[string]attr.Value, fields []setting.Field) map[string]attr.Value {
	same := map[string]attr.Value{}
	for _, field := range fields {
		now, was := planned[field.Name], held[field.Name]
		if now == nil || was == nil || now.IsNull() || was.IsNull() {
			continue
		}
		value, known := fieldValue(now)
		old, oldKnown := fieldValue(was)
		if !known || !oldKnown {
			continue
		}
		one := []setting.Field{field}
		written, errs := setting.Complete(one, nhi.Values{field.Name: value})
		before, oldErrs := setting.Complete(one, nhi.Values{field.Name: old})
		if len(errs)+len(oldErrs) == 0 && written.Equal(before) {
			same[field.Name] = was
		}
	}
	return same
}
