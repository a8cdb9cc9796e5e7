package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

var (
	_ ephemeral.EphemeralResource              = (*credentialEphemeral)(nil)
	_ ephemeral.EphemeralResourceWithConfigure = (*credentialEphemeral)(nil)
	_ ephemeral.EphemeralResourceWithClose     = (*credentialEphemeral)(nil)
)

// credentialEphemeral is the ephemeral nhi_credential.
type credentialEphemeral struct {
	session *session
	kinds   []connector.Kind
}

// What Open does when the grant is not active.
const (
	onInactiveWarn  = "warn"
	onInactiveError = "error"
)

// defaultCredentialTTL is how long a credential lives where nothing is said.
const defaultCredentialTTL = time.Hour

// issuedMemory is what Close must know. It stays in memory of the run, and
// nothing in it is secret.
type issuedMemory struct {
	Handle  string            `json:"handle"`
	Held    ledger.Target     `json:"held"`
	Account connector.Account `json:"account"`
}

// Metadata implements ephemeral.EphemeralResource.
func (e *credentialEphemeral) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_credential"
}

// Configure implements ephemeral.EphemeralResourceWithConfigure.
func (e *credentialEphemeral) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	e.session = configured(req.ProviderData, &resp.Diagnostics)
}

// Schema implements ephemeral.EphemeralResource.
func (e *credentialEphemeral) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		"lease":  schema.StringAttribute{Optional: true, MarkdownDescription: "`nhi_grant.NAME.lease`. While it is null, the grant is not active, and everything here is null."},
		"target": schema.StringAttribute{Required: true, MarkdownDescription: "The key of the target in the approval's `access`.", Validators: []validator.String{checked(nhi.CheckName)}},
		"ttl": schema.StringAttribute{Optional: true, MarkdownDescription: "How long the credential lives, as a Go duration; never longer than the grant. Default: `1h`.",
			Validators: []validator.String{checked(checkTTL)}},
		"on_inactive": schema.StringAttribute{Optional: true, MarkdownDescription: "`warn` (default): null and a warning while the grant is not active, so that the run that would mend it can go on. `error`: fail.",
			Validators: []validator.String{checked(checkOnInactive)}},
		"options":    schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: optionsAbout(e.kinds)},
		"expires_at": schema.StringAttribute{Computed: true, MarkdownDescription: "When the credential ends; null where none was issued."},
	}
	for name, attribute := range credentialAttributes(e.kinds) {
		attributes[name] = attribute
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A credential for one target of an active grant, issued for this run alone and withdrawn when it ends. It is never in state or plan. It also opens in plans, except with `read_only`.",
		Attributes:          attributes,
	}
}

func checkOnInactive(value string) error {
	if value != onInactiveWarn && value != onInactiveError {
		return fmt.Errorf("%.40q is neither %q nor %q: %w", value, onInactiveWarn, onInactiveError, nhi.ErrInvalid)
	}
	return nil
}

// Open implements ephemeral.EphemeralResource.
func (e *credentialEphemeral) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	wish := e.wished(ctx, req.Config, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	issued, err := e.issue(ctx, wish)
	if err != nil {
		inactive(&resp.Diagnostics, wish.onInactive, wish.target, err)
		if !resp.Diagnostics.HasError() {
			resp.Result.Raw = req.Config.Raw
			e.result(ctx, &resp.Result, lifecycle.Issued{}, &resp.Diagnostics)
		}
		return
	}
	memory, err := json.Marshal(issuedMemory{Handle: issued.Handle, Held: issued.Held, Account: issued.Account})
	if err != nil {
		resp.Diagnostics.AddError("Credential could not be kept for withdrawal", err.Error())
		return
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, memoryKey, memory)...)
	resp.Result.Raw = req.Config.Raw
	e.result(ctx, &resp.Result, issued, &resp.Diagnostics)
}

// credentialWish is what the configuration asks for.
type credentialWish struct {
	lease, target, onInactive string
	ttl                       time.Duration
	options                   nhi.Values
}

// wished reads the configuration.
func (e *credentialEphemeral) wished(ctx context.Context, config tfsdk.Config, diags *diag.Diagnostics) credentialWish {
	var lease, ttl, target, onInactive types.String
	var options types.Map
	for name, value := range map[string]any{"lease": &lease, "ttl": &ttl, "target": &target, "on_inactive": &onInactive, "options": &options} {
		diags.Append(config.GetAttribute(ctx, path.Root(name), value)...)
	}
	wish := credentialWish{lease: lease.ValueString(), target: target.ValueString(), onInactive: onInactive.ValueString(),
		ttl: defaultCredentialTTL, options: nhi.Values{}}
	if text := ttl.ValueString(); text != "" {
		parsed, err := nhi.ParseTTL(text)
		if err != nil {
			failure(diags, path.Root("ttl"), "Invalid duration", err)
		}
		wish.ttl = parsed
	}
	for name, value := range options.Elements() {
		if text, ok := value.(types.String); ok && !text.IsNull() {
			wish.options[name] = nhi.Text(text.ValueString())
		}
	}
	return wish
}

// errNoLease says that there is nothing to issue a credential for.
var errNoLease = errors.New("the grant is not active")

// errReadOnly says that read_only forbids credentials.
var errReadOnly = errors.New("credentials are forbidden by read_only")

// issue makes the credential, or says why there is none.
func (e *credentialEphemeral) issue(ctx context.Context, wish credentialWish) (lifecycle.Issued, error) {
	if e.session.readOnly {
		return lifecycle.Issued{}, errReadOnly
	}
	if wish.lease == "" {
		return lifecycle.Issued{}, errNoLease
	}
	parsed, err := lifecycle.ParseLease(wish.lease)
	if err != nil {
		return lifecycle.Issued{}, err
	}
	if err := e.session.speaksFor(parsed.Grant.Identity()); err != nil {
		return lifecycle.Issued{}, err
	}
	return e.session.engine.Issue(ctx, parsed, wish.target, wish.ttl, wish.options)
}

// inactive says why there is no credential: a warning, or, for those who want
// that and for a wrong configuration, an error.
func inactive(diags *diag.Diagnostics, onInactive, target string, err error) {
	const summary = "No credential"
	text := fmt.Sprintf("Target %q: %s", target, plain(err)+".")
	if onInactive == onInactiveError || errors.Is(err, nhi.ErrInvalid) {
		diags.AddAttributeError(path.Root("lease"), summary, text)
		return
	}
	diags.AddAttributeWarning(path.Root("lease"), summary, text+"\n\nEverything that this credential holds is null in this run.")
}

// result writes what was issued; all of it null where nothing was.
func (e *credentialEphemeral) result(ctx context.Context, result *tfsdk.EphemeralResultData, issued lifecycle.Issued, diags *diag.Diagnostics) {
	for _, kind := range e.kinds {
		if len(kind.Credential) > 0 {
			diags.Append(result.SetAttribute(ctx, path.Root(kind.Name), credentialObject(kind, issued))...)
		}
	}
	diags.Append(result.SetAttribute(ctx, path.Root("expires_at"), timeValue(issued.ExpiresAt))...)
}

func credentialObject(kind connector.Kind, issued lifecycle.Issued) types.Object {
	fieldTypes, values := map[string]attr.Type{}, map[string]attr.Value{}
	for _, field := range kind.Credential {
		fieldTypes[field.Name] = types.StringType
		values[field.Name] = types.StringValue(issued.Values[field.Name].Reveal())
	}
	if issued.Kind != kind.Name {
		return types.ObjectNull(fieldTypes)
	}
	return types.ObjectValueMust(fieldTypes, values)
}

// Close implements ephemeral.EphemeralResourceWithClose.
func (e *credentialEphemeral) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	data, diags := req.Private.GetKey(ctx, memoryKey)
	resp.Diagnostics.Append(diags...)
	if len(data) == 0 || resp.Diagnostics.HasError() {
		return
	}
	var memory issuedMemory
	if err := json.Unmarshal(data, &memory); err != nil {
		resp.Diagnostics.AddError("Credential not withdrawn", err.Error())
		return
	}
	if err := e.session.engine.Withdraw(ctx, memory.Held, memory.Account, memory.Handle); err != nil {
		warning(&resp.Diagnostics, "Credential not withdrawn; it ends by itself", err)
	}
}
