package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// errNotActive says that a target was read back and is not as approved.
var errNotActive = errors.New("was not read back as active")

// confirm reads every target back and probes it. It returns what was seen of
// those that are as approved, and the errors of the others, by target key.
func (o *operation) confirm(ctx context.Context, keys []string) (map[string]ledger.Verified, map[string]connector.Outcome) {
	verified, wrong := map[string]ledger.Verified{}, map[string]connector.Outcome{}
	seen, probed := o.each(ctx, keys, observe), o.each(ctx, keys, probe)
	for _, key := range keys {
		kind, _ := o.engine.Systems.Kind(o.record.Targets[key].Kind)
		if err := working(kind, seen[key], probed[key]); err != nil {
			wrong[key] = connector.Outcome{Err: err}
			continue
		}
		verified[key] = ledger.Verified{State: string(seen[key].State), Verified: seen[key].Verified,
			Privileges: seen[key].Privileges, UsableUntil: seen[key].UsableUntil}
	}
	return verified, wrong
}

func working(kind connector.Kind, seen, probed connector.Outcome) error {
	switch {
	case seen.Err != nil:
		return seen.Err
	case probed.Err != nil:
		return fmt.Errorf("probe: %w", probed.Err)
	case kind.Unobservable && seen.State == connector.Unknown:
		return nil
	case seen.State != connector.Active:
		return fmt.Errorf("%w (%s)", errNotActive, seen.State)
	case len(seen.Findings) > 0:
		return fmt.Errorf("%w: %s", errNotActive, joined(slices.Clone(seen.Findings)))
	case probed.State != connector.Active && probed.State != connector.Unknown:
		return fmt.Errorf("%w: the probe was refused", errNotActive)
	}
	return nil
}

// removal turns the outcome of a revoke into what is recorded of it. Where no
// effect ever gave an id and Enable never began, a namesake that is not ours
// means that nothing of ours was made; else it is no proof that ours is gone.
func (o *operation) removal(key string, outcome connector.Outcome) ledger.Verified {
	account := o.record.Account(key)
	verified := ledger.Verified{State: string(outcome.State), Verified: outcome.Verified, Privileges: outcome.Privileges, UsableUntil: outcome.UsableUntil}
	switch {
	case errors.Is(outcome.Err, nhi.ErrForeign) && account.ID == "" && account.Evidence == "" && !account.Enabled:
		return ledger.Verified{State: string(connector.Foreign), Verified: true}
	case outcome.Err != nil:
		verified.Open = clip(outcome.Err.Error())
	case outcome.State != connector.Absent && outcome.State != connector.Unknown && outcome.State != connector.Released:
		verified.Open = "it is still " + string(outcome.State)
	}
	return verified
}

// takeAway removes the targets of keys, and returns what is recorded of each
// and the errors of those that stay open. An account that was to be taken over
// and never was in force is given back as it was found; all else is revoked.
func (o *operation) takeAway(ctx context.Context, keys []string) (map[string]ledger.Verified, map[string]error) {
	var ours, theirs []string
	for _, key := range keys {
		if o.adopts(key) && !o.record.Used[o.record.Targets[key].Nonce] {
			theirs = append(theirs, key)
		} else {
			ours = append(ours, key)
		}
	}
	outcomes := o.each(ctx, ours, revoke)
	maps.Copy(outcomes, o.each(ctx, theirs, release))
	verified, open := map[string]ledger.Verified{}, map[string]error{}
	for key, outcome := range outcomes {
		verified[key] = o.removal(key, outcome)
		switch {
		case verified[key].Open == "":
		case outcome.Err != nil:
			open[key] = outcome.Err
		default:
			open[key] = fmt.Errorf("%s: %w", verified[key].Open, nhi.ErrUnconfirmed)
		}
	}
	return verified, open
}

// neverMade is what is recorded of targets that nothing was ever asked for.
func neverMade(keys []string) map[string]ledger.Verified {
	verified := map[string]ledger.Verified{}
	for _, key := range keys {
		verified[key] = ledger.Verified{State: string(connector.Absent)}
	}
	return verified
}

// clip bounds what an error adds to the record.
func clip(text string) string {
	const limit = 400
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}
