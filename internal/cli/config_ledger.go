package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ledgerConfig is the ledger of a configuration. It may hold secrets: it is
// never printed.
type ledgerConfig struct {
	ledger.Place
	// unset says which variables of the environment are missing for it.
	unset error
}

// named says whether the configuration names a ledger at all.
func (l ledgerConfig) named() bool { return l.Kind.Name != "" }

// ledger reads { KIND = { SETTING = VALUE } }.
func (r *configReader) ledger(expr hcl.Expression) ledgerConfig {
	blocks := r.pairs(expr, "ledger")
	if len(blocks) != 1 {
		r.fail(expr.Range(), "ledger must have exactly one kind of %s", joined(r.ledgerNames()))
		return ledgerConfig{}
	}
	block := blocks[0]
	at := slices.IndexFunc(r.ledgers, func(kind ledger.Kind) bool { return kind.Name == block.name })
	if at < 0 {
		r.fail(block.at, "ledger is of no known kind %q: there are %s", block.name, joined(r.ledgerNames()))
		return ledgerConfig{}
	}
	kind, before := r.ledgers[at], len(r.problems)
	values, unset := r.values("ledger."+kind.Name, kind.Settings, block)
	if len(r.problems) > before {
		return ledgerConfig{}
	}
	if unset != nil {
		return ledgerConfig{Place: ledger.Place{Kind: kind}, unset: fmt.Errorf("%w: %w", unset, ledger.ErrNoLedger)}
	}
	place, errs := ledger.NewPlace(kind, values)
	for _, err := range errs {
		r.fail(block.at, "%s", strings.TrimSuffix(err.Error(), ": "+nhi.ErrInvalid.Error()))
	}
	return ledgerConfig{Place: place}
}

func (r *configReader) ledgerNames() []string {
	names := make([]string, len(r.ledgers))
	for i, kind := range r.ledgers {
		names[i] = kind.Name
	}
	return names
}

// ledgerOf reads the ledger that a flag names: a folder, or what stands behind
// "ledger =" in nhi.hcl, with paths relative to the working folder.
func (a *app) ledgerOf(flag string) (ledgerConfig, error) {
	r := &configReader{name: "--ledger", dir: ".", kinds: a.Kinds, ledgers: a.Ledgers}
	if !strings.HasPrefix(strings.TrimSpace(flag), "{") {
		return r.folder(flag)
	}
	if len(flag) > maxConfig {
		return ledgerConfig{}, fmt.Errorf("longer than %d bytes: %w", maxConfig, nhi.ErrInvalid)
	}
	expr, diags := hclsyntax.ParseExpression([]byte(flag), r.name, hcl.InitialPos)
	if r.diagnose(diags); diags.HasErrors() {
		return ledgerConfig{}, r.err()
	}
	found := r.ledger(expr)
	return found, r.err()
}

// folder is the local ledger in a folder.
func (r *configReader) folder(path string) (ledgerConfig, error) {
	for _, kind := range r.ledgers {
		if kind.Name == localKind {
			place, errs := ledger.NewPlace(kind, nhi.Values{"path": nhi.Text(filepath.Clean(path))})
			return ledgerConfig{Place: place}, errors.Join(errs...)
		}
	}
	return ledgerConfig{}, fmt.Errorf("there is no ledger of kind %s: %w", localKind, nhi.ErrInvalid)
}

// localKind is the kind of a ledger in a folder.
const localKind = "local"

// openLedger returns how to open the ledger of a configuration.
func (a *app) openLedger(c ledgerConfig) func(context.Context) (*ledger.Ledger, error) {
	return func(ctx context.Context) (*ledger.Ledger, error) {
		if c.unset != nil {
			return nil, c.unset
		}
		return c.Open(ctx, a.writer(), a.Now)
	}
}
