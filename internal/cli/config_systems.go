package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// pathSuffix ends the name of every setting that is the path of a file. Those
// are relative to the configuration, as all its paths are.
const pathSuffix = "_file"

// configured is one system of a configuration. It holds secrets: it is never
// printed.
type configured struct {
	name, kind string
	values     nhi.Values
	broken     error // why it cannot be used in this run, though it is well written
}

// systems reads the systems map: NAME = { KIND = { SETTING = VALUE } }.
func (r *configReader) systems(expr hcl.Expression) []configured {
	var all []configured
	taken := map[string]bool{}
	for _, pair := range r.pairs(expr, "systems") {
		name := pair.name
		if err := nhi.CheckName(name); err != nil || taken[name] {
			r.fail(pair.at, "systems: %q is no name of a system, or stands twice", name)
			continue
		}
		taken[name] = true
		if one, ok := r.system(name, pair); ok {
			all = append(all, one)
		}
	}
	return all
}

// namedExpr is one NAME = VALUE of an object.
type namedExpr struct {
	name  string
	at    hcl.Range
	value hcl.Expression
}

// pairs returns the pairs of an object whose names are written out.
func (r *configReader) pairs(expr hcl.Expression, at string) []namedExpr {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		r.fail(expr.Range(), "%s must be an object, { NAME = … }", at)
		return nil
	}
	var found []namedExpr
	for _, pair := range pairs {
		key, diags := pair.Key.Value(nil)
		r.diagnose(diags)
		if diags.HasErrors() || key.IsNull() || !key.IsKnown() || key.Type() != cty.String {
			continue
		}
		found = append(found, namedExpr{key.AsString(), pair.Key.Range(), pair.Value})
	}
	return found
}

// system reads one system. What is wrong with it is a problem of its line; a
// variable of the environment that is not set is none, because most commands
// touch no system.
func (r *configReader) system(name string, at namedExpr) (configured, bool) {
	blocks := r.pairs(at.value, "system "+strconv.Quote(name))
	if len(blocks) != 1 {
		r.fail(at.at, "system %q must have exactly one kind", name)
		return configured{}, false
	}
	block := blocks[0]
	kind, known := kindIn(r.kinds, block.name)
	if !known || kind.Endpoint == nil {
		r.fail(block.at, "system %q is of no known kind %q", name, block.name)
		return configured{}, false
	}
	one := configured{name: name, kind: kind.Name, values: nhi.Values{}}
	before := len(r.problems)
	values, unset := r.values("system "+strconv.Quote(name), kind.Settings, block)
	one.values = values
	if unset != nil {
		one.broken = fmt.Errorf("system %q: %w: %w", name, unset, lifecycle.ErrNoSystem)
	}
	if len(r.problems) > before {
		return configured{}, false
	}
	return one, r.settle(one, block)
}

// values reads the settings of one block. The error is about the environment:
// which settings cannot be had in this run, though they are well written.
func (r *configReader) values(what string, fields []setting.Field, block namedExpr) (values nhi.Values, unset error) {
	values = nhi.Values{}
	for _, pair := range r.pairs(block.value, block.name) {
		field, known := fieldIn(fields, pair.name)
		if !known {
			r.fail(pair.at, "%s: unknown attribute %q", what, pair.name)
			continue
		}
		value, err := r.setting(field, pair)
		if err != nil {
			unset = errors.Join(unset, err)
			continue
		}
		values[field.Name] = value
	}
	return values, unset
}

// settle holds the settings of a system against its kind: the same check as the
// provider's.
func (r *configReader) settle(one configured, block namedExpr) bool {
	if one.broken != nil {
		return true
	}
	errs := lifecycle.NewSystems(r.kinds).Configure(one.name, one.kind, one.values)
	for _, err := range errs {
		r.fail(block.at, "%s", strings.TrimSuffix(err.Error(), ": "+nhi.ErrInvalid.Error()))
	}
	return len(errs) == 0
}

func kindIn(kinds []connector.Kind, name string) (connector.Kind, bool) {
	for _, kind := range kinds {
		if kind.Name == name {
			return kind, true
		}
	}
	return connector.Kind{}, false
}

func fieldIn(fields []setting.Field, name string) (setting.Field, bool) {
	for _, field := range fields {
		if field.Name == name {
			return field, true
		}
	}
	return setting.Field{}, false
}

// setting reads the value of one setting. The error is about the environment.
func (r *configReader) setting(field setting.Field, at namedExpr) (nhi.Value, error) {
	var missing []string
	value, diags := at.value.Value(environment(&missing))
	if r.diagnose(diags); diags.HasErrors() {
		return nhi.Value{}, nil
	}
	if len(missing) > 0 {
		return nhi.Value{}, fmt.Errorf("%s line %d: the environment variable %s is not set", r.name, at.at.Start.Line, joined(missing))
	}
	read, ok := plainValue(field, value)
	if !ok {
		r.fail(at.value.Range(), "%s must be %s", field.Name, form(field.Type))
		return nhi.Value{}, nil
	}
	if !field.IsSet() && (field.Path || strings.HasSuffix(field.Name, pathSuffix)) {
		read = nhi.Text(r.below(read.Text()))
	}
	return read, nil
}

// environment is what an expression of a system may use: env("NAME"), so that
// a secret need not stand in the file.
func environment(missing *[]string) *hcl.EvalContext {
	return &hcl.EvalContext{Functions: map[string]function.Function{"env": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			value := os.Getenv(args[0].AsString())
			if value == "" {
				*missing = append(*missing, args[0].AsString())
			}
			return cty.StringVal(value), nil
		},
	})}}
}

// plainValue turns a value of HCL into one of a setting, as the provider does;
// false where it has another form.
func plainValue(field setting.Field, value cty.Value) (nhi.Value, bool) {
	switch {
	case value.IsNull() || !value.IsWhollyKnown():
		return nhi.Value{}, false
	case field.Type == setting.Bool:
		return nhi.Text(strconv.FormatBool(value.Type() == cty.Bool && value.True())), value.Type() == cty.Bool
	case field.Type == setting.Strings:
		return listOf(value, value.Type().IsTupleType(), func(_, item string) string { return item })
	case field.Type == setting.Map:
		return listOf(value, value.Type().IsObjectType(), func(key, item string) string { return key + "=" + item })
	case value.Type() == cty.String:
		return nhi.Text(value.AsString()), true
	default:
		return nhi.Value{}, false
	}
}

func listOf(value cty.Value, right bool, item func(key, text string) string) (nhi.Value, bool) {
	if !right {
		return nhi.Value{}, false
	}
	var items []string
	for key, element := range value.Elements() {
		if element.IsNull() || element.Type() != cty.String {
			return nhi.Value{}, false
		}
		name := ""
		if key.Type() == cty.String {
			name = key.AsString()
		}
		items = append(items, item(name, element.AsString()))
	}
	return nhi.List(items...), true
}

// form says how a value of a type is written.
func form(of setting.Type) string {
	switch of {
	case setting.Bool:
		return "true or false"
	case setting.Strings:
		return "a list of strings"
	case setting.Map:
		return "an object of strings"
	default:
		return "a string"
	}
}

// targets returns the systems of the configuration, as the provider would have
// them.
func (c config) targets(kinds []connector.Kind) *lifecycle.Systems {
	systems := lifecycle.NewSystems(kinds)
	for _, one := range c.systems {
		errs := []error{one.broken}
		if one.broken == nil {
			errs = systems.Configure(one.name, one.kind, one.values)
		}
		if err := errors.Join(errs...); err != nil {
			systems.AddBroken(one.name, one.kind, err)
		}
	}
	return systems
}
