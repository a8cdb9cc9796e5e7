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

// Seen is what a look at one target of a live grant found.
type Seen struct {
	Observation connector.Observation
	Drift       []string // what differs from what is in force
	Err         error    // why it could not be looked at; then nothing is concluded
}

// View is what is known of a grant now, for people and plans. Looking changes
// nothing and never fails: what could not be learned is a warning.
type View struct {
	Decision
	Record   Record
	Standing *Standing // nil where it could not be evaluated
	Targets  map[string]Seen
	Warnings []error
	// Certain is false where the ledger could not be read: then the record is
	// what the caller remembered, and a status may only be kept.
	Certain bool
}

// Look reads the ledger and every target of a grant. Text is the wished
// request, known what the caller remembers, live what it believes.
func (e *Engine) Look(ctx context.Context, text string, known Record, wish Wish, live bool) View {
	view := View{Targets: map[string]Seen{}}
	op, err := e.begin(ctx, known.Grant)
	if err != nil {
		view.Warnings = append(view.Warnings, err)
		view.Record = known
		return view
	}
	view.Certain, view.Record = true, op.record
	if err := shortened(op.chain, known.Head); err != nil {
		view.Warnings = append(view.Warnings, err)
	}
	facts := Facts{Phase: op.record.Phase, Held: op.record.Held, ExpiresAt: op.record.ExpiresAt, Live: live}
	if facts.Now, err = e.Time(ctx); err != nil {
		view.Warnings = append(view.Warnings, err)
	}
	standing, err := e.Standing(ctx, text)
	if err != nil {
		view.Warnings = append(view.Warnings, err)
		facts.Ended, err = e.endedNow(ctx, known.Grant, facts.Now)
		if err != nil {
			view.Warnings = append(view.Warnings, err)
		}
	} else {
		view.Standing = &standing
		facts.Approved, facts.Why = standing.Approved(), standing.Why()
		facts.Ended = ended(standing.Identity, standing.Now)
	}
	if op.record.Blocked != "" {
		facts.Ended = "ended by " + op.record.Blocked
	}
	if op.record.Phase == PhaseActive {
		facts.Drift = e.lookAtTargets(ctx, op, &view)
	}
	view.Decision = Decide(wish, facts)
	return view
}

// endedNow says what the identity's own chain says, for when the rest cannot
// be evaluated: it still ends access.
func (e *Engine) endedNow(ctx context.Context, grant nhi.ApprovalID, now time.Time) (string, error) {
	identity, _, err := e.identity(ctx, grant.Identity())
	if err != nil || now.IsZero() {
		return "", err
	}
	return ended(identity, now), nil
}

// lookAtTargets observes the targets through the shared reads and returns what
// differs, each with its target.
func (e *Engine) lookAtTargets(ctx context.Context, op *operation, view *View) []string {
	var drift []string
	for _, key := range slices.Sorted(maps.Keys(op.record.Targets)) {
		if Retired(key) {
			continue
		}
		seen := e.lookAt(ctx, op, key)
		if seen.Err != nil {
			view.Warnings = append(view.Warnings, fmt.Errorf("target %q could not be looked at: %w", key, seen.Err))
			view.Targets[key] = seen
			continue
		}
		seen.Drift = drifted(seen.Observation, op.record.Targets[key])
		view.Targets[key] = seen
		for _, finding := range seen.Drift {
			drift = append(drift, key+": "+finding)
		}
	}
	return drift
}

func (e *Engine) lookAt(ctx context.Context, op *operation, key string) Seen {
	roster, err := e.Systems.Roster(ctx, op.record.Targets[key])
	if err != nil {
		return Seen{Err: err}
	}
	observation, err := roster.Of(ctx, op.record.Account(key))
	return Seen{Observation: observation, Err: err}
}

// drifted lists what differs on a target from what is in force.
func drifted(seen connector.Observation, target ledger.Target) []string {
	switch seen.State {
	case connector.Absent:
		return append([]string{"it was removed by hand"}, seen.Findings...)
	case connector.Foreign:
		return []string{"something else stands under the name " + target.Principal}
	case connector.Inert:
		return append([]string{"its privileges were removed by hand"}, seen.Findings...)
	default:
		return seen.Findings
	}
}

// errShortened says that a chain no longer holds what it once held.
var errShortened = errors.New("the ledger no longer holds what it held at the last apply: it was shortened or rewritten")

// shortened holds a chain against the end that was seen before.
func shortened(chain ledger.Chain, seen nhi.Head) error {
	if seen.Seq == 0 {
		return nil
	}
	if hash, ok := chain.HashAt(seen.Seq); !ok || hash != seen.Hash {
		return fmt.Errorf("%s: %w", chain.Name, errShortened)
	}
	return nil
}
