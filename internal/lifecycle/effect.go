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
)

// method is one method of a connector, and whether it changes anything.
type method struct {
	name    string
	call    func(connector.Connector, context.Context, []connector.Account) []connector.Outcome
	changes bool
}

// The methods, by the names of the contract.
var (
	prepare = method{"prepare", connector.Connector.Prepare, true}
	enable  = method{"enable", connector.Connector.Enable, true}
	revoke  = method{"revoke", connector.Connector.Revoke, true}
	probe   = method{"probe", connector.Connector.Probe, false}
	observe = method{"observe", func(c connector.Connector, ctx context.Context, a []connector.Account) []connector.Outcome {
		return look(ctx, c, a)
	}, false}
)

// look reads the accounts themselves, not through the shared reads.
func look(ctx context.Context, c connector.Connector, accounts []connector.Account) []connector.Outcome {
	holdings, err := c.Read(ctx, accounts)
	outcomes := make([]connector.Outcome, len(accounts))
	for i, account := range accounts {
		if err != nil {
			outcomes[i] = connector.Outcome{Err: err}
			continue
		}
		seen, err := connector.Look(holdings, account)
		outcomes[i] = connector.Outcome{Observation: seen, Err: err}
	}
	return outcomes
}

// place is where an account is: one connector serves all of one place.
type place struct{ system, kind, endpoint string }

// each carries out one method on the targets of keys: systems side by side,
// each system's accounts in one call. Nothing is changed any more once whoever
// started this run is gone.
func (o *operation) each(ctx context.Context, keys []string, do method) map[string]connector.Outcome {
	if len(keys) == 0 {
		return map[string]connector.Outcome{}
	}
	if err := o.point(ctx, do.name, before); err != nil {
		return allFailed(keys, err)
	}
	if err := o.engine.mayAct(); do.changes && err != nil {
		return allFailed(keys, err)
	}
	o.sent = o.sent || do.changes
	results := o.onSystems(ctx, keys, do)
	if err := o.point(ctx, do.name, after); err != nil {
		return allFailed(keys, err)
	}
	return results
}

// allFailed is the outcome of a step that failed as a whole.
func allFailed(keys []string, err error) map[string]connector.Outcome {
	results := map[string]connector.Outcome{}
	for _, key := range keys {
		results[key] = connector.Outcome{Err: err}
	}
	return results
}

func (o *operation) onSystems(ctx context.Context, keys []string, do method) map[string]connector.Outcome {
	byPlace := map[place][]string{}
	for _, key := range keys {
		target, _ := o.engine.Systems.at(o.record.Targets[key]) // what leads nowhere says so below
		at := place{target.System, target.Kind, target.Endpoint}
		byPlace[at] = append(byPlace[at], key)
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	results := map[string]connector.Outcome{}
	for _, members := range byPlace {
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

// onSystem carries out one method on targets that share a system. A system
// that leads elsewhere now is an error of each of them. The shared reads of a
// system that was changed are dropped, whatever came of it.
func (o *operation) onSystem(ctx context.Context, keys []string, do method) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(keys))
	open, err := o.engine.Systems.open(ctx, o.record.Targets[keys[0]])
	if err != nil {
		for i := range outcomes {
			outcomes[i] = connector.Outcome{Err: err}
		}
		return outcomes
	}
	accounts := make([]connector.Account, len(keys))
	for i, key := range keys {
		accounts[i] = o.record.Account(key)
	}
	if do.changes {
		defer open.roster.Forget()
	}
	return send(ctx, o.record.Targets[keys[0]], open.connector, do, accounts)
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

// learn keeps the ids and evidence of accounts that were prepared where the
// chain does not hold them, so that an undo knows what it gives back.
func (o *operation) learn(made map[string]ledger.Target) {
	o.record.Targets = maps.Clone(o.record.Targets)
	for key, target := range made {
		if known, ok := o.record.Targets[key]; ok && known.Nonce == target.Nonce {
			o.record.Targets[key] = target
		}
	}
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
