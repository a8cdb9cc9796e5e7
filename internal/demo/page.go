package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// page is what the reader sees.
type page struct {
	out   io.Writer
	color bool
	live  bool // a line can be written over
	steps int
}

// ANSI styles.
const (
	plain  = ""
	bold   = "1"
	green  = "32"
	cyan   = "36"
	yellow = "33"
	red    = "31"
)

// width is where long lines are broken.
const width = 122

func (p *page) styled(style, text string) string {
	if !p.color || style == plain {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (p *page) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// step begins a step: one line that says what it shows.
func (p *page) step(title string) {
	p.steps++
	p.line("\n%s", p.styled(bold, fmt.Sprintf("%2d. %s", p.steps, title)))
}

// command shows what a user would type here.
func (p *page) command(words ...string) {
	line := "$"
	for i, word := range words {
		// A flag stays with its value.
		unit := word
		if strings.HasPrefix(word, "--") && i+1 < len(words) {
			unit += " " + words[i+1]
		}
		if utf8.RuneCountInString(line+unit) > width-8 {
			p.line("    %s", p.styled(cyan, line+" \\"))
			line = "   "
		}
		line += " " + word
	}
	p.line("    %s", p.styled(cyan, line))
}

// quote shows lines of what a command answered.
func (p *page) quote(lines []string) {
	for _, line := range lines {
		margin := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " ")))
		for i, part := range broken(strings.TrimLeft(line, " "), width-len(margin)) {
			if i > 0 {
				part = "    " + part
			}
			p.line("      %s", p.styled(styleOf(line), margin+part))
		}
	}
}

// broken breaks a line between words.
func broken(line string, width int) []string {
	var lines []string
	for utf8.RuneCountInString(line) > width {
		at := strings.LastIndex(string([]rune(line)[:width]), " ")
		if at <= 0 {
			break
		}
		lines = append(lines, strings.TrimRight(line[:at], " "))
		line = strings.TrimLeft(line[at:], " ")
	}
	return append(lines, line)
}

// styleOf colours a line of a plan by its sign.
func styleOf(line string) string {
	sign, _, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	switch sign {
	case "+":
		return green
	case "~":
		return yellow
	case "-":
		return red
	default:
		return plain
	}
}

// proof says what was asked, and found to be so.
func (p *page) proof(format string, args ...any) {
	p.line("    %s %s", p.styled(green, "✓"), fmt.Sprintf(format, args...))
}

// tick says how many seconds are left, on a line that the next one replaces;
// where lines cannot be replaced, every ten seconds.
func (p *page) tick(left int) {
	text := fmt.Sprintf("%ds left, and the server still lets in", left)
	switch {
	case p.live:
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K    … %s", text)
	case left > 0 && left%10 == 0:
		p.line("    … %s", text)
	}
}

// ticked ends a row of ticks.
func (p *page) ticked() {
	if p.live {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}
