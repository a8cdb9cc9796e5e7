package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// errNoTime says that nobody whose word counts knows what time it is.
var errNoTime = errors.New("the time is not known: the ledger is away, and no target of the grant tells it, so nothing ends by time until it is back")

// otherTimeout bounds asking the targets of one grant for the time, so that a
// plan in an outage does not wait long for each.
const otherTimeout = 10 * time.Second

// otherTime is what the time is while the ledger does not say it, for what ends
// a grant alone. Where the ledger has no clock but this machine's, that one is no
// less to be trusted now; else it is the earliest that a target of the grant
// tells. The machine's clock never ends anything for a ledger that others share.
func (e *Engine) otherTime(ctx context.Context, known Record) (time.Time, error) {
	if e.MachineTime != nil {
		return e.MachineTime().UTC(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, otherTimeout)
	defer cancel()
	keys := known.keys()
	told := make([]time.Time, len(keys))
	var all sync.WaitGroup
	for i, key := range keys {
		all.Go(func() { told[i], _ = e.timeAt(ctx, known, key) }) // who does not answer has no say
	}
	all.Wait()
	earliest := nhi.Earliest(told...)
	if earliest.IsZero() {
		return earliest, errNoTime
	}
	return earliest, nil
}

// timeAt is what the time is at one target; zero where it tells none.
func (e *Engine) timeAt(ctx context.Context, known Record, key string) (time.Time, error) {
	open, err := e.Systems.Connector(ctx, known.Targets[key])
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", key, err)
	}
	keeper, tells := connector.TimekeeperOf(open)
	if !tells {
		return time.Time{}, nil
	}
	return keeper.Time(ctx)
}
