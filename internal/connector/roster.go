package connector

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Roster shares the reads of one system within a run: it is listed once,
// whoever asks. It serves refresh, never a decision at apply and never a
// revocation: those read for themselves. Safe for concurrent use.
type Roster struct {
	connector Connector
	flights   singleflight.Group

	mu       sync.Mutex
	age      uint64 // how often Forget was called: a list of an earlier age is stale
	holdings Holdings
}

// NewRoster returns a roster over an open connector.
func NewRoster(c Connector) *Roster { return &Roster{connector: c} }

// Of returns what the system holds of an account. A list that was read is kept
// until Forget; an error never is. Absent comes from a read of that very
// account, because a list may leave out what it should have held. Errors are
// the connector's, and those of ctx with nhi.ErrUnreachable.
func (r *Roster) Of(ctx context.Context, account Account) (Observation, error) {
	holdings, err := r.list(ctx)
	if err != nil {
		return Observation{}, err
	}
	observation, err := Look(holdings, account)
	if err != nil || observation.State != Absent {
		return observation, err
	}
	direct, err := r.connector.Read(ctx, []Account{account})
	if err != nil {
		return Observation{}, err
	}
	return Look(direct, account)
}

// Forget drops the list. It is called after every effect on the system.
func (r *Roster) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age++
	r.holdings = nil
}

func (r *Roster) list(ctx context.Context) (Holdings, error) {
	r.mu.Lock()
	age, holdings := r.age, r.holdings
	r.mu.Unlock()
	if holdings != nil {
		return holdings, nil
	}
	// The read belongs to all who wait for it, so nobody's context ends it
	// (the guard's deadline does); whoever asks after Forget never joins a
	// read that started before it.
	flight := r.flights.DoChan(strconv.FormatUint(age, 10), func() (any, error) {
		holdings, err := r.connector.Read(context.WithoutCancel(ctx), nil)
		if err != nil {
			return nil, err
		}
		r.keep(age, holdings)
		return holdings, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", nhi.ErrUnreachable, ctx.Err())
	case result := <-flight:
		if result.Err != nil {
			return nil, result.Err
		}
		holdings, ok := result.Val.(Holdings)
		if !ok {
			return nil, fmt.Errorf("read answered nothing: %w", nhi.ErrUnreachable)
		}
		return holdings, nil
	}
}

func (r *Roster) keep(age uint64, holdings Holdings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.age == age {
		r.holdings = holdings
	}
}
