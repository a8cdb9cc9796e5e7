package vault

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// clockSlack is how much this machine's clock and Vault's may differ and still
// be the same: Vault tells whole seconds, and an answer takes a while.
const clockSlack = 2 * time.Second

// clock goes by Vault's time once that was asked for, because Vault counts its
// ends from there: on a machine whose clock is a day back, a secret id would
// otherwise live a day too long. Until then it is this machine's, in real time.
type clock struct {
	local func() time.Time

	mu    sync.Mutex
	asked bool
	ahead time.Duration // of Vault's time over the local one
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local().Add(c.ahead)
}

// setRight asks Vault for its time, once. It is taken to be late in its second,
// so that no end is too late. Errors are nhi.ErrUnreachable.
func (s *system) setRight(ctx context.Context) error {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	if s.clock.asked {
		return nil
	}
	at, err := s.vault.Time(ctx)
	if err != nil {
		return fmt.Errorf("ask for the time of Vault: %w", unreachable(err))
	}
	ahead := at.Add(time.Second).Sub(s.clock.local())
	if ahead.Abs() > clockSlack {
		s.clock.ahead = ahead
	}
	s.clock.asked = true
	return nil
}

// Time implements connector.Timekeeper, in whole seconds.
func (s *system) Time(ctx context.Context) (time.Time, error) {
	at, err := s.vault.Time(ctx)
	return at, unreachable(err)
}
