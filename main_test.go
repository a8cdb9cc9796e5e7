package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestReleasedBinaryHasNoSeams: what is built without tags can neither be told
// another time nor be ordered to fail.
func TestReleasedBinaryHasNoSeams(t *testing.T) {
	t.Parallel()
	for tags, want := range map[string]bool{"": false, "nhi_clock,nhi_failpoints": true} {
		binary := filepath.Join(t.TempDir(), "nhi")
		if out, err := exec.Command("go", "build", "-tags", tags, "-o", binary, ".").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		program, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"NHI_TEST_CLOCK", "NHI_FAILPOINTS", "internal/failpoint.", "a fault was ordered here"} {
			if found := bytes.Contains(program, []byte(word)); found != want {
				t.Errorf("built with %q: %q is in the binary: %t", tags, word, found)
			}
		}
	}
}

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
