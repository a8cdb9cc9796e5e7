package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// widest is how many characters of a line are shown.
const widest = 110

// excerpt returns the lines of an answer that hold one of the texts, each
// under the heading of its resource ("# nhi_grant.etl will be created").
func excerpt(answer string, texts ...string) []string {
	var found []string
	heading := ""
	for line := range strings.Lines(answer) {
		line = unframed(line)
		if strings.HasPrefix(line, "  # ") && strings.Contains(line, " will be ") {
			heading = line
			continue
		}
		if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(line, text) }) {
			continue
		}
		if heading != "" {
			found = append(found, trimmed(heading))
			heading = ""
		}
		found = append(found, trimmed(line))
	}
	return found
}

// unframed takes off the frame that Terraform draws around messages.
func unframed(line string) string {
	line = strings.TrimRight(line, " \r\n")
	return strings.TrimPrefix(strings.TrimPrefix(line, "│"), " │")
}

// trimmed makes a line fit.
func trimmed(line string) string {
	if utf8.RuneCountInString(line) <= widest {
		return line
	}
	return string([]rune(line)[:widest-1]) + "…"
}

// oneLine is a text with single spaces and without frames, in which a sentence
// is found wherever its lines were broken.
func oneLine(text string) string {
	text = strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}
