//go:build nhi_clock

package main

import (
	"os"
	"strings"
	"time"
)

// now is the one seam for time, in builds for tests alone: the machine's clock,
// moved by the duration in the file that NHI_TEST_CLOCK names. It is local,
// store and target time in one.
func now() time.Time {
	data, err := os.ReadFile(os.Getenv("NHI_TEST_CLOCK"))
	if err != nil {
		return time.Now()
	}
	ahead, err := time.ParseDuration(strings.TrimSpace(string(data)))
	if err != nil {
		return time.Now()
	}
	return time.Now().Add(ahead)
}
