package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// readOnlyVariable switches read_only on from outside.
const readOnlyVariable = "NHI_READ_ONLY"

// session is what Configure hands to every resource: the provider block, with
// nothing contacted yet.
type session struct {
	engine      *lifecycle.Engine
	environment types.String
	scope       types.String
	requester   types.String // path of the requester's key; null where there is none
	readOnly    bool
	live        sync.Map // ids of grants that a read of this run found in force
	reuse       policy.Reuse
	later       bool // an approval channel may be known at apply, and is not now
}

// Configure implements provider.Provider. It never fails because of ledger,
// policy, root, clock or a system: what is missing shows where it is needed.
func (p *Provider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var model providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	systems, written, diags := p.systems(model.Systems)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	pins := p.options.Pins
	if pins == nil {
		pins = lifecycle.Pins
	}
	place := p.ledgerPlace(model.Ledger)
	var machine func() time.Time
	if place.Kind.MachineClock {
		machine = p.options.Now
	}
	channels, later := p.channels(model.Approvals, &resp.Diagnostics)
	s := &session{
		later:       later,
		environment: model.Environment, scope: model.Scope,
		requester: textAt(model.Requester, "ssh_key_file"),
		readOnly:  model.ReadOnly.ValueBool() || readOnlyFromOutside(),
		engine: lifecycle.New(lifecycle.Config{
			OpenLedger: openLedger(place, p.writer(), p.options.Now), PolicyFile: model.PolicyFile.ValueString(),
			DecisionsDir: model.DecisionsDir.ValueString(), SpoolDir: p.spoolDir(), Pins: pins,
			Systems: systems, MachineTime: machine, Clock: p.clock, Alive: p.options.Alive,
			Runner: sourceOf(model.Runner), Requester: sourceOf(model.Requester),
			Channels: channels,
		}),
	}
	s.warn(&resp.Diagnostics)
	s.warnWritten(written, &resp.Diagnostics)
	resp.ResourceData, resp.EphemeralResourceData, resp.DataSourceData, resp.ActionData = s, s, s, s
}

func readOnlyFromOutside() bool {
	on, err := strconv.ParseBool(os.Getenv(readOnlyVariable))
	return err == nil && on
}

// warn says early what is missing: a word, not a failure.
func (s *session) warn(diags *diag.Diagnostics) {
	if s.environment.IsNull() || s.scope.IsNull() {
		diags.AddWarning("Provider block is incomplete", "environment and scope say what this workspace speaks for. Without them nothing can be requested or granted; what is granted can still be removed.")
	}
	trust, err := s.engine.Trust()
	switch {
	case err != nil && !errors.Is(err, lifecycle.ErrNotKnownYet):
		warning(diags, "Nothing can be granted in this run", err)
	case err == nil && trust.Outdated() != "":
		diags.AddWarning("The pin of the trust root is not the newest", "On this machine: "+trust.Outdated()+".")
	}
}

// applying is called at the start of every apply: it writes to the ledger what
// was recorded while it was away.
func (s *session) applying(ctx context.Context, diags *diag.Diagnostics) {
	if err := s.engine.Flush(ctx); err != nil && !errors.Is(err, lifecycle.ErrNoTrustedLedger) {
		warning(diags, "Records of earlier removals still wait to be written to the ledger", err)
	}
}

func (p *Provider) spoolDir() string {
	if p.options.SpoolDir != "" {
		return p.options.SpoolDir
	}
	return lifecycle.SpoolDir()
}

// textAt returns a string attribute of an object; null where there is none.
func textAt(object types.Object, name string) types.String {
	if object.IsUnknown() {
		return types.StringUnknown()
	}
	text, ok := object.Attributes()[name].(types.String)
	if !ok {
		return types.StringNull()
	}
	return text
}

// systems reads the systems map. What is unknown is kept as such.
func (p *Provider) systems(block types.Map) (*lifecycle.Systems, map[string]writtenSecret, diag.Diagnostics) {
	var diags diag.Diagnostics
	systems, written := lifecycle.NewSystems(p.kinds), map[string]writtenSecret{}
	if block.IsUnknown() {
		systems.MarkUnknown()
		return systems, written, diags
	}
	texts := configurationTexts()
	for name, element := range block.Elements() {
		at := path.Root("systems").AtMapKey(name)
		if err := nhi.CheckName(name); err != nil {
			diags.AddAttributeError(at, "Invalid name of a system", sentence(err))
			continue
		}
		object, ok := element.(types.Object)
		if !ok || object.IsUnknown() {
			systems.AddUnknown(name, "")
			continue
		}
		maps.Copy(written, p.addSystem(systems, name, object, at, texts, &diags))
	}
	return systems, written, diags
}

// addSystem adds one system, and returns its secrets that stand in texts.
func (p *Provider) addSystem(systems *lifecycle.Systems, name string, object types.Object, at path.Path, texts map[string]string, diags *diag.Diagnostics) map[string]writtenSecret {
	kind, block, unknown, err := chosen(object, p.kinds, systemKind)
	if err != nil {
		diags.AddAttributeError(at, "Invalid system", sentence(fmt.Errorf("system %q %w", name, err)))
		return nil
	}
	values, unknowns := fieldValues(block, kind.Settings)
	if unknown || block.IsUnknown() || len(unknowns) > 0 {
		systems.AddUnknown(name, kind.Name)
		return nil
	}
	for _, err := range systems.Configure(name, kind.Name, values) {
		var field *setting.FieldError
		if errors.As(err, &field) {
			diags.AddAttributeError(at.AtName(kind.Name).AtName(field.Field), "Invalid setting", sentence(err))
			continue
		}
		diags.AddAttributeError(at.AtName(kind.Name), "Invalid system", sentence(err))
	}
	return writtenSecrets(kind.Settings, values, at.AtName(kind.Name), texts)
}

// ledgerID returns the id of the ledger that this session writes to.
func (s *session) ledgerID() (string, error) {
	book, err := s.engine.Book()
	if err != nil {
		return "", err
	}
	return book.ID(), nil
}

// sign signs a request as the requester; with nothing where none is set. A
// token that proves nothing is a warning: the request can stand without.
func (s *session) sign(ctx context.Context, text string, diags *diag.Diagnostics) (lifecycle.Signed, error) {
	if s.requester.ValueString() == "" {
		signed, err := s.engine.ProveRequest(ctx, text)
		if err != nil {
			diags.AddAttributeWarning(path.Root("justification"), "It is not proven who asks",
				sentence(err)+"\nSo the request is recorded without a proof, and every quorum is one larger. To prove it later: remove the approval, apply, and ask again with a token that counts.")
		}
		return signed, nil
	}
	signer, err := s.signer()
	if err != nil {
		return lifecycle.Signed{}, err
	}
	made, err := signature.Sign(signer, signature.NamespaceRequest, text)
	return lifecycle.Signed{SSH: made}, err
}

func (s *session) signer() (ssh.Signer, error) {
	signer, err := signature.LoadSigner(s.requester.ValueString(), nil)
	if err != nil {
		return nil, fmt.Errorf("the provider's requester.ssh_key_file: %w", err)
	}
	return signer, nil
}

// byToken says that who asks is proven by a token: only apply knows whether it
// counts.
func (s *session) byToken() bool {
	return s.requester.ValueString() == "" && !s.engine.Requester.IsZero()
}

// proven says whether the requester's key belongs to a person of the policy.
func (s *session) proven(document *policy.Document) bool {
	if s.requester.ValueString() == "" {
		return false
	}
	signer, err := s.signer()
	if err != nil {
		return false
	}
	_, ok := document.Person(signer.PublicKey())
	return ok
}

// speaksFor holds where an identity belongs to the environment and the scope
// of this provider block.
func (s *session) speaksFor(id nhi.IdentityID) error {
	parsed, err := nhi.ParseIdentityID(string(id))
	if err != nil {
		return err
	}
	if parsed.Environment() != s.environment.ValueString() || parsed.Scope() != s.scope.ValueString() {
		return fmt.Errorf("%s is not of %s/%s, which this provider block speaks for: %w",
			id, s.environment.ValueString(), s.scope.ValueString(), nhi.ErrInvalid)
	}
	return nil
}

// configured returns the session of a resource's Configure; nil before the
// provider itself is configured.
func configured(data any, diags *diag.Diagnostics) *session {
	if data == nil {
		return nil
	}
	s, ok := data.(*session)
	if !ok {
		diags.AddError("Unexpected provider data", fmt.Sprintf("got %T. This is a bug in the provider.", data))
	}
	return s
}

// list turns texts into a list value; null where there are none.
func list(texts []string) types.List {
	if len(texts) == 0 {
		return types.ListNull(types.StringType)
	}
	elements := make([]basetypes.StringValue, len(texts))
	for i, text := range texts {
		elements[i] = types.StringValue(strings.TrimSpace(text))
	}
	value, _ := types.ListValueFrom(context.Background(), types.StringType, elements)
	return value
}

// isNotKnownYet says whether an error only means that a value of the
// configuration is not known in this run yet.
func isNotKnownYet(err error) bool { return errors.Is(err, lifecycle.ErrNotKnownYet) }
