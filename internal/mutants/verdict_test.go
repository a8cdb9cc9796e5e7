//go:build mutants

package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// Where the promises' tests are, and how long they may take.
const (
	promisePackage = "internal/provider"
	testDeadline   = "15m"
)

// verdict is what one run of go test said.
type verdict struct {
	ended map[string]string // pass, fail or skip, by test
	out   string            // all that the tests printed
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
}

// test runs only the named tests of one package. No server may be missing: a skipped test
// proves nothing.
func (c checkout) test(ctx context.Context, folder string, names ...string) (verdict, error) {
	pattern := "^(" + strings.Join(names, "|") + ")$"
	command := exec.CommandContext(ctx, "go", "test", "-json", "-vet=off", "-count=1", "-timeout="+testDeadline, "-run", pattern, "./"+folder)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "NHI_REQUIRE_SERVERS=1")
	out, err := command.Output()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return verdict{}, err
	}
	v, err := read(out)
	if err == nil && failed != nil {
		v.out += string(failed.Stderr)
	}
	return v, err
}

// read reads the events of go test -json.
func read(out []byte) (verdict, error) {
	v := verdict{ended: map[string]string{}}
	var printed strings.Builder
	for events := json.NewDecoder(bytes.NewReader(out)); ; {
		var e event
		if err := events.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return v, fmt.Errorf("go test -json printed something else: %w\n%s", err, out)
		}
		switch e.Action {
		case "pass", "fail", "skip":
			v.ended[e.Test] = e.Action
		case "output", "build-output":
			printed.WriteString(e.Output)
		}
	}
	v.out = printed.String()
	if strings.Contains(v.out, "panic: test timed out") {
		return v, errors.New("the tests did not end within " + testDeadline)
	}
	return v, nil
}

// passed holds where each test ran and passed, with every part of it.
func (v verdict) passed(names []string) error {
	for _, name := range names {
		if v.ended[name] != "pass" {
			return fmt.Errorf("%s did not pass (%q):\n%s", name, v.ended[name], v.out)
		}
	}
	for name, ended := range v.ended {
		if ended != "pass" {
			return fmt.Errorf("%s: %s:\n%s", name, ended, v.out)
		}
	}
	return nil
}

// complaint is a line in which a test says what is wrong.
var complaint = regexp.MustCompile(`(?m)^ +(\w+_test\.go:\d+: .*)$`)

// why is the first thing that a failed test said.
func (v verdict) why() string {
	const longest = 160
	found := complaint.FindStringSubmatch(v.out)
	if found == nil {
		return "it said nothing"
	}
	if line := []rune(found[1]); len(line) > longest {
		return string(line[:longest]) + "…"
	}
	return found[1]
}
