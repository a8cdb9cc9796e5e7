//go:build nhi_failpoints

package failpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Enabled says whether this build has failpoints.
const Enabled = true

// variable orders faults from outside.
const variable = "NHI_FAILPOINTS"

// outside is what the variable orders, read once. A mistake in it ends the
// process: a test must not pass because its fault was never understood.
var outside = sync.OnceValue(func() *Plan {
	plan, err := Read(os.Getenv(variable))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", variable, err)
		os.Exit(1)
	}
	return plan
})

// ErrOrdered is behind every error that was ordered.
var ErrOrdered = errors.New("a fault was ordered here")

// ErrLost is ErrOrdered in place of an answer: what was asked for has happened.
var ErrLost = fmt.Errorf("the answer is lost: %w", ErrOrdered)

// Lost says whether an error stands in place of an answer.
func Lost(err error) bool { return errors.Is(err, ErrLost) }

type contextKey struct{}

// With returns a context whose points do what hook says, instead of what was
// ordered from outside: for tests within the process.
func With(ctx context.Context, hook func(name string) error) context.Context {
	return context.WithValue(ctx, contextKey{}, hook)
}

// Hit is a point: it does what was ordered for its name. The error is ordered
// too, and means that the step fails here.
func Hit(ctx context.Context, name string) error {
	if hook, ok := ctx.Value(contextKey{}).(func(string) error); ok {
		return hook(name)
	}
	action := outside().next(name)
	if action.verb == lost {
		return ErrLost
	}
	return action.do(ctx)
}

// Effect sends an effect on accounts, with what was ordered for the first of
// its names that anything was ordered for. A failed account is what failed
// makes of the error.
func Effect[A, R any](ctx context.Context, names []string, accounts []A, send func([]A) []R, failed func(error) R) []R {
	if hook, ok := ctx.Value(contextKey{}).(func(string) error); ok {
		if err := hook(names[len(names)-1]); err != nil {
			return all(accounts, err, failed)
		}
		return send(accounts)
	}
	switch action := outside().first(names); action.verb {
	case delay:
		results := make([]R, 0, len(accounts))
		for i := range accounts {
			if err := action.do(ctx); err != nil {
				results = append(results, failed(err))
				continue
			}
			results = append(results, send(accounts[i:i+1])...)
		}
		return results
	case lost:
		send(accounts)
		return all(accounts, ErrLost, failed)
	default:
		if err := action.do(ctx); err != nil {
			return all(accounts, err, failed)
		}
		return send(accounts)
	}
}

func all[A, R any](accounts []A, err error, failed func(error) R) []R {
	results := make([]R, len(accounts))
	for i := range results {
		results[i] = failed(err)
	}
	return results
}

func ordered(text string) error { return fmt.Errorf("%s: %w", text, ErrOrdered) }

// untilStopped is how long the kernel may take to stop all threads: this one is
// not the one that gets the signal.
const untilStopped = time.Second

// do carries an action out.
func (a action) do(ctx context.Context) error {
	switch a.verb {
	case kill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	case stop:
		err := syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(untilStopped)
		return err
	case delay:
		timer := time.NewTimer(a.wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case fail:
		return ordered(a.text)
	default:
		return nil
	}
}
