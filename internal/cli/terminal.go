package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Terminal is where a person answers. Both methods return the error of ctx
// when it ends first.
type Terminal interface {
	// Ask shows prompt and returns the line that was typed.
	Ask(ctx context.Context, prompt string) (string, error)
	// Secret is Ask without showing what is typed.
	Secret(ctx context.Context, prompt string) ([]byte, error)
}

// tty is the terminal of the process.
type tty struct {
	in      *os.File
	prompts io.Writer
}

// Ask implements Terminal.
func (t tty) Ask(ctx context.Context, prompt string) (string, error) {
	_, _ = io.WriteString(t.prompts, prompt)
	line, err := interruptible(ctx, func() ([]byte, error) { return readLine(t.in) })
	return strings.TrimSpace(string(line)), err
}

// Secret implements Terminal.
func (t tty) Secret(ctx context.Context, prompt string) ([]byte, error) {
	_, _ = io.WriteString(t.prompts, prompt)
	descriptor := int(t.in.Fd())
	before, err := term.GetState(descriptor)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	secret, err := interruptible(ctx, func() ([]byte, error) { return term.ReadPassword(descriptor) })
	_, _ = io.WriteString(t.prompts, "\n")
	if err != nil {
		// An interrupted read has not switched the echo on again.
		err = errors.Join(err, term.Restore(descriptor, before))
	}
	return secret, err
}

// interruptible reads until ctx ends: a read from a terminal cannot be
// stopped, so it is left behind.
func interruptible(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case got := <-answers:
		return got.line, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readLine reads one line byte by byte, so that nothing after it is lost.
func readLine(in io.Reader) ([]byte, error) {
	const longest = 4096
	var line []byte
	one := make([]byte, 1)
	for len(line) < longest {
		n, err := in.Read(one)
		if n == 1 && one[0] == '\n' {
			return line, nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("a line of more than %d bytes was typed", longest)
}
