package lifecycle

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A run whose starter is gone sends nothing and writes nothing any more, wherever
// it was, but for what was on its way side by side; the next run finishes.
func TestAbandonedAnywhere(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		w := newMemoryWorld(t)
		text := w.approved(w.three())
		var mu sync.Mutex
		steps, last := 0, ""
		gone := func() bool { mu.Lock(); defer mu.Unlock(); return steps >= at }
		l := &life{}
		l.before = func(step string) {
			verb, _, _ := strings.Cut(step, " ")
			mu.Lock()
			defer mu.Unlock()
			if steps >= at && verb != "probe" && (verb == "write" || verb != last) {
				t.Errorf("abandoned after step %d: it went on to %s", at, step)
			}
			last = verb
		}
		l.after = func(string) { mu.Lock(); steps++; mu.Unlock() }
		e := w.run(l)
		e.Alive = func() bool { return !gone() }
		_, err := e.Activate(t.Context(), Ask{Text: text}, Record{})
		if !gone() {
			must(t, err)
			return
		}
		w.known(text)
		w.activate(text)
		w.wantThree()
	}
}

// Who dies closes their connection first: a run that is cancelled by it undoes
// nothing. One that is cancelled by somebody who lives on does.
func TestCancelledByTheDying(t *testing.T) {
	t.Parallel()
	for _, dies := range []bool{true, false} {
		w := newMemoryWorld(t)
		text := w.approved(w.three())
		ctx, cancel := context.WithCancel(t.Context())
		var gone atomic.Bool
		l := &life{}
		l.after = func(step string) {
			if step == "enable two" {
				cancel()
				time.AfterFunc(20*time.Millisecond, func() { gone.Store(dies) })
			}
		}
		e := w.run(l)
		e.Alive = func() bool { return !gone.Load() }
		_, err := e.Activate(ctx, Ask{Text: text}, Record{})
		if dies {
			wantError(t, err, ErrAbandoned)
			wantPhase(t, w.fold(text), PhaseUnfinished)
		} else {
			wantError(t, err, context.Canceled)
			wantPhase(t, w.fold(text), PhaseNone)
			w.wantHoldings()
		}
		w.activate(text)
		w.wantThree()
	}
}
