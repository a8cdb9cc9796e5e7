package main

import (
	"testing"
	"time"
)

func TestLeaveWithTheParent(t *testing.T) {
	t.Parallel()
	parents := []int{42, 42, 1}
	seen := 0
	current := func() int { seen++; return parents[seen-1] }
	ticks := make(chan time.Time, len(parents))
	for range parents {
		ticks <- time.Time{}
	}
	code := -1
	leaveWith(42, current, ticks, func(c int) { code = c })
	if code != 1 || seen != len(parents) {
		t.Errorf("exit %d after %d looks", code, seen)
	}
}

func TestDebugFlags(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-debug", "--debug", "-debug=true"} {
		if !isDebugFlag(flag) {
			t.Errorf("%s is no debug flag", flag)
		}
	}
	for _, flag := range []string{"", "debug", "-debug=false", "requests", "--help"} {
		if isDebugFlag(flag) {
			t.Errorf("%s is a debug flag", flag)
		}
	}
}
