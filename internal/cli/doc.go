// Package cli is the tool of approvers, auditors and the platform team: the
// subcommands of the one binary. It reads arguments, calls the lifecycle, and
// writes to the writers that it was given; it decides nothing itself.
//
// Everything that came from outside (a ledger, a file, an error) is made
// visible before it is written: no control or format character reaches a
// terminal.
package cli
