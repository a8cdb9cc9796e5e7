package nhi

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxTextBytes bounds every canonical text that is read from outside.
const MaxTextBytes = 4 << 20

// textWriter writes the lines of a canonical text.
type textWriter struct{ out strings.Builder }

func (w *textWriter) heading(line string) { w.out.WriteString(line + "\n") }

// line writes "name: value", or "name:" where value is empty.
func (w *textWriter) line(indent, name, value string) {
	w.out.WriteString(indent + name + ":")
	if value != "" {
		w.out.WriteString(" " + value)
	}
	w.out.WriteByte('\n')
}

// list writes "name (n):" and one line "- item" for each item.
func (w *textWriter) list(indent, name string, items []string) {
	w.out.WriteString(indent + name + " (" + strconv.Itoa(len(items)) + "):\n")
	for _, item := range items {
		w.out.WriteString(indent + "  - " + item + "\n")
	}
}

// textReader reads the lines of a canonical text. The first error sticks, and
// whoever reads a text compares it with the text written again.
type textReader struct {
	lines []string
	next  int
	err   error
}

func newTextReader(text, heading string) *textReader {
	r := &textReader{}
	switch {
	case len(text) > MaxTextBytes:
		r.fail("is longer than %d bytes", MaxTextBytes)
	case !strings.HasSuffix(text, "\n"):
		r.fail("does not end with a line break")
	default:
		r.lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	if got, ok := r.peek(); r.err == nil && (!ok || got != heading) {
		r.fail("does not start with %q", heading)
	}
	r.next++
	return r
}

func (r *textReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("text "+format+": %w", append(args, ErrInvalid)...)
	}
}

func (r *textReader) peek() (string, bool) {
	if r.err != nil || r.next >= len(r.lines) {
		return "", false
	}
	return r.lines[r.next], true
}

// line reads "name: value" or "name:".
func (r *textReader) line(indent, name string) string {
	got, ok := r.peek()
	rest, named := strings.CutPrefix(got, indent+name+":")
	if !ok || !named {
		r.fail("line %d: expected %q", r.next+1, indent+name+":")
		return ""
	}
	r.next++
	if rest == "" {
		return ""
	}
	value, spaced := strings.CutPrefix(rest, " ")
	if !spaced || value == "" {
		r.fail("line %d: expected one space after the colon", r.next)
	}
	return value
}

// has says whether the next line starts with prefix.
func (r *textReader) has(prefix string) bool {
	got, ok := r.peek()
	return ok && strings.HasPrefix(got, prefix)
}

// rest returns what was not read yet, as a text.
func (r *textReader) rest() string {
	if r.err != nil || r.next >= len(r.lines) {
		return ""
	}
	return strings.Join(r.lines[r.next:], "\n") + "\n"
}

func (r *textReader) end() error {
	if got, ok := r.peek(); ok {
		r.fail("line %d: unexpected %.80q", r.next+1, got)
	}
	return r.err
}

// setting reads the next line as "name: value" or "name (n):" with items.
func (r *textReader) setting(indent string) (string, Value) {
	got, _ := r.peek()
	head, _, _ := strings.Cut(strings.TrimPrefix(got, indent), ":")
	name, count, isList := strings.Cut(head, " (")
	if !isList {
		return name, Text(r.line(indent, name))
	}
	n, err := strconv.Atoi(strings.TrimSuffix(count, ")"))
	if err != nil || n < 0 || n > MaxListItems {
		r.fail("line %d: bad count", r.next+1)
		return name, Value{}
	}
	r.next++
	items := make([]string, 0, n)
	for range n {
		got, _ := r.peek()
		item, ok := strings.CutPrefix(got, indent+"  - ")
		if !ok {
			r.fail("line %d: expected an item", r.next+1)
			break
		}
		items = append(items, item)
		r.next++
	}
	return name, List(items...)
}
