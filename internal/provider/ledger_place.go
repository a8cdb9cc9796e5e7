package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// ledgerPlace is where the provider block says that the ledger is. problems are
// what is wrong with the block, and missing is why there is no place: not known
// yet, or not said.
type ledgerPlace struct {
	ledger.Place
	kind     string // the one that was chosen; empty where none was
	problems []error
	missing  error
}

// ledgerPlace reads the ledger of the provider block.
func (p *Provider) ledgerPlace(block types.Object) ledgerPlace {
	notKnown := ledgerPlace{missing: fmt.Errorf("the provider's ledger is %w", lifecycle.ErrNotKnownYet)}
	switch {
	case block.IsUnknown():
		return notKnown
	case block.IsNull():
		return ledgerPlace{missing: fmt.Errorf("the provider block names no ledger: %w", ledger.ErrNoLedger)}
	}
	kind, inner, unknown, err := chosen(block, p.ledgers, ledgerKind)
	if err != nil {
		return ledgerPlace{problems: []error{fmt.Errorf("ledger %w", err)}}
	}
	values, unknowns := fieldValues(inner, kind.Settings)
	if unknown || inner.IsUnknown() {
		return notKnown
	}
	if len(unknowns) > 0 {
		notKnown.kind = kind.Name
		_, wrong := setting.Complete(kind.Settings, values)
		for _, err := range wrong {
			if !slices.Contains(unknowns, err.Field) {
				notKnown.problems = append(notKnown.problems, err)
			}
		}
		return notKnown
	}
	place, problems := ledger.NewPlace(kind, values)
	return ledgerPlace{Place: place, kind: kind.Name, problems: problems}
}

// ValidateConfig implements provider.ProviderWithValidateConfig: a ledger block
// that leads nowhere is an error on the attribute that is wrong.
func (p *Provider) ValidateConfig(ctx context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	var block types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("ledger"), &block)...)
	if resp.Diagnostics.HasError() {
		return
	}
	place := p.ledgerPlace(block)
	place.report(&resp.Diagnostics)
	checkSources(ctx, req, &resp.Diagnostics)
	var approvals types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("approvals"), &approvals)...)
	p.checkChannels(approvals, &resp.Diagnostics)
}

func (l ledgerPlace) report(diags *diag.Diagnostics) {
	for _, err := range l.problems {
		at := path.Root("ledger")
		var field *setting.FieldError
		if l.kind != "" {
			at = at.AtName(l.kind)
		}
		if errors.As(err, &field) {
			at = at.AtName(field.Field)
		}
		diags.AddAttributeError(at, "Invalid ledger", sentence(err))
	}
}

// openLedger returns how to open the ledger of a place.
func openLedger(place ledgerPlace, writer string, now func() time.Time) func(context.Context) (*ledger.Ledger, error) {
	return func(ctx context.Context) (*ledger.Ledger, error) {
		if err := errors.Join(append(place.problems, place.missing)...); err != nil {
			return nil, err
		}
		return place.Open(ctx, writer, now)
	}
}

// writer names this program in ledger entries.
func (p *Provider) writer() string { return "terraform-provider-nhi " + p.version }
