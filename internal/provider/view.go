package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ datasource.DataSource                     = (*viewSource)(nil)
	_ datasource.DataSourceWithConfigure        = (*viewSource)(nil)
	_ datasource.DataSourceWithConfigValidators = (*viewSource)(nil)
)

// statusUnknown is the status of what could not be read. Nothing else of it is
// shown: consumers then fail, and nobody takes silence for an answer.
const statusUnknown = "unknown"

// viewSource is a data source over the ledger: with id one object, with filter
// all that match, as items.
type viewSource struct {
	viewKind
	session *session
}

// viewKind is what tells the data sources apart.
type viewKind struct {
	name       string // "identity"
	about      string
	form       string // of an id
	statuses   []string
	attributes map[string]schema.Attribute // of one object, all computed
	check      func(id string) error
	list       func(ctx context.Context, s *session) ([]string, error)
	read       func(ctx context.Context, s *session, id string) (view, error)
}

// view is one object as attributes.
type view struct {
	values map[string]attr.Value
	// gone says that it was destroyed: a filter leaves it out, unless it asks
	// for that status.
	gone     bool
	warnings []error
}

// text returns a string attribute; "" where it is null.
func (v view) text(name string) string {
	text, _ := v.values[name].(types.String)
	return text.ValueString()
}

// Metadata implements datasource.DataSource.
func (d *viewSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + d.name
}

// Configure implements datasource.DataSourceWithConfigure.
func (d *viewSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Schema implements datasource.DataSource.
func (d *viewSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	item := maps.Clone(d.attributes)
	item["id"] = schema.StringAttribute{Computed: true, MarkdownDescription: "`" + d.form + "`."}
	attributes := maps.Clone(d.attributes)
	attributes["id"] = schema.StringAttribute{
		Optional: true, MarkdownDescription: "Which one: `" + d.form + "`. One that the ledger does not know is an error. Either this or `filter`.",
		Validators: []validator.String{checked(d.check)},
	}
	attributes["filter"] = filterAttribute(d.statuses)
	attributes["items"] = schema.ListNestedAttribute{
		Computed: true, NestedObject: schema.NestedAttributeObject{Attributes: item},
		MarkdownDescription: "All that match `filter`, sorted by id, each with the attributes that stand here for `id`. Null without a filter, and where the ledger could not be read.",
	}
	resp.Schema = schema.Schema{MarkdownDescription: d.about, Attributes: attributes}
}

// ConfigValidators implements datasource.DataSourceWithConfigValidators.
func (d *viewSource) ConfigValidators(context.Context) []datasource.ConfigValidator {
	return []datasource.ConfigValidator{idOrFilter{}}
}

// Read implements datasource.DataSource. A ledger that is away is a warning,
// so that what only ends access can go on; what was asked for is then unknown.
func (d *viewSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var id types.String
	var wanted types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("id"), &id)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("filter"), &wanted)...)
	if resp.Diagnostics.HasError() {
		return
	}
	one, items := d.unknown(ctx, "").values, d.itemsNull()
	if wanted.IsNull() {
		one = d.one(ctx, id.ValueString(), &resp.Diagnostics)
	} else {
		one["status"] = types.StringNull()
		items = d.all(ctx, filterOf(wanted), &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	resp.State.Raw = req.Config.Raw
	for name := range d.attributes {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), one[name])...)
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("items"), items)...)
}

// one reads the object with an id.
func (d *viewSource) one(ctx context.Context, id string, diags *diag.Diagnostics) map[string]attr.Value {
	seen := d.look(ctx, id)
	if errors.Is(errors.Join(seen.warnings...), lifecycle.ErrNotOnRecord) {
		failure(diags, path.Root("id"), "Nothing with this id", errors.Join(seen.warnings...))
		return seen.values
	}
	d.warn(id, seen, diags)
	return seen.values
}

// all reads the objects that match a filter; null where the ledger cannot say
// which there are.
func (d *viewSource) all(ctx context.Context, wanted filter, diags *diag.Diagnostics) types.List {
	ids, err := d.list(ctx, d.session)
	if err != nil {
		warning(diags, "What there is could not be read", err)
		return d.itemsNull()
	}
	items := []attr.Value{}
	for _, id := range ids {
		if !wanted.admits(id) {
			continue
		}
		seen := d.look(ctx, id)
		if !wanted.matches(seen) {
			continue
		}
		d.warn(id, seen, diags)
		items = append(items, types.ObjectValueMust(d.itemTypes(), seen.values))
	}
	return types.ListValueMust(types.ObjectType{AttrTypes: d.itemTypes()}, items)
}

// look reads one object; what cannot be read is unknown, with the reason among
// its warnings.
func (d *viewSource) look(ctx context.Context, id string) view {
	seen, err := d.read(ctx, d.session, id)
	if err != nil {
		seen = d.unknown(ctx, id)
		seen.warnings = append(seen.warnings, err)
	}
	identity, _, _ := strings.Cut(id, ":")
	seen.values["id"] = types.StringValue(id)
	seen.values["environment"] = types.StringValue(nhi.IdentityID(identity).Environment())
	seen.values["scope"] = types.StringValue(nhi.IdentityID(identity).Scope())
	return seen
}

func (*viewSource) warn(id string, seen view, diags *diag.Diagnostics) {
	if err := errors.Join(seen.warnings...); err != nil {
		warning(diags, "Not everything about "+id+" could be read", err)
	}
}

// unknown is an object of which nothing is known.
func (d *viewSource) unknown(ctx context.Context, id string) view {
	values := nullAttributes(ctx, d.itemTypes())
	values["id"], values["status"] = optional(id), types.StringValue(statusUnknown)
	return view{values: values}
}

func (d *viewSource) itemTypes() map[string]attr.Type {
	kinds := map[string]attr.Type{"id": types.StringType}
	for name, attribute := range d.attributes {
		kinds[name] = attribute.GetType()
	}
	return kinds
}

func (d *viewSource) itemsNull() types.List {
	return types.ListNull(types.ObjectType{AttrTypes: d.itemTypes()})
}

// idOrFilter wants exactly one of id and filter.
type idOrFilter struct{}

// Description implements datasource.ConfigValidator.
func (idOrFilter) Description(context.Context) string {
	return "exactly one of id and filter must be set"
}

// MarkdownDescription implements datasource.ConfigValidator.
func (v idOrFilter) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateDataSource implements datasource.ConfigValidator.
func (idOrFilter) ValidateDataSource(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var id types.String
	var wanted types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("id"), &id)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("filter"), &wanted)...)
	switch {
	case id.IsUnknown() || wanted.IsUnknown():
	case id.IsNull() && wanted.IsNull():
		resp.Diagnostics.AddAttributeError(path.Root("id"), "Nothing asked for", "Set id for one, or filter for all that match. The empty filter {} matches everything in the ledger.")
	case !id.IsNull() && !wanted.IsNull():
		resp.Diagnostics.AddAttributeError(path.Root("filter"), "Two questions", "Set either id or filter.")
	}
}

// viewTexts describes computed strings by name, in a data source.
func viewTexts(about map[string]string) map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{}
	for name, text := range about {
		attributes[name] = schema.StringAttribute{Computed: true, MarkdownDescription: text}
	}
	return attributes
}

// viewWords describes a computed list of strings, in a data source.
func viewWords(about string) schema.ListAttribute {
	return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: about}
}

// oneOf is the rule on values that are listed.
func oneOf(allowed []string) func(string) error {
	return func(value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("%.40q is none of %s: %w", value, strings.Join(allowed, ", "), nhi.ErrInvalid)
		}
		return nil
	}
}
