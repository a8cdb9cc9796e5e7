//go:build nhi_failpoints

package failpoint

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestActionsAreCounted(t *testing.T) {
	t.Parallel()
	plan, err := Read("a=2*off->1*error(no)->off; b=lost;c=1*delay(1ms)")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]verb{
		"a": {off, off, fail, off, off}, "b": {lost, lost}, "c": {delay, off, off}, "d": {off},
	} {
		for i, one := range want {
			if got := plan.next(name).verb; got != one {
				t.Errorf("hit %d of %s does %s, want %s", i+1, name, got, one)
			}
		}
	}
}

func TestOrdersComeFromAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "points")
	if err := os.WriteFile(file, []byte("a=kill\nb=stop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := Read("@" + file)
	if err != nil || plan.next("a").verb != kill || plan.next("b").verb != stop {
		t.Errorf("%v", err)
	}
	if _, err := Read("@" + file + ".missing"); err == nil {
		t.Error("a missing file orders nothing")
	}
}

func TestMistakesAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a", "=kill", "a=", "a=die", "a=kill(1)", "a=delay", "a=delay(1", "a=0*kill", "a=x*kill", "a=kill;a=stop", "a=delay(-1s)"} {
		if _, err := Read(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestEffect(t *testing.T) {
	t.Parallel()
	fails := func(name string) error {
		if name == "effect.enable" {
			return ErrOrdered
		}
		return nil
	}
	send := func(accounts []int) []string { return make([]string, len(accounts)) }
	failed := func(err error) string { return err.Error() }
	ctx := With(t.Context(), fails)
	if got := Effect(ctx, []string{"effect.enable.x", "effect.enable"}, []int{1, 2}, send, failed); !slices.Equal(got, []string{ErrOrdered.Error(), ErrOrdered.Error()}) {
		t.Errorf("%q", got)
	}
	if got := Effect(ctx, []string{"effect.revoke"}, []int{1, 2}, send, failed); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("%q", got)
	}
}

func TestDelayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (action{verb: delay, wait: time.Hour}).do(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
