// Command demo shows the whole life of one machine identity: asked for,
// approved by two people, granted, used for a real SSH login, ended and revoked.
//
// It needs Go and a Terraform or OpenTofu, works in a temporary folder that it
// removes, and asks the server at each step whether what Terraform says is so.
// What is not so is an error and the exit code 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// cliVariable names the Terraform or OpenTofu to use.
const cliVariable = "NHI_DEMO_TERRAFORM"

// term of the access that ends by itself: long enough for a slow machine to
// log in, and short enough to wait for.
const shortTerm = 30 * time.Second

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := untilStopped()
	defer stop()
	p := &page{out: os.Stdout, live: term.IsTerminal(int(os.Stdout.Fd()))}
	p.color = p.live && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	cli, err := findCLI()
	if err == nil {
		err = tell(ctx, p, cli, shortTerm)
	}
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(os.Stderr, "\nStopped:", err)
	default:
		_, _ = fmt.Fprintln(os.Stderr, "\nError:", err)
	}
	return 1
}

// untilStopped is a context that ends with ctrl-C, a closed terminal or pipe,
// or the death of the parent: `go run` does not pass on what kills it.
func untilStopped() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	parent := os.Getppid()
	go func() {
		for ctx.Err() == nil {
			if os.Getppid() != parent {
				cancel()
			}
			sleep(ctx, time.Second)
		}
	}()
	return ctx, func() { stop(); cancel() }
}

// sleep waits, or less where ctx ends first.
func sleep(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}

// findCLI returns the Terraform or OpenTofu to use.
func findCLI() (string, error) {
	if path := os.Getenv(cliVariable); path != "" {
		return path, nil
	}
	for _, name := range []string{"terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no terraform and no tofu on PATH: `make demo` builds one, or say " + cliVariable + "=FILE")
}
