package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// endLimit is how long a command may take to end once it was interrupted.
const endLimit = 15 * time.Second

// answered is how a command ended.
type answered struct {
	command string
	code    int
	text    string // what it printed, on both streams
}

// says holds where every text is in the answer, wherever its lines break.
func (a answered) says(texts ...string) error {
	all := oneLine(a.text)
	for _, text := range texts {
		if !strings.Contains(all, oneLine(text)) {
			return fmt.Errorf("`%s` does not say %q, but:\n%s", a.command, text, a.text)
		}
	}
	return nil
}

// execute runs a command to its end, and nothing that it started outlives it.
// Stopped by ctx, it is interrupted first, so that it can end in order.
func execute(ctx context.Context, dir string, env []string, name string, args ...string) (answered, error) {
	var out bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Env = dir, env
	command.Stdout, command.Stderr = &out, &out
	command.WaitDelay = endLimit
	lead(command)
	err := command.Run()
	disband(command)
	done := answered{command: filepath.Base(name) + " " + strings.Join(args, " "), text: out.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return done, fmt.Errorf("`%s`: %w", done.command, ctx.Err())
	case err != nil && !errors.As(err, &exit):
		return done, fmt.Errorf("`%s`: %w", done.command, err)
	}
	done.code = command.ProcessState.ExitCode()
	return done, nil
}
