package policy

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// MaxBytes bounds a policy document, in bytes.
const MaxBytes = 1 << 20

// maxNesting bounds how deep braces and brackets nest: rule, quorum and a list
// are three.
const maxNesting = 8

// plainTokens are the only tokens that a policy needs. Operators, parentheses,
// templates and heredocs are none of them: a reader of the document sees every
// value as it is, and nothing can make the parser recurse.
var plainTokens = []hclsyntax.TokenType{
	hclsyntax.TokenOBrace, hclsyntax.TokenCBrace, hclsyntax.TokenOBrack, hclsyntax.TokenCBrack,
	hclsyntax.TokenOQuote, hclsyntax.TokenCQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenNumberLit,
	hclsyntax.TokenIdent, hclsyntax.TokenComma, hclsyntax.TokenEqual, hclsyntax.TokenNewline,
	hclsyntax.TokenComment, hclsyntax.TokenEOF,
}

// syntax parses src into a tree of plain blocks and literals, or returns nil
// and records why not.
func (r *reader) syntax(src []byte) *hclsyntax.Body {
	start := hcl.Range{Start: hcl.InitialPos}
	if len(src) > MaxBytes {
		r.fail(start, "the document is longer than %d bytes", MaxBytes)
		return nil
	}
	if r.characters(src); len(r.problems) > 0 {
		return nil
	}
	if r.tokens(src); len(r.problems) > 0 {
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, "policy", hcl.InitialPos)
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError {
			r.diagnostic(diag)
		}
	}
	if len(r.problems) > 0 || file == nil {
		return nil
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		r.fail(start, "the document is not in HCL's own syntax")
		return nil
	}
	return body
}

func (r *reader) diagnostic(diag *hcl.Diagnostic) {
	at := hcl.Range{Start: hcl.InitialPos}
	if diag.Subject != nil {
		at = *diag.Subject
	}
	r.fail(at, "%s: %s", diag.Summary, diag.Detail)
}

// characters refuses what makes a document read other than it is: what people
// sign must be what they see, comments included.
func (r *reader) characters(src []byte) {
	for i := 0; i < len(src); {
		c, size := utf8.DecodeRune(src[i:])
		plain := c == '\n' || c == '\t' || c == '\r' && bytes.HasPrefix(src[i+1:], []byte("\n"))
		broken := c == utf8.RuneError && size == 1
		if broken || !plain && !unicode.IsGraphic(c) {
			at := hcl.Range{Start: hcl.Pos{Line: 1 + bytes.Count(src[:i], []byte("\n"))}}
			r.fail(at, "holds the character %U, which is no UTF-8 or can hide or forge text", c)
			return
		}
		i += size
	}
}

func (r *reader) tokens(src []byte) {
	tokens, diags := hclsyntax.LexConfig(src, "policy", hcl.InitialPos)
	for _, diag := range diags {
		r.diagnostic(diag)
	}
	depth := 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack:
			depth--
		default:
		}
		if !slices.Contains(plainTokens, token.Type) {
			r.fail(token.Range, "%.40q must not be used: every value is written out, without expressions", token.Bytes)
			return
		}
		if depth > maxNesting {
			r.fail(token.Range, "braces are nested deeper than %d", maxNesting)
			return
		}
	}
}
