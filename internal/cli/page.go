package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// style is an ANSI rendition; none where it is empty.
type style string

// The styles.
const (
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// page is the text that a command shows. Whatever is put on it is made visible
// first, so nothing on it can move the cursor or forge a line.
type page struct {
	out   strings.Builder
	color bool
}

// String returns the text.
func (p *page) String() string { return p.out.String() }

func (p *page) gap() { p.out.WriteByte('\n') }

// line adds one line; a line break within it starts another one.
func (p *page) line(format string, args ...any) { p.styled("", "", format, args...) }

// styled adds one line in a style, behind an indent.
func (p *page) styled(s style, indent, format string, args ...any) {
	for text := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		p.out.WriteString(indent + p.paint(s, visible(text)) + "\n")
	}
}

// marked adds "  + text", the mark in its style.
func (p *page) marked(mark string, s style, format string, args ...any) {
	p.out.WriteString("  " + p.paint(s, mark) + " " + visible(fmt.Sprintf(format, args...)) + "\n")
}

// field adds "  name      text", aligned.
func (p *page) field(name, format string, args ...any) {
	p.out.WriteString("  " + visible(fmt.Sprintf("%-14s "+format, append([]any{name}, args...)...)) + "\n")
}

func (p *page) paint(s style, text string) string {
	if !p.color || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// table adds rows under a heading, in columns.
func (p *page) table(rows [][]string) {
	columns := tabwriter.NewWriter(&p.out, 0, 1, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				_, _ = io.WriteString(columns, "\t")
			}
			_, _ = io.WriteString(columns, visible(cell))
		}
		_, _ = io.WriteString(columns, "\n")
	}
	_ = columns.Flush() // a strings.Builder takes everything
}

// plain says whether a terminal shows r as it is.
func plain(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// visible writes every character that a terminal would obey, hide or reorder
// as its number.
func visible(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, "\\x%02x", text[i])
		case plain(r):
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, "\\u{%x}", r)
		}
		i += size
	}
	return out.String()
}

// visibleJSON is visible for encoded JSON: such characters stand in its
// strings alone, where \u says the same.
func visibleJSON(encoded string) string {
	var out strings.Builder
	for _, r := range encoded {
		switch {
		case plain(r) || r == '\n':
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, "\\u%04x\\u%04x", high, low)
		default:
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.String()
}

// page returns an empty page.
func (a *app) page() *page { return &page{color: a.Color} }

// show writes a page to Out; with --json nothing, since emit does.
func (a *app) show(p *page) error {
	if a.json {
		return nil
	}
	_, err := io.WriteString(a.Out, p.String())
	return err
}

// note writes a line for people to Err, and nothing with --json.
func (a *app) note(format string, args ...any) {
	if !a.json {
		_, _ = fmt.Fprintln(a.Err, visible(fmt.Sprintf(format, args...)))
	}
}

// emit writes value to Out as JSON with --json, and nothing without.
func (a *app) emit(value any) error {
	if !a.json {
		return nil
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("json: %w", err)
	}
	_, err := io.WriteString(a.Out, visibleJSON(out.String()))
	return err
}
