package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Evidence is what the systems answered about one grant, beside what the ledger
// says of it.
type Evidence struct {
	Grant      nhi.ApprovalID
	Phase      Phase
	Activation int
	StartedAt  time.Time
	ExpiresAt  time.Time
	Heads      map[string]nhi.Head // of the chains that it was read from
	// Due says in words why the grant must not go on as it is; empty where it may.
	Due     string
	Targets []Proof
	Err     error // why the ledger could not be read
}

// OK says whether everything is as the ledger says, and nothing is due.
func (e Evidence) OK() bool {
	return e.Err == nil && e.Due == "" && !slices.ContainsFunc(e.Targets, func(p Proof) bool { return p.Differs != "" })
}

// Proof is what one system answered about one account.
type Proof struct {
	Key    string
	Target ledger.Target
	Gone   bool // expected: to be gone, else to be active as approved
	Seen   connector.Observation
	Probed connector.State // empty where the probe failed
	// Differs says in words what is not as the ledger says, or what could not be
	// confirmed; empty where all is.
	Differs string
}

// Evidence asks every system about the accounts of a grant: those that the
// ledger holds now, and those of the last activation that it has removed. It
// reads for itself, probes, and changes nothing.
func (e *Engine) Evidence(ctx context.Context, grant nhi.ApprovalID) Evidence {
	op, err := e.begin(ctx, grant)
	found := Evidence{Grant: grant, Phase: op.record.Phase, Activation: op.record.Activation,
		StartedAt: op.record.StartedAt, ExpiresAt: op.record.ExpiresAt, Heads: map[string]nhi.Head{op.chain.Name: op.chain.Head()}}
	if err != nil {
		found.Err = err
		return found
	}
	now, err := e.Time(ctx)
	if err != nil {
		found.Err = err
		return found
	}
	if op.record.holds() {
		s := &sweeper{engine: e}
		s.policy, _, _ = e.PolicyInForce(ctx) // a policy that cannot be read ends nothing
		decision, err := s.due(ctx, op, now)
		if decision.Step != Rest {
			found.Due = joined(decision.Findings)
		}
		found.Err = err
	}
	if _, identities, err := e.identity(ctx, grant.Identity()); err == nil {
		found.Heads[identities.Name] = identities.Head()
	}
	found.Targets = op.prove(ctx)
	return found
}

// prove looks at every account of the grant.
func (o *operation) prove(ctx context.Context) []Proof {
	gone := o.removed()
	looker := &operation{engine: o.engine, chain: o.chain, record: o.record}
	looker.record.Targets = maps.Clone(o.record.Targets)
	maps.Copy(looker.record.Targets, gone)
	keys := slices.Sorted(maps.Keys(looker.record.Targets))
	seen, probed := looker.each(ctx, keys, observe), looker.each(ctx, keys, probe)
	var proofs []Proof
	for _, key := range keys {
		target := looker.record.Targets[key]
		_, left := gone[key]
		proof := Proof{Key: key, Target: target, Gone: left || Retired(key) || o.record.Phase == PhaseRevoking,
			Seen: seen[key].Observation, Probed: probed[key].State}
		kind, _ := o.engine.Systems.Kind(target.Kind)
		err := working(kind, seen[key], probed[key])
		if proof.Gone {
			err = absent(kind, seen[key], probed[key])
		}
		if err != nil {
			proof.Differs = err.Error()
		}
		proofs = append(proofs, proof)
	}
	return proofs
}

// errForeignName says that the place of what was removed is taken.
var errForeignName = errors.New("something else stands under its name")

// errNotGone says that a target was read back and still holds what the ledger
// says was removed.
var errNotGone = errors.New("is not gone")

// absent holds where a system itself says that an account is gone.
func absent(kind connector.Kind, seen, probed connector.Outcome) error {
	switch {
	case seen.Err != nil:
		return seen.Err
	case seen.State == connector.Foreign:
		return errForeignName
	case probed.Err != nil:
		return fmt.Errorf("probe: %w", probed.Err)
	case probed.State == connector.Active:
		return fmt.Errorf("%w: the probe was let in", errNotGone)
	case seen.State == connector.Absent || seen.State == connector.Released:
		return nil
	case kind.Unobservable && seen.State == connector.Unknown:
		return nil
	default:
		return fmt.Errorf("%w (%s)", errNotGone, seen.State)
	}
}

// removed returns the accounts of the last activation that the ledger holds no
// more, under keys of their own. One whose place another account of the grant
// has taken is left out: there is nothing to see of it.
func (o *operation) removed() map[string]ledger.Target {
	last := map[string]ledger.Target{} // by nonce
	keys := map[string]string{}
	for _, entry := range o.chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.IntentBody:
			if body.Verb == ledger.VerbActivate {
				clear(last)
			}
			for key, target := range body.Targets {
				last[target.Nonce], keys[target.Nonce] = target, key
			}
		case ledger.EffectBody:
			for _, target := range body.Targets {
				if _, known := last[target.Nonce]; known {
					last[target.Nonce] = target
				}
			}
		}
	}
	held, taken := nonces(o.record.Targets), map[string]bool{}
	for _, target := range o.record.Targets {
		taken[target.Kind+target.Endpoint+target.Principal] = true
	}
	gone := map[string]ledger.Target{}
	for _, nonce := range slices.Sorted(maps.Keys(last)) {
		target := last[nonce]
		if held[nonce] || taken[target.Kind+target.Endpoint+target.Principal] {
			continue
		}
		key := keys[nonce]
		if _, again := gone[key]; again || o.record.Targets[key].Nonce != "" {
			key = retiredKey(gone, key, o.record.Head.Seq)
		}
		gone[key] = target
	}
	return gone
}
