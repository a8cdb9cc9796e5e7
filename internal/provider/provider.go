// Package provider is the Terraform face of the lifecycle. It is the only
// package that imports terraform-plugin-*: it turns configuration into nouns,
// calls the lifecycle, and turns errors into diagnostics.
package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	channels "github.com/nhi-terraform/terraform-provider-nhi/internal/channel/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	stores "github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ provider.Provider                       = (*Provider)(nil)
	_ provider.ProviderWithEphemeralResources = (*Provider)(nil)
	_ provider.ProviderWithActions            = (*Provider)(nil)
	_ provider.ProviderWithValidateConfig     = (*Provider)(nil)
)

// Options are the seams of a provider. The zero value is what Terraform runs.
type Options struct {
	// Now supplies local, store and target time; time.Now where it is nil.
	Now func() time.Time
	// Kinds are the connectors; builtin.AllAt where it is nil.
	Kinds []connector.Kind
	// Ledgers are the kinds of store; those that are built in where it is nil.
	Ledgers []ledger.Kind
	// Channels are the kinds of approval channel; those that are built in where
	// it is nil.
	Channels []channel.Kind
	// Pins returns the trusted roots; lifecycle.Pins where it is nil.
	Pins func() ([]nhi.Digest, error)
	// SpoolDir is where records wait while the ledger is away; a folder of the
	// user's cache where it is empty.
	SpoolDir string
	// Alive says whether whoever started this run is still there; nil for
	// always. Without them nothing is changed any more.
	Alive func() bool
}

// Provider is the nhi provider.
type Provider struct {
	version string
	options Options
	kinds   []connector.Kind
	ledgers []ledger.Kind
	clock   *lifecycle.Clock // of kinds
}

// New returns a function that makes the provider, as the plugin server wants it.
func New(version string, options Options) func() provider.Provider {
	if options.Now == nil {
		options.Now = time.Now
	}
	clock := lifecycle.NewClock(options.Now)
	kinds := options.Kinds
	if kinds == nil {
		kinds = builtin.AllAt(clock.Now)
	}
	ledgers := options.Ledgers
	if ledgers == nil {
		ledgers = stores.All()
	}
	if options.Channels == nil {
		options.Channels = channels.All()
	}
	return func() provider.Provider {
		return &Provider{version: version, options: options, kinds: kinds, ledgers: ledgers, clock: clock}
	}
}

// Metadata implements provider.Provider.
func (p *Provider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "nhi"
	resp.Version = p.version
}

// Schema implements provider.Provider.
func (p *Provider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Orchestrates the life of non-human identities: request, approval, policy, access in every target system, expiry, and removal that is confirmed everywhere it was granted.",
		Attributes: map[string]schema.Attribute{
			"environment": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The environment that this workspace speaks for, such as `production`. Required.",
				Validators:          []validator.String{checked(nhi.CheckName)},
			},
			"scope": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The team and workload that this workspace speaks for, such as `payments/etl`. Required.",
				Validators:          []validator.String{checked(nhi.CheckScope)},
			},
			"ledger": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Where the record is kept, of exactly one kind. `nhi init` makes it; the provider never does. Required.",
				Attributes:          ledgerAttributes(p.ledgers),
			},
			"policy_file": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The signed policy; its signatures stand beside it, with `.sig` added to the name. Where it is not set, the newest policy in the ledger decides, and plans cannot check requests against it.",
			},
			"decisions_dir": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "A folder of decision files (`*.decision`), so that a pull request can carry approvals.",
			},
			"requester": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Proves who asks: a key, or a token of exactly one kind. Where nobody is proven, every quorum is one larger.",
				Attributes: sourceAttributes(map[string]schema.Attribute{
					"ssh_key_file": schema.StringAttribute{Optional: true, MarkdownDescription: "An SSH private key, or the public key of one in the SSH agent, of a person that the policy names."},
				}),
			},
			"runner": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Proves where Terraform runs. A scope that the policy binds to a runner gets nothing without.",
				Attributes:          sourceAttributes(nil),
			},
			"approvals": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Where else a person's yes can come from, besides signed decisions. With one of these, plans show `status` as known after apply where this very run's confirmation may be the missing approval, and say whose yes will do.",
				Attributes:          channelAttributes(p.options.Channels),
			},
			"read_only": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Issues no credentials, for plans of changes that nobody has reviewed. `NHI_READ_ONLY=1` does the same.",
			},
			"systems": schema.MapNestedAttribute{
				Optional:            true,
				MarkdownDescription: "The target systems by name, each of exactly one kind.",
				NestedObject:        schema.NestedAttributeObject{Attributes: systemAttributes(p.kinds)},
			},
		},
	}
}

// Resources implements provider.Provider.
func (p *Provider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &identityResource{} },
		func() resource.Resource { return &approvalResource{kinds: p.kinds} },
		func() resource.Resource { return &grantResource{} },
	}
}

// DataSources implements provider.Provider.
func (p *Provider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		func() datasource.DataSource { return &viewSource{viewKind: identityView()} },
		func() datasource.DataSource { return &viewSource{viewKind: approvalView()} },
		func() datasource.DataSource { return &viewSource{viewKind: grantView()} },
		func() datasource.DataSource { return &viewSource{viewKind: decisionView()} },
	}
}

// Actions implements provider.ProviderWithActions. A CLI that has no actions
// never asks for them.
func (p *Provider) Actions(context.Context) []func() action.Action {
	return []func() action.Action{
		func() action.Action { return &revokeAction{} },
		func() action.Action { return &sweepAction{} },
	}
}

// EphemeralResources implements provider.ProviderWithEphemeralResources.
func (p *Provider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		func() ephemeral.EphemeralResource { return &credentialEphemeral{kinds: p.kinds} },
	}
}

// providerModel is the provider block.
type providerModel struct {
	Environment  types.String `tfsdk:"environment"`
	Scope        types.String `tfsdk:"scope"`
	Ledger       types.Object `tfsdk:"ledger"`
	PolicyFile   types.String `tfsdk:"policy_file"`
	DecisionsDir types.String `tfsdk:"decisions_dir"`
	Requester    types.Object `tfsdk:"requester"`
	Runner       types.Object `tfsdk:"runner"`
	Approvals    types.Object `tfsdk:"approvals"`
	ReadOnly     types.Bool   `tfsdk:"read_only"`
	Systems      types.Map    `tfsdk:"systems"`
}
