package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (a *app) sweepCommand() *cobra.Command {
	options := lifecycle.SweepOptions{}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Show what must end, and with --revoke end it",
		Long: `Finds every grant that must not go on: its term or its identity ended, somebody
blocked it, its removal is not confirmed, or a run left it unfinished and has
been silent for a quarter of an hour.

Without --revoke nothing is changed, and the exit code is 4 where something is
due. With --revoke it is removed, or put back, by the same code as an apply: 0
when all of it is done, 5 when something stays open. It is safe beside a running
apply: what another run is at is left to that run.

Time is the ledger's. Where that is in doubt, nothing ends by time.`,
		Example: `  nhi sweep
  nhi sweep --revoke --scope 'payments/*'

  # from cron, every ten minutes
  */10 * * * *  cd /etc/nhi/payments && nhi sweep --revoke --json >> /var/log/nhi-sweep.json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&options.Revoke, "revoke", false, "end what is due")
	cmd.Flags().StringVar(&options.Scope, "scope", "", "only grants of scopes that match this pattern, such as payments/*")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.sweep(ctx, options) })
}

// sweptRow is one grant of a sweep, in JSON.
type sweptRow struct {
	Grant   nhi.ApprovalID `json:"grant"`
	Step    string         `json:"step,omitempty"` // revoke or repair
	Why     string         `json:"why,omitempty"`
	State   string         `json:"state"` // due, done, skipped, open or unknown
	Error   string         `json:"error,omitempty"`
	Targets []removalRow   `json:"targets"`
}

func (a *app) sweep(ctx context.Context, options lifecycle.SweepOptions) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	if options.Revoke {
		a.catchUp(ctx, d)
	}
	swept, doubt := d.engine.Sweep(ctx, options)
	if doubt != nil && swept == nil {
		return doubt
	}
	p, rows, counts := a.page(), []sweptRow{}, map[string]int{}
	for _, one := range swept {
		row := sweptState(one)
		counts[row.State]++
		rows = append(rows, row)
		p.swept(row, one)
	}
	if len(rows) == 0 {
		p.styled(green, "", "Nothing is due.")
	}
	counts["waiting"] = a.waiting(d, p)
	if counts["due"] > 0 {
		p.line("")
		p.line("Nothing was changed. To end it:   nhi sweep --revoke")
	}
	if err := a.show(p); err != nil {
		return err
	}
	if err := a.emit(map[string]any{"swept": rows, "waiting": counts["waiting"]}); err != nil {
		return err
	}
	return sweepEnd(counts, doubt)
}

// sweptState says in one word what became of a grant.
func sweptState(one lifecycle.Swept) sweptRow {
	row := sweptRow{Grant: one.Grant, Step: string(one.Step), Why: one.Why, State: "due", Targets: removalRows(one.Grant, one.Removal)}
	if one.Err != nil {
		row.Error = one.Err.Error()
	}
	switch {
	case one.Step == "":
		row.State = "unknown"
	case one.Err != nil:
		row.State = "open"
	case one.Skipped:
		row.State = "skipped"
	case one.Done:
		row.State = "done"
	}
	return row
}

// swept adds one grant of a sweep to a page.
func (p *page) swept(row sweptRow, one lifecycle.Swept) {
	next := map[string]string{string(lifecycle.Revoke): "to be revoked", string(lifecycle.Repair): "to be put back"}[row.Step]
	switch row.State {
	case "unknown":
		p.marked("!", red, "%s cannot be judged: %s", row.Grant, row.Error)
	case "open":
		p.marked("!", red, "%s: %s. It is still open: %s", row.Grant, row.Why, row.Error)
	case "skipped":
		p.marked("·", yellow, "%s: another run acts on it", row.Grant)
	case "done":
		p.marked("✓", green, "%s: %s", row.Grant, row.Why)
	default:
		p.marked("-", red, "%s: %s, %s", row.Grant, row.Why, next)
	}
	p.removed(row.Targets, one.Removal)
}

// errDue says that a sweep found something and changed nothing.
var errDue = errors.New("something is due")

// sweepEnd says how a sweep exits.
func sweepEnd(counts map[string]int, doubt error) error {
	switch open := counts["open"] + counts["unknown"]; {
	case open > 0:
		return stillOpen("%s still open, or cannot be judged", areStill(open, "grant"))
	case doubt != nil:
		return doubt
	case counts["due"] > 0:
		return &failure{ExitDue, errDue}
	case counts["waiting"] > 0:
		return &failure{ExitWaits, errWaits}
	default:
		return nil
	}
}
