//go:build mutants

package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// promises is how many there are.
const promises = 14

// mutant is one edit that breaks a promise.
type mutant struct {
	name     string // of its file, without the ending
	promise  int
	breaks   string // what it breaks, in one sentence
	test     string // the test that must fail
	folder   string // where that test is, from the root of the repository, with slashes
	file     string // from the root of the repository, with slashes
	old, new string // whole lines
}

// load reads every mutant of testdata, by name, and wants at least one for
// each promise.
func load(t *testing.T) []mutant {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.mutant"))
	if err != nil {
		t.Fatal(err)
	}
	var all []mutant
	broken := map[int]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parse(strings.TrimSuffix(filepath.Base(file), ".mutant"), string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, m)
		broken[m.promise] = true
	}
	for promise := 1; promise <= promises; promise++ {
		if !broken[promise] {
			t.Errorf("no mutant breaks promise %d", promise)
		}
	}
	return all
}

// parse reads the text of a mutant.
func parse(name, text string) (mutant, error) {
	m := mutant{name: name, folder: promisePackage}
	head, edit, found := strings.Cut(text, "--- old\n")
	if !found {
		return m, fmt.Errorf("there is no line %q", "--- old")
	}
	if m.old, m.new, found = strings.Cut(edit, "--- new\n"); !found {
		return m, fmt.Errorf("there is no line %q", "--- new")
	}
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if err := m.set(key, value); err != nil {
			return m, err
		}
	}
	err := m.check()
	return m, err
}

func (m *mutant) set(key, value string) (err error) {
	switch key {
	case "promise":
		m.promise, err = strconv.Atoi(value)
	case "breaks":
		m.breaks = value
	case "test":
		m.test = value
	case "package":
		m.folder = value
	case "file":
		m.file = value
	default:
		err = fmt.Errorf("unknown line %q", key)
	}
	return err
}

// check holds for a mutant that is whole, and whose name and test are those of
// its promise.
func (m *mutant) check() error {
	number := fmt.Sprintf("%02d", m.promise)
	switch {
	case m.promise < 1 || m.promise > promises:
		return fmt.Errorf("there is no promise %d", m.promise)
	case !strings.HasPrefix(m.name, number+"-"):
		return fmt.Errorf("its name must start with %s-", number)
	case !strings.HasPrefix(m.test, "Test") || strings.HasPrefix(m.test, "TestPromise") && !strings.HasPrefix(m.test, "TestPromise"+number):
		return fmt.Errorf("test %q is not the one of promise %d", m.test, m.promise)
	case !strings.HasPrefix(m.folder, "internal/"):
		return fmt.Errorf("package %q is none of this repository's", m.folder)
	case m.breaks == "" || !strings.HasSuffix(m.file, ".go") || strings.HasSuffix(m.file, "_test.go"):
		return fmt.Errorf("it must say what it breaks, in which file of the code")
	case strings.TrimSpace(m.old) == "" || m.old == m.new:
		return fmt.Errorf("it changes nothing")
	}
	return nil
}

// apply returns source with the edit made. The old lines must stand there
// exactly once.
func (m *mutant) apply(source string) (string, error) {
	const start = "\n"
	lines := start + source
	if n := strings.Count(lines, start+m.old); n != 1 {
		return "", fmt.Errorf("its old lines stand %d times in %s: mend the mutant", n, m.file)
	}
	return strings.TrimPrefix(strings.Replace(lines, start+m.old, start+m.new, 1), start), nil
}
