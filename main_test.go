package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

// TestThreatsHaveTests holds SECURITY.md against the code: every row of its table
// of threats names a test, every test that it names exists, and every test of a
// threat stands in it.
func TestThreatsHaveTests(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(document), "\n## Threats\n")
	section, _, _ = strings.Cut(section, "\n## ")
	written := testsBelow(t, "internal")
	named, rows := map[string]bool{}, 0
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| threat ") {
			continue
		}
		rows++
		tests := testName.FindAllString(cells[len(cells)-1], -1)
		if len(cells) != 3 || len(tests) == 0 && !strings.Contains(cells[2], "testdata") {
			t.Errorf("no test stands in %q", line)
		}
		for _, test := range tests {
			named[test] = true
			if !written[test] {
				t.Errorf("SECURITY.md names %s, and there is no such test", test)
			}
		}
	}
	if !found || rows < 40 {
		t.Errorf("found %d threats, and there are more", rows)
	}
	for test := range written {
		if strings.HasPrefix(test, "TestThreat") && !named[test] {
			t.Errorf("%s stands in no row of SECURITY.md", test)
		}
	}
}

var testName = regexp.MustCompile(`\bTest[A-Z]\w*`)

// testsBelow are the names of the tests in a folder.
func testsBelow(t *testing.T, folder string) map[string]bool {
	t.Helper()
	declared, found := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`), map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range declared.FindAllSubmatch(source, -1) {
			found[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
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
