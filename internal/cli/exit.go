package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// The exit codes.
const (
	ExitOK          = 0
	ExitWrong       = 1 // verify or witness found a fault, a decision cannot count, or something failed
	ExitUsage       = 2 // bad usage or bad input; nothing was changed
	ExitUnavailable = 3 // ledger, policy or trust root cannot be relied on
	ExitDue         = 4 // sweep found something that is due, and was not told to revoke it
	ExitOpen        = 5 // a removal was ordered and is not confirmed everywhere
	ExitWaits       = 6 // all is removed, and the record of it waits for the ledger
	ExitPending     = 7 // show --plan: a request of the plan is not approved yet
)

const exitCodesHelp = `Exit codes:
  0  done
  1  something is wrong: verify or witness found a fault, a decision cannot count, an operation failed
  2  bad usage or bad input; nothing was changed
  3  ledger, policy or trust root is not available or not trusted
  4  sweep: something is due, and nothing was changed
  5  revoke, sweep, rebuild: something is not confirmed as removed
  6  revoke, sweep: all is removed, and the record of it waits for the ledger
  7  show --plan: a request of the plan is not approved yet
`

// failure is an error that says itself how the program exits.
type failure struct {
	code int
	err  error
}

// Error implements error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns what went wrong.
func (f *failure) Unwrap() error { return f.err }

func usage(format string, args ...any) error {
	return &failure{ExitUsage, fmt.Errorf(format, args...)}
}

func wrong(format string, args ...any) error {
	return &failure{ExitWrong, fmt.Errorf(format, args...)}
}

func unavailable(format string, args ...any) error {
	return &failure{ExitUnavailable, fmt.Errorf(format, args...)}
}

func stillOpen(format string, args ...any) error {
	return &failure{ExitOpen, fmt.Errorf(format, args...)}
}

// relied are the errors of what every answer rests on.
var relied = []error{
	lifecycle.ErrNoTrustedLedger, lifecycle.ErrPolicy, lifecycle.ErrUntrusted,
	ledger.ErrNoLedger, ledger.ErrBroken, ledger.ErrUnknownEntry, nhi.ErrUnreachable,
}

// exitCode says how the program exits after err.
func exitCode(err error) int {
	var coded *failure
	if errors.As(err, &coded) {
		return coded.code
	}
	for _, one := range relied {
		if errors.Is(err, one) {
			return ExitUnavailable
		}
	}
	input := errors.Is(err, nhi.ErrInvalid) || errors.Is(err, nhi.ErrNotCanonical) || errors.Is(err, fs.ErrNotExist)
	if input && !errors.Is(err, context.Canceled) {
		return ExitUsage
	}
	return ExitWrong
}

// complain writes err for people, or for programs with --json.
func (a *app) complain(err error, code int) {
	if a.json {
		data, _ := json.Marshal(map[string]any{"error": err.Error(), "exit": code}) //nolint:errchkjson // strings and numbers
		_, _ = fmt.Fprintln(a.Err, visibleJSON(string(data)))
		return
	}
	page := &page{}
	page.line("Error: %s", err)
	_, _ = fmt.Fprint(a.Err, page.String())
}
