// Package killpoint runs a program, and kills it at one of the moments at which
// it changes what is on a disk: just before a write or a sync, or just after
// it. It can also make such a call fail, as a full or a broken disk does. It
// uses ptrace, so it sees every call of every thread, whatever library makes
// it, and the program needs to know nothing of that.
package killpoint

import (
	"errors"
	"syscall"
)

// ErrUnsupported says that this machine does not let a test trace its children.
var ErrUnsupported = errors.New("processes cannot be traced here")

// Action is what happens at the chosen call.
type Action int

// The actions.
const (
	Watch      Action = iota // nothing: the calls are only counted
	KillBefore               // the program is killed, and the call is not made
	KillAfter                // the call is made, and the program is killed before it knows
	FailOnce                 // the call is not made, and fails
	FailOn                   // that, and so does every later one that needs space
)

// Plan says what to run, and what to do to it.
type Plan struct {
	Args []string // the program's path, and its arguments
	Env  []string
	Dir  string // only calls about files below this folder count; absolute
	At   int    // the call to act at, from 1
	Do   Action
	// Error is what a call fails with.
	Error syscall.Errno
}

// Outcome is what became of the program.
type Outcome struct {
	Calls  []string // every call below the folder, as "pwrite64 ledger.db-wal"
	Output string   // what the program wrote to its standard output
	Errors string   // what it wrote to its standard error
	Killed bool     // by the plan
	Code   int      // its exit code; -1 where it was killed
}
