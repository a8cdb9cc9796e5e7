package connector_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// counted is a connector that counts lists and reads of single accounts.
type counted struct {
	*fake
	lists, reads atomic.Int64
	block        chan struct{} // lists wait for it, where it is not nil
	listed, held map[string]connector.State
	err          error
}

func newCounted() *counted {
	return &counted{fake: &fake{}, listed: map[string]connector.State{}, held: map[string]connector.State{}}
}

func (c *counted) Read(ctx context.Context, asked []connector.Account) (connector.Holdings, error) {
	from := c.held
	if asked == nil {
		c.lists.Add(1)
		from = c.listed
		if c.block != nil {
			<-c.block
		}
	} else {
		c.reads.Add(1)
	}
	if err := errors.Join(ctx.Err(), c.err); err != nil {
		return nil, err
	}
	return holdingsFunc(func(account connector.Account) connector.Observation {
		state, ok := from[account.Principal]
		if !ok {
			state = connector.Absent
		}
		return seen(account, state)
	}), nil
}

func TestRosterListsOnce(t *testing.T) {
	t.Parallel()
	inner := newCounted()
	inner.block = make(chan struct{})
	roster := connector.NewRoster(guard(inner))
	var wait sync.WaitGroup
	for i := range 50 {
		inner.listed[accountOf(i).Principal] = connector.Active
	}
	for i := range 50 {
		wait.Go(func() {
			if found, err := roster.Of(t.Context(), accountOf(i)); err != nil || found.State != connector.Active || found.Principal != accountOf(i).Principal {
				t.Errorf("account %d: %+v, %v", i, found, err)
			}
		})
	}
	close(inner.block)
	wait.Wait()
	if inner.lists.Load() != 1 || inner.reads.Load() != 0 {
		t.Errorf("%d lists and %d reads, want one list", inner.lists.Load(), inner.reads.Load())
	}
}

// TestRosterConfirmsAbsent: a list may leave out what it should have held.
func TestRosterConfirmsAbsent(t *testing.T) {
	t.Parallel()
	inner := newCounted()
	account := accountOf(1)
	inner.held[account.Principal] = connector.Active
	roster := connector.NewRoster(guard(inner))
	if found, err := roster.Of(t.Context(), account); err != nil || found.State != connector.Active {
		t.Errorf("missing in the list: %+v, %v, want active", found, err)
	}
	if found, err := roster.Of(t.Context(), accountOf(2)); err != nil || found.State != connector.Absent {
		t.Errorf("missing in both: %+v, %v, want absent", found, err)
	}
	if inner.lists.Load() != 1 || inner.reads.Load() != 2 {
		t.Errorf("%d lists and %d reads, want 1 and 2", inner.lists.Load(), inner.reads.Load())
	}
	inner.err = nhi.ErrUnreachable
	if found, err := roster.Of(t.Context(), accountOf(2)); !errors.Is(err, nhi.ErrUnreachable) || found.State != "" {
		t.Errorf("absent that cannot be confirmed: %+v, %v", found, err)
	}
}

func TestRosterForgets(t *testing.T) {
	t.Parallel()
	inner := newCounted()
	account := accountOf(1)
	inner.listed[account.Principal] = connector.Inert
	roster := connector.NewRoster(guard(inner))
	want := func(state connector.State, lists int64) {
		t.Helper()
		if found, err := roster.Of(t.Context(), account); err != nil || found.State != state || inner.lists.Load() != lists {
			t.Errorf("%+v, %v after %d lists, want %s after %d", found, err, inner.lists.Load(), state, lists)
		}
	}
	want(connector.Inert, 1)
	want(connector.Inert, 1)
	roster.Forget()
	inner.listed[account.Principal] = connector.Active
	want(connector.Active, 2)
}

// TestRosterForgetsWhatIsUnderWay: a list that began before an effect is not
// kept, and nobody who asks after the effect is told what it held.
func TestRosterForgetsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, ends := range []string{"before the next one asks", "while the next one waits"} {
		inner := newCounted()
		inner.block = make(chan struct{})
		account := accountOf(1)
		inner.listed[account.Principal] = connector.Active
		roster := connector.NewRoster(guard(inner))
		var wait sync.WaitGroup
		ask := func() {
			wait.Go(func() {
				if _, err := roster.Of(t.Context(), account); err != nil {
					t.Error(err)
				}
			})
		}
		ask()
		await(t, func() bool { return inner.lists.Load() == 1 })
		roster.Forget()
		if ends == "before the next one asks" {
			close(inner.block)
			wait.Wait()
			ask()
		} else {
			ask()
			await(t, func() bool { return inner.lists.Load() == 2 })
			close(inner.block)
		}
		wait.Wait()
		if n := inner.lists.Load(); n != 2 {
			t.Errorf("the old list ends %s: %d lists, want 2", ends, n)
		}
	}
}

func TestRosterNeverCachesErrors(t *testing.T) {
	t.Parallel()
	inner := newCounted()
	inner.err = nhi.ErrUnreachable
	inner.listed[accountOf(1).Principal] = connector.Active
	roster := connector.NewRoster(guard(inner))
	for range 2 {
		if _, err := roster.Of(t.Context(), accountOf(1)); !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("%v, want ErrUnreachable", err)
		}
	}
	inner.err = nil
	if found, err := roster.Of(t.Context(), accountOf(1)); err != nil || found.State != connector.Active {
		t.Errorf("after the error: %+v, %v", found, err)
	}
	if inner.lists.Load() != 3 {
		t.Errorf("%d lists, want 3", inner.lists.Load())
	}
}

// TestRosterCancelled: one caller who gives up takes nobody else along.
func TestRosterCancelled(t *testing.T) {
	t.Parallel()
	inner := newCounted()
	inner.block = make(chan struct{})
	inner.listed[accountOf(1).Principal] = connector.Active
	roster := connector.NewRoster(guard(inner))
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := roster.Of(ctx, accountOf(1))
		gaveUp <- err
	}()
	await(t, func() bool { return inner.lists.Load() == 1 })
	patient := make(chan error, 1)
	go func() {
		_, err := roster.Of(t.Context(), accountOf(1))
		patient <- err
	}()
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) || !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("who gave up: %v", err)
	}
	close(inner.block)
	if err := <-patient; err != nil {
		t.Errorf("who waited: %v", err)
	}
	if inner.lists.Load() != 1 {
		t.Errorf("%d lists, want 1", inner.lists.Load())
	}
}
