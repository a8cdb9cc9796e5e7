//go:build mutants

package mutants

import (
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

// workers is how many mutants are tried at a time, each in a copy of its own.
const workers = 2

var only = flag.String("mutant", "", "try only the mutants whose name matches this regular expression")

// TestMutants breaks each promise on purpose, in a copy of the repository, and
// requires that the promise's test notices.
func TestMutants(t *testing.T) {
	all := chosen(t, load(t))
	copies := make([]checkout, workers)
	for i := range copies {
		copies[i] = newCheckout(t)
	}
	whole(t, copies[0], all)
	count := tally{t: t}
	queue := make(chan mutant)
	var wait sync.WaitGroup
	for _, c := range copies {
		wait.Go(func() {
			for m := range queue {
				started := time.Now()
				v, err := c.try(t.Context(), m)
				count.add(m, v, err, time.Since(started))
			}
		})
	}
	for _, m := range all {
		queue <- m
	}
	close(queue)
	wait.Wait()
	fmt.Printf("mutants %d, killed %d, survived %d", len(all), count.killed, count.survived)
	if count.invalid > 0 {
		fmt.Printf(", invalid %d", count.invalid)
	}
	fmt.Println()
}

// chosen returns the mutants that the flag asks for.
func chosen(t *testing.T, all []mutant) []mutant {
	t.Helper()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !pattern.MatchString(m.name) })
	if len(all) == 0 {
		t.Fatalf("no mutant is called %q", *only)
	}
	return all
}

// whole requires that the tests pass while nothing is broken: otherwise their
// failure would say nothing about a mutant.
func whole(t *testing.T, c checkout, all []mutant) {
	t.Helper()
	tests := map[string][]string{} // by package
	for _, m := range all {
		if !slices.Contains(tests[m.folder], m.test) {
			tests[m.folder] = append(tests[m.folder], m.test)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(tests)) {
		started := time.Now()
		v, err := c.test(t.Context(), folder, tests[folder]...)
		if err == nil {
			err = v.passed(tests[folder])
		}
		if err != nil {
			t.Fatalf("nothing is broken yet, and the tests of %s do not pass: %v", folder, err)
		}
		fmt.Printf("unbroken, %d tests of %s pass (%s)\n", len(tests[folder]), folder, seconds(time.Since(started)))
	}
}

// tally counts how the mutants ended, and says so of each.
type tally struct {
	t                         *testing.T
	mu                        sync.Mutex
	killed, survived, invalid int
}

func (n *tally) add(m mutant, v verdict, err error, took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ended := v.ended[m.test]
	switch {
	case err == nil && ended == "fail":
		n.killed++
		fmt.Printf("killed %s by %s (%s)\n    %s\n", m.name, m.test, seconds(took), v.why())
	case err == nil && ended == "pass":
		n.survived++
		fmt.Printf("SURVIVED %s (%s)\n", m.name, seconds(took))
		n.t.Errorf("%s survived %s: %s", m.name, m.test, m.breaks)
	default:
		n.invalid++
		if err == nil {
			err = fmt.Errorf("%s did not run to its end (%q):\n%s", m.test, ended, v.out)
		}
		fmt.Printf("INVALID %s (%s)\n", m.name, seconds(took))
		n.t.Errorf("%s: %v", m.name, err)
	}
}

func seconds(d time.Duration) time.Duration { return d.Round(time.Second) }
