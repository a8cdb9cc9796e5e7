package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrOvertaken says that another run acts on the same grant: it wrote an
// intent after ours, so this one may do nothing more.
var ErrOvertaken = errors.New("another run is acting on this grant")

// operation is one verb at work on one grant: its chain, as this run knows it,
// and the record that follows from it.
type operation struct {
	engine *Engine
	chain  ledger.Chain
	record Record
	// away holds why the chain cannot be appended to. Only a removal goes on
	// then, and what it would have recorded is kept in pending.
	away    error
	pending []ledger.Body
}

// begin reads the grant's chain. On an error the operation still holds what
// was intact, for a removal to work from.
func (e *Engine) begin(ctx context.Context, id nhi.ApprovalID) (*operation, error) {
	op := &operation{engine: e, chain: ledger.Chain{Name: ledger.GrantChain(id)}}
	book, err := e.Book()
	if err == nil {
		op.chain, err = book.Read(ctx, ledger.GrantChain(id))
	}
	op.record = Fold(id, op.chain)
	if book != nil {
		op.record.Ledger = book.ID()
	}
	return op, err
}

// append writes bodies to the grant's chain. ErrOvertaken means that another
// run was there first.
func (o *operation) append(ctx context.Context, bodies ...ledger.Body) error {
	book, err := o.engine.Book()
	if err != nil {
		return err
	}
	chain, err := book.Append(ctx, o.chain, bodies...)
	if errors.Is(err, ledger.ErrConflict) {
		return fmt.Errorf("%s: %w", o.record.Grant, ErrOvertaken)
	}
	if err != nil {
		return err
	}
	o.chain = chain
	o.record = Fold(o.record.Grant, chain)
	return nil
}

// fenced holds while nobody else has written to the grant's chain.
func (o *operation) fenced(ctx context.Context) error {
	return o.engine.unchanged(ctx, map[string]nhi.Head{o.chain.Name: o.chain.Head()})
}

// unchanged holds while every chain still ends as it did when it was relied on.
func (e *Engine) unchanged(ctx context.Context, heads map[string]nhi.Head) error {
	book, err := e.Book()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		chain, err := book.Read(ctx, name)
		if err != nil {
			return err
		}
		if chain.Head() != heads[name] {
			return fmt.Errorf("%s has changed since it was evaluated: %w", name, ErrOvertaken)
		}
	}
	return nil
}

// effect is one method of a connector.
type effect func(connector.Connector, context.Context, []connector.Account) []connector.Outcome

// The effects, by the names of the contract.
func prepare(c connector.Connector, ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.Prepare(ctx, a)
}

func enable(c connector.Connector, ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.Enable(ctx, a)
}

func revoke(c connector.Connector, ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.Revoke(ctx, a)
}

func probe(c connector.Connector, ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.Probe(ctx, a)
}

func observe(c connector.Connector, ctx context.Context, a []connector.Account) []connector.Outcome {
	holdings, err := c.Read(ctx, a)
	outcomes := make([]connector.Outcome, len(a))
	for i, account := range a {
		if err != nil {
			outcomes[i] = connector.Outcome{Err: err}
			continue
		}
		outcomes[i] = connector.Outcome{Observation: holdings.Of(account)}
	}
	return outcomes
}

// each carries out one effect on the targets of keys: systems side by side,
// each system's accounts in one call.
func (o *operation) each(ctx context.Context, keys []string, do effect) map[string]connector.Outcome {
	bySystem := map[string][]string{}
	for _, key := range keys {
		system := systemName(o.record.Targets[key])
		bySystem[system] = append(bySystem[system], key)
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	results := map[string]connector.Outcome{}
	for _, members := range bySystem {
		wait.Go(func() {
			outcomes := o.onSystem(ctx, members, do)
			mu.Lock()
			defer mu.Unlock()
			for i, key := range members {
				results[key] = outcomes[i]
			}
		})
	}
	wait.Wait()
	return results
}

// onSystem carries out one effect on targets that share a system. A target
// whose endpoint is not where the system leads now is an error of its own.
func (o *operation) onSystem(ctx context.Context, keys []string, do effect) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(keys))
	var accounts []connector.Account
	var places []int
	var open connector.Connector
	for i, key := range keys {
		c, err := o.engine.Systems.Connector(ctx, o.record.Targets[key])
		if err != nil {
			outcomes[i] = connector.Outcome{Err: err}
			continue
		}
		open = c
		accounts, places = append(accounts, o.record.Account(key)), append(places, i)
	}
	if open == nil {
		return outcomes
	}
	for i, outcome := range do(open, ctx, accounts) {
		outcomes[places[i]] = outcome
	}
	return outcomes
}

// forget drops the shared reads of every system that the targets are on.
func (o *operation) forget(ctx context.Context) {
	for _, target := range o.record.Targets {
		if roster, err := o.engine.Systems.Roster(ctx, target); err == nil {
			roster.Forget()
		}
	}
}

// noted returns the targets of keys with the ids and evidence of outcomes.
func (o *operation) noted(outcomes map[string]connector.Outcome) map[string]ledger.Target {
	targets := map[string]ledger.Target{}
	for key, outcome := range outcomes {
		target := o.record.Targets[key]
		if outcome.Err == nil && outcome.ID != "" {
			target.ID = outcome.ID
		}
		if outcome.Err == nil && outcome.Evidence != "" {
			target.Evidence = outcome.Evidence
		}
		targets[key] = target
	}
	return targets
}

// failures joins the errors of outcomes, each with its target, in order.
func failures(outcomes map[string]connector.Outcome) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(outcomes)) {
		if err := outcomes[key].Err; err != nil {
			errs = append(errs, fmt.Errorf("target %q: %w", key, err))
		}
	}
	return errors.Join(errs...)
}
