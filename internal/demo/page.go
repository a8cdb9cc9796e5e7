package main

import (
	"fmt"
	"io"
	"strings"
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
	bold   = "1"
	dim    = "2"
	green  = "32"
	cyan   = "36"
	yellow = "33"
)

func (p *page) styled(style, text string) string {
	if !p.color {
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
	p.line("    %s", p.styled(cyan, "$ "+strings.Join(words, " ")))
}

// quote shows lines of what a command answered.
func (p *page) quote(lines []string) {
	for _, line := range lines {
		p.line("      %s", p.styled(styleOf(line), line))
	}
}

// styleOf colours a line of a plan by its sign.
func styleOf(line string) string {
	switch {
	case strings.HasPrefix(strings.TrimSpace(line), "+"):
		return green
	case strings.HasPrefix(strings.TrimSpace(line), "~"):
		return yellow
	default:
		return dim
	}
}

// proof says what was asked, and found to be so.
func (p *page) proof(format string, args ...any) {
	p.line("    %s %s", p.styled(green, "✓"), fmt.Sprintf(format, args...))
}

// tick writes a line that the next one replaces; where lines cannot be
// replaced it writes every tenth.
func (p *page) tick(left int, text string) {
	switch {
	case p.live:
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K    %s", text)
	case left%10 == 0:
		p.line("    %s", text)
	}
}

// ticked ends a row of ticks.
func (p *page) ticked() {
	if p.live {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}
