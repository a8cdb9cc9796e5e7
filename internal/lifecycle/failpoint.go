package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/failpoint"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// When a point is: around its step.
const (
	before = ".before"
	after  = ".after"
)

// The verbs of points that no intent names.
const (
	verbDrop    = "drop"    // what was replaced or left out is removed
	verbAdopt   = "adopt"   // a resource instance becomes the holder
	verbObserve = "observe" // what an approval is to take over is put on record
)

// steps are the steps of each verb between its intent and rest: entries of the
// ledger and calls of systems, in their order. The release is the one of an
// account that was to be taken over.
var steps = []struct {
	verb  string
	steps []string
}{
	{ledger.VerbActivate, []string{"intent", "heads", "prepare", "prepared", "enable", "enabled", "observe", "probe", "verification", "use"}},
	{ledger.VerbRepair, []string{"intent", "heads", "prepare", "prepared", "revoke", "release", "enable", "enabled", "observe", "probe", "verification"}},
	{ledger.VerbRevoke, []string{"intent", "revoke", "release", "verification", "spool"}},
	{ledger.VerbUndo, []string{"intent", "revoke", "release", "verification", "spool"}},
	{verbDrop, []string{"revoke", "release", "verification"}},
	{verbAdopt, []string{"holder"}},
	{verbObserve, []string{"observation"}},
	{"halt", []string{"block", "spool"}},
	{"sweep", []string{"act"}},
}

// Failpoints returns the names of all points at which a build with the tag
// nhi_failpoints can order a fault: VERB.STEP.before and VERB.STEP.after for
// each step between intent and rest, in order, and effect.METHOD for what is
// sent to a system. Behind the latter, .KIND and .KIND.SYSTEM narrow it.
func Failpoints() []string {
	var names []string
	for _, of := range steps {
		for _, step := range of.steps {
			names = append(names, of.verb+"."+step+before, of.verb+"."+step+after)
		}
	}
	for _, do := range []method{prepare, enable, revoke, release} {
		names = append(names, "effect."+do.name)
	}
	return names
}

// point is where a build for tests may order a fault. An operation that has not
// begun to act has none.
func (o *operation) point(ctx context.Context, step, when string) error {
	if !failpoint.Enabled || o.verb == "" {
		return nil
	}
	err := failpoint.Hit(ctx, o.verb+"."+step+when)
	if failpoint.Lost(err) {
		err = fmt.Errorf("%w: %w", nhi.ErrUnreachable, err)
	}
	return err
}

// pointOf is point around entries of the ledger.
func (o *operation) pointOf(ctx context.Context, bodies []ledger.Body, when string) error {
	if !failpoint.Enabled {
		return nil
	}
	var errs []error
	for _, body := range bodies {
		errs = append(errs, o.point(ctx, entryStep(body), when))
	}
	return errors.Join(errs...)
}

// entryStep names the step that an entry is.
func entryStep(body ledger.Body) string {
	switch body := body.(type) {
	case ledger.IntentBody:
		return "intent"
	case ledger.EffectBody:
		return body.Step + "d" // prepared, enabled
	case ledger.VerificationBody:
		return "verification"
	case ledger.UseBody:
		return "use"
	default:
		return "holder"
	}
}

// send carries out one method on accounts of one system.
func send(ctx context.Context, at ledger.Target, c connector.Connector, do method, accounts []connector.Account) []connector.Outcome {
	if !failpoint.Enabled || !do.changes {
		return do.call(c, ctx, accounts)
	}
	name := "effect." + do.name
	return failpoint.Effect(ctx, []string{name + "." + at.Kind + "." + at.System, name + "." + at.Kind, name}, accounts,
		func(some []connector.Account) []connector.Outcome { return do.call(c, ctx, some) },
		func(err error) connector.Outcome {
			return connector.Outcome{Err: fmt.Errorf("%w: %w", nhi.ErrUnreachable, err)}
		})
}
