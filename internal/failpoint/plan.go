//go:build nhi_failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type verb string

const (
	off   verb = "off"
	kill  verb = "kill"
	stop  verb = "stop"
	delay verb = "delay"
	fail  verb = "error"
	lost  verb = "lost"
)

// action is what a point does, and for how many hits; 0 is for all.
type action struct {
	verb  verb
	text  string
	wait  time.Duration
	times int
}

// Plan is what was ordered, by the names of points. It is safe for concurrent
// use.
type Plan struct {
	mu    sync.Mutex
	lines map[string][]action
}

// Read reads what is ordered: a text, or @ and the path of a file.
func Read(text string) (*Plan, error) {
	if path, isFile := strings.CutPrefix(text, "@"); isFile {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text = string(data)
	}
	plan := &Plan{lines: map[string][]action{}}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, chain, found := strings.Cut(line, "=")
		if !found || name == "" || plan.lines[name] != nil {
			return nil, fmt.Errorf("%q is no NAME=ACTION of its own", line)
		}
		for term := range strings.SplitSeq(chain, "->") {
			action, err := parseAction(strings.TrimSpace(term))
			if err != nil {
				return nil, err
			}
			plan.lines[name] = append(plan.lines[name], action)
		}
	}
	return plan, nil
}

func parseAction(term string) (action, error) {
	var a action
	if count, rest, counted := strings.Cut(term, "*"); counted {
		times, err := strconv.Atoi(count)
		if err != nil || times < 1 {
			return a, fmt.Errorf("%q: the number of hits is no number above 0", term)
		}
		a.times, term = times, rest
	}
	name, argument, has := strings.Cut(term, "(")
	if has {
		var closed bool
		if argument, closed = strings.CutSuffix(argument, ")"); !closed {
			return a, fmt.Errorf("%q does not end in )", term)
		}
	}
	switch a.verb = verb(name); a.verb {
	case off, kill, stop, lost:
		if has {
			return a, fmt.Errorf("%q takes nothing in brackets", term)
		}
	case delay:
		var err error
		if a.wait, err = time.ParseDuration(argument); err != nil || a.wait < 0 {
			return a, fmt.Errorf("%q: the delay is no duration", term)
		}
	case fail:
		if a.text = argument; a.text == "" {
			a.text = "it fails"
		}
	default:
		return a, fmt.Errorf("%q is no action", term)
	}
	return a, nil
}

// next takes the action of one hit of a point.
func (p *Plan) next(name string) action {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.lines[name] {
		a := &p.lines[name][i]
		switch {
		case a.times == 0:
			return *a
		case a.times > 0:
			if a.times--; a.times == 0 {
				a.times = -1 // used up
			}
			return *a
		}
	}
	return action{verb: off}
}

// first takes the action of the first of these names that has any.
func (p *Plan) first(names []string) action {
	for _, name := range names {
		p.mu.Lock()
		_, found := p.lines[name]
		p.mu.Unlock()
		if found {
			return p.next(name)
		}
	}
	return action{verb: off}
}
