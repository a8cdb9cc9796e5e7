package main

import (
	"slices"
	"strings"
)

// excerpt returns the lines of an answer that hold one of the texts.
func excerpt(answer string, texts ...string) []string {
	var found []string
	for line := range strings.Lines(answer) {
		line = unframed(line)
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(line, text) }) {
			found = append(found, line)
		}
	}
	return found
}

// change returns what a plan does to one resource: its heading
// ("# nhi_grant.etl will be created") and its block.
func change(plan, address string) []string {
	var found []string
	for line := range strings.Lines(plan) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "  # "+address+" will be ") || len(found) > 0 {
			found = append(found, strings.TrimPrefix(line, "  "))
		}
		if len(found) > 0 && line == "    }" {
			break
		}
	}
	return found
}

// attributes returns the heading of a change, and those of its attributes that
// are named; of several with the same name the outermost, which stands first.
func attributes(change []string, names ...string) []string {
	found := change[:min(1, len(change))]
	for _, name := range names {
		begin := slices.IndexFunc(change, func(line string) bool { return attribute(line) == name })
		if begin < 0 {
			continue
		}
		end := begin
		if strings.HasSuffix(change[begin], "[") || strings.HasSuffix(change[begin], "{") {
			for end < len(change)-1 && (end == begin || indent(change[end]) > indent(change[begin])) {
				end++
			}
		}
		found = append(slices.Clip(found), change[begin:end+1]...)
	}
	return found
}

// attribute is the name of the attribute that a line of a plan begins, or "".
func attribute(line string) string {
	name, _, ok := strings.Cut(strings.TrimLeft(line, " +~-"), " ")
	if !ok || !strings.Contains(line, " = ") {
		return ""
	}
	return name
}

// indent is how far to the right the text of a line of a plan begins, its sign
// left out.
func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " +~-")) }

// unframed takes off the frame that Terraform draws around messages.
func unframed(line string) string {
	line = strings.TrimRight(line, " \r\n")
	return strings.TrimPrefix(strings.TrimPrefix(line, "│"), " │")
}

// oneLine is a text with single spaces and without frames, in which a sentence
// is found wherever its lines were broken.
func oneLine(text string) string {
	text = strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}
