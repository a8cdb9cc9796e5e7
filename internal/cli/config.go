package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

// configName is the configuration that is read where no other is named.
const configName = "nhi.hcl"

// Bounds on a configuration: its parser recurses with braces.
const (
	maxConfig  = 64 << 10
	maxNesting = 50
)

// config is what nhi.hcl says. Its schema is the provider block's; paths are
// relative to the file's folder.
type config struct {
	environment, scope       string
	ledger                   ledgerConfig
	policyFile, decisionsDir string
	requesterKey             string
	requester, runner        source.Source
	systems                  []configured
}

// configReader collects what is wrong with a configuration.
type configReader struct {
	name     string // of the file
	dir      string // that its paths are relative to
	problems []problem
	kinds    []connector.Kind
	ledgers  []ledger.Kind
}

type problem struct {
	line    int
	message string
}

func (r *configReader) fail(at hcl.Range, format string, args ...any) {
	r.problems = append(r.problems, problem{at.Start.Line, fmt.Sprintf(format, args...)})
}

// err returns the first problems in the order of the lines; nhi.ErrInvalid.
func (r *configReader) err() error {
	slices.SortStableFunc(r.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	const shown = 10
	var all []error
	for _, p := range r.problems[:min(len(r.problems), shown)] {
		all = append(all, fmt.Errorf("%s line %d: %s: %w", r.name, p.line, p.message, nhi.ErrInvalid))
	}
	return errors.Join(all...)
}

// readConfig reads a configuration file. It is strict: what it does not know
// is an error with its line.
func (a *app) readConfig(path string) (config, error) {
	src, err := readFile(path, maxConfig)
	if err != nil {
		return config{}, err
	}
	return a.parseConfig(path, src)
}

func (a *app) parseConfig(path string, src []byte) (config, error) {
	r := &configReader{name: filepath.Base(path), dir: filepath.Dir(path), kinds: a.Kinds, ledgers: a.Ledgers}
	body := r.syntax(src)
	if body == nil {
		return config{}, r.err()
	}
	c := r.config(body)
	return c, r.err()
}

func (r *configReader) syntax(src []byte) *hclsyntax.Body {
	tokens, _ := hclsyntax.LexConfig(src, r.name, hcl.InitialPos)
	depth := 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
		default:
		}
		if depth > maxNesting {
			r.fail(token.Range, "braces are nested deeper than %d", maxNesting)
			return nil
		}
	}
	file, diags := hclsyntax.ParseConfig(src, r.name, hcl.InitialPos)
	r.diagnose(diags)
	if len(r.problems) > 0 || file == nil {
		return nil
	}
	body, _ := file.Body.(*hclsyntax.Body)
	return body
}

func (r *configReader) diagnose(diags hcl.Diagnostics) {
	for _, diag := range diags {
		at := hcl.Range{Start: hcl.InitialPos}
		if diag.Subject != nil {
			at = *diag.Subject
		}
		r.fail(at, "%s: %s", diag.Summary, diag.Detail)
	}
}

func (r *configReader) config(body *hclsyntax.Body) config {
	var c config
	for _, block := range body.Blocks {
		r.fail(block.TypeRange, "unknown block %q: every setting is written NAME = VALUE", block.Type)
	}
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		attribute := body.Attributes[name]
		switch name {
		case "environment":
			c.environment = r.checked(attribute.Expr, name, nhi.CheckName)
		case "scope":
			c.scope = r.checked(attribute.Expr, name, nhi.CheckScope)
		case "ledger":
			c.ledger = r.ledger(attribute.Expr)
		case "policy_file":
			c.policyFile = r.path(attribute.Expr, name)
		case "decisions_dir":
			c.decisionsDir = r.path(attribute.Expr, name)
		case "requester":
			c.requesterKey, c.requester = r.proof(attribute.Expr, name, "ssh_key_file")
		case "runner":
			_, c.runner = r.proof(attribute.Expr, name)
		case "systems":
			c.systems = r.systems(attribute.Expr)
		case "read_only": // the provider's: it is about credentials
		default:
			r.fail(attribute.NameRange, "unknown attribute %q", name)
		}
	}
	return c
}

// object returns the expressions of an object that may hold these names alone.
func (r *configReader) object(expr hcl.Expression, at string, names ...string) map[string]hcl.Expression {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		r.fail(expr.Range(), "%s must be an object, { %s = … }", at, names[0])
		return nil
	}
	found := map[string]hcl.Expression{}
	for _, pair := range pairs {
		key, diags := pair.Key.Value(nil)
		r.diagnose(diags)
		if diags.HasErrors() || key.IsNull() || !key.IsKnown() || key.Type() != cty.String {
			continue
		}
		if !slices.Contains(names, key.AsString()) {
			r.fail(pair.Key.Range(), "%s: unknown attribute %q", at, key.AsString())
			continue
		}
		found[key.AsString()] = pair.Value
	}
	return found
}

// text returns a string; nothing is known here but what is written out.
func (r *configReader) text(expr hcl.Expression, name string) string {
	if expr == nil {
		return ""
	}
	value, diags := expr.Value(nil)
	if r.diagnose(diags); diags.HasErrors() {
		return ""
	}
	if value.IsNull() || !value.IsKnown() || value.Type() != cty.String {
		r.fail(expr.Range(), "%s must be a string in quotes", name)
		return ""
	}
	return value.AsString()
}

func (r *configReader) checked(expr hcl.Expression, name string, check func(string) error) string {
	text := r.text(expr, name)
	if err := check(text); err != nil && len(r.problems) == 0 {
		r.fail(expr.Range(), "%s %s", name, strings.TrimSuffix(err.Error(), ": "+nhi.ErrInvalid.Error()))
	}
	return text
}

// path returns a path, relative ones below the configuration's folder. "~/" is
// the reader's home and left to whoever opens it.
func (r *configReader) path(expr hcl.Expression, name string) string {
	return r.below(r.text(expr, name))
}

func (r *configReader) below(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, "~/") {
		return path
	}
	return filepath.Join(r.dir, path)
}
