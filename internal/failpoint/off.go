//go:build !nhi_failpoints

package failpoint

import "context"

// Enabled says whether this build has failpoints.
const Enabled = false

// Hit does nothing in this build.
func Hit(context.Context, string) error { return nil }

// Lost is never so in this build.
func Lost(error) bool { return false }

// Effect sends an effect; in this build nothing gets in its way.
func Effect[A, R any](_ context.Context, _ []string, accounts []A, send func([]A) []R, _ func(error) R) []R {
	return send(accounts)
}
