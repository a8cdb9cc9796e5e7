package cli

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	stores "github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Options are what a run of the tool works with. Process returns those of the
// process itself; tests give their own.
type Options struct {
	Version  string
	Out, Err io.Writer
	// In is what "-" names where a file is read; empty where it is nil.
	In io.Reader
	// Terminal is where a person can be asked; nil where there is nobody.
	Terminal Terminal
	// Color says that Out shows ANSI colours.
	Color bool
	// Now supplies local and store time; time.Now where it is nil.
	Now func() time.Time
	// Kinds are the connectors; builtin.All where it is nil.
	Kinds []connector.Kind
	// Ledgers are the kinds of store; those that are built in where it is nil.
	Ledgers []ledger.Kind
	// Pins returns the trusted roots; lifecycle.Pins where it is nil.
	Pins func() ([]nhi.Digest, error)
	// Home is the user's home folder; that of the process where it is empty.
	Home string
	// SpoolDir is where records wait while the ledger is away; a folder of the
	// user's cache where it is empty.
	SpoolDir string

	clock *lifecycle.Clock // of the connectors
}

// Process returns the options of this process: its standard streams, colour
// only on a terminal and never with NO_COLOR, and the terminal as the place
// to ask where standard input is one.
func Process(version string) Options {
	options := Options{Version: version, Out: os.Stdout, Err: os.Stderr, In: os.Stdin}
	if isTerminal(os.Stdin) {
		options.Terminal = tty{in: os.Stdin, prompts: os.Stderr}
	}
	options.Color = isTerminal(os.Stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return options
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// Run carries out one command line, without the program's name, and returns
// its exit code: ExitOK, ExitWrong, ExitUsage or ExitUnavailable. Results go to
// Out, notes and errors to Err.
func Run(ctx context.Context, args []string, options Options) int {
	a := &app{Options: options.filled()}
	root := a.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	code := exitCode(err)
	if !a.started {
		code = ExitUsage // cobra refused the command line itself
	}
	a.complain(err, code)
	return code
}

func (o Options) filled() Options {
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.clock = lifecycle.NewClock(o.Now)
	if o.Kinds == nil {
		o.Kinds = builtin.AllAt(o.clock.Now)
	}
	if o.Ledgers == nil {
		o.Ledgers = stores.All()
	}
	if o.Pins == nil {
		o.Pins = lifecycle.Pins
	}
	if o.SpoolDir == "" {
		o.SpoolDir = lifecycle.SpoolDir()
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // what needs it says so
	}
	if o.In == nil {
		o.In = strings.NewReader("")
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Err == nil {
		o.Err = io.Discard
	}
	return o
}

// writer names this program in ledger entries.
func (o Options) writer() string { return "nhi " + o.Version }
