//go:build !nhi_clock

package main

import "time"

// now is the machine's clock. Builds for tests replace it: see clock_seam.go.
func now() time.Time { return time.Now() }
