package lifecycle

import (
	"sync"
	"time"
)

// clockSlack is how much two clocks may differ and still be the same: what a
// question to a store takes, and what rounds away.
const clockSlack = 2 * time.Second

// Clock is the time for connectors whose target has none to ask, such as a
// certificate authority that is a file: this machine's, set right by the
// ledger's as soon as that has said what time it is there. So a machine whose
// clock is wrong neither takes what is in force for ended, nor the reverse. It is
// safe for concurrent use.
type Clock struct {
	local func() time.Time

	mu    sync.Mutex
	ahead time.Duration // of the ledger's time over the local one
}

// NewClock returns a clock that is local until it is set right.
func NewClock(local func() time.Time) *Clock { return &Clock{local: local} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local().Add(c.ahead)
}

// set makes the clock go by another one, which shows at.
func (c *Clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = at.Sub(c.local())
	if c.ahead.Abs() < clockSlack {
		c.ahead = 0
	}
}
