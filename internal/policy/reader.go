package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxProblems bounds how many problems one error tells.
const maxProblems = 10

// ParseError is one problem of a policy document. It is nhi.ErrInvalid.
type ParseError struct {
	Line    int // from 1
	Message string
	of      string // what was read, where that is no policy
}

// Error implements error.
func (e *ParseError) Error() string {
	return fmt.Sprintf("%s line %d: %s", or(e.of, "policy"), e.Line, e.Message)
}

// Unwrap makes every problem nhi.ErrInvalid.
func (*ParseError) Unwrap() error { return nhi.ErrInvalid }

// reader takes values out of the syntax tree, and collects what is wrong.
type reader struct {
	problems []*ParseError
	of       string // what is read, where that is no policy
}

func (r *reader) fail(at hcl.Range, format string, args ...any) {
	r.problems = append(r.problems, &ParseError{Line: at.Start.Line, Message: fmt.Sprintf(format, args...), of: r.of})
}

// check records err, where it is one, without the words that every problem ends in.
func (r *reader) check(at hcl.Range, name string, err error) {
	if err != nil {
		r.fail(at, "%s: %s", name, strings.TrimSuffix(err.Error(), ": "+nhi.ErrInvalid.Error()))
	}
}

// err returns the problems by line, the first of them only.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b *ParseError) int { return cmp.Compare(a.Line, b.Line) })
	var all []error
	for _, problem := range r.problems[:min(len(r.problems), maxProblems)] {
		all = append(all, problem)
	}
	return errors.Join(all...)
}

// shape checks that body holds only these attributes and blocks; labels is how
// many labels each type of block has.
func (r *reader) shape(body *hclsyntax.Body, attributes []string, labels map[string]int) {
	for name, attribute := range body.Attributes {
		if !slices.Contains(attributes, name) {
			r.fail(attribute.NameRange, "unknown attribute %q", name)
		}
	}
	for _, block := range body.Blocks {
		want, known := labels[block.Type]
		switch {
		case !known:
			r.fail(block.TypeRange, "unknown block %q", block.Type)
		case len(block.Labels) != want:
			r.fail(block.TypeRange, "block %q must have %d label, and has %d", block.Type, want, len(block.Labels))
		}
	}
}

// blocks returns the well-labelled blocks of one type, of which there may be limit.
func (r *reader) blocks(body *hclsyntax.Body, name string, limit int) []*hclsyntax.Block {
	var found []*hclsyntax.Block
	for _, block := range body.Blocks {
		if block.Type == name && len(block.Labels) == 1 {
			found = append(found, block)
		}
	}
	if len(found) > limit {
		r.fail(found[limit].TypeRange, "there are %d blocks %q, and %d is the most allowed", len(found), name, limit)
		return found[:limit]
	}
	return found
}

// value returns the literal of an attribute; false, and perhaps a problem,
// where there is none.
func (r *reader) value(body *hclsyntax.Body, name string, required bool) (cty.Value, hcl.Range, bool) {
	attribute, ok := body.Attributes[name]
	if !ok {
		if required {
			r.fail(body.SrcRange, "%q is missing", name)
		}
		return cty.NilVal, body.SrcRange, false
	}
	at := attribute.NameRange
	if !isLiteral(attribute.Expr) {
		r.fail(at, "%q must be written out: no functions, variables or expressions", name)
		return cty.NilVal, at, false
	}
	value, diags := attribute.Expr.Value(nil)
	if diags.HasErrors() {
		r.fail(at, "%s: %s", name, diags[0].Detail)
		return cty.NilVal, at, false
	}
	return value, at, true
}

func isLiteral(expression hclsyntax.Expression) bool {
	switch e := expression.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return !slices.ContainsFunc(e.Parts, func(part hclsyntax.Expression) bool {
			_, ok := part.(*hclsyntax.LiteralValueExpr)
			return !ok
		})
	case *hclsyntax.TupleConsExpr:
		return !slices.ContainsFunc(e.Exprs, func(item hclsyntax.Expression) bool {
			_, nested := item.(*hclsyntax.TupleConsExpr)
			return nested || !isLiteral(item)
		})
	default:
		return false
	}
}

// text returns a string attribute, and where it stands.
func (r *reader) text(body *hclsyntax.Body, name string, required bool) (string, hcl.Range, bool) {
	value, at, ok := r.value(body, name, required)
	if ok && (value.IsNull() || value.Type() != cty.String) {
		r.fail(at, "%q must be a string in quotes", name)
		ok = false
	}
	if !ok {
		return "", at, false
	}
	return value.AsString(), at, true
}

// number returns an attribute that is a whole number from 1 to limit.
func (r *reader) number(body *hclsyntax.Body, name string, limit int64) int {
	value, at, ok := r.value(body, name, true)
	if !ok {
		return 0
	}
	if value.IsNull() || value.Type() != cty.Number {
		r.fail(at, "%q must be a number", name)
		return 0
	}
	n, accuracy := value.AsBigFloat().Int64()
	if accuracy != big.Exact || n < 1 || n > limit {
		r.fail(at, "%q must be a whole number from 1 to %d", name, limit)
		return 0
	}
	return int(n)
}

// list returns an attribute that is a list of strings, each once, at most
// nhi.MaxListItems; a required one is not empty.
func (r *reader) list(body *hclsyntax.Body, name string, required bool) ([]string, hcl.Range) {
	value, at, ok := r.value(body, name, required)
	if !ok {
		return nil, at
	}
	if value.IsNull() || !value.Type().IsTupleType() {
		r.fail(at, "%q must be a list of strings", name)
		return nil, at
	}
	var items []string
	for _, item := range value.AsValueSlice() {
		switch {
		case item.IsNull() || item.Type() != cty.String:
			r.fail(at, "%q must be a list of strings", name)
			return nil, at
		case slices.Contains(items, item.AsString()):
			r.fail(at, "%q holds %.60q twice", name, item.AsString())
		case len(items) == nhi.MaxListItems:
			r.fail(at, "%q holds more than %d items", name, nhi.MaxListItems)
			return nil, at
		}
		items = append(items, item.AsString())
	}
	if required && len(items) == 0 {
		r.fail(at, "%q must not be empty", name)
	}
	return items, at
}
