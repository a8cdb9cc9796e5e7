package provider

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// chosen returns the one kind whose block is set in object. Several or none
// is an error; unknown says that this cannot be told yet.
func chosen[K any](object types.Object, kinds []K, name func(K) string) (kind K, block types.Object, unknown bool, err error) {
	var names []string
	for _, k := range kinds {
		value, exists := object.Attributes()[name(k)]
		if !exists || value.IsNull() {
			continue
		}
		if value.IsUnknown() {
			unknown = true
		}
		names = append(names, name(k))
		kind = k
		block, _ = value.(types.Object)
	}
	switch {
	case len(names) == 1:
		return kind, block, unknown, nil
	case unknown:
		return kind, types.Object{}, true, nil
	case len(names) == 0:
		return kind, block, false, fmt.Errorf("must have exactly one kind of %s: %w", strings.Join(kindNames(kinds, name), ", "), nhi.ErrInvalid)
	default:
		return kind, block, false, fmt.Errorf("must have exactly one kind, not %s: %w", strings.Join(names, " and "), nhi.ErrInvalid)
	}
}

// systemKind and ledgerKind name a kind for chosen.
func systemKind(kind connector.Kind) string { return kind.Name }
func ledgerKind(kind ledger.Kind) string    { return kind.Name }

func kindNames[K any](kinds []K, name func(K) string) []string {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		names = append(names, name(kind))
	}
	slices.Sort(names)
	return names
}

// fieldValues reads the plain values of a block. Null ones are left out, and
// the names of the unknown ones come back beside them.
func fieldValues(block types.Object, fields []setting.Field) (values nhi.Values, unknown []string) {
	values = nhi.Values{}
	for _, field := range fields {
		attribute, ok := block.Attributes()[field.Name]
		if !ok || attribute.IsNull() {
			continue
		}
		value, known := fieldValue(attribute)
		if !known {
			unknown = append(unknown, field.Name)
			continue
		}
		values[field.Name] = value
	}
	return values, unknown
}

// fieldValue turns an attribute into a value; false where any part is unknown.
func fieldValue(attribute attr.Value) (nhi.Value, bool) {
	if attribute.IsUnknown() {
		return nhi.Value{}, false
	}
	switch attribute := attribute.(type) {
	case types.String:
		return nhi.Text(attribute.ValueString()), true
	case types.Bool:
		return nhi.Text(strconv.FormatBool(attribute.ValueBool())), true
	case types.Set:
		return listValue(attribute.Elements(), func(_ int, text string) string { return text })
	case types.Map:
		keys := slices.Sorted(maps.Keys(attribute.Elements()))
		elements := make([]attr.Value, len(keys))
		for i, key := range keys {
			elements[i] = attribute.Elements()[key]
		}
		return listValue(elements, func(i int, text string) string { return keys[i] + "=" + text })
	default:
		return nhi.Value{}, false
	}
}

func listValue(elements []attr.Value, item func(int, string) string) (nhi.Value, bool) {
	items := make([]string, len(elements))
	for i, element := range elements {
		text, ok := element.(types.String)
		if !ok || text.IsUnknown() {
			return nhi.Value{}, false
		}
		items[i] = item(i, text.ValueString())
	}
	return nhi.List(items...), true
}
