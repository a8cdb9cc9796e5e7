package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (a *app) emergencyRevokeCommand() *cobra.Command {
	reason, yes := "", false
	cmd := &cobra.Command{
		Use:   "revoke FILE",
		Short: "End an emergency now, everywhere",
		Long: `Removes what an emergency holds from every system, and reads back. It needs no
signature and no ledger. An attempt that was killed half-way is taken back, and
may be granted again.

nhi revoke GRANT does the same once the ledger has it, and blocks the grant's name
for good; this does not.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "the emergency is over", "why, for the record")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.emergencyRevoke(ctx, args[0], reason, yes) })
}

func (a *app) emergencyRevoke(ctx context.Context, path, reason string, yes bool) error {
	if err := nhi.CheckText(reason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	signed, emergency, err := readEmergency(path)
	if err != nil {
		return err
	}
	if err := a.sure(ctx, fmt.Sprintf("End the access of %s now?", emergency.Grant), yes); err != nil {
		return err
	}
	removal, err := d.engine.RevokeEmergency(ctx, signed.Text, reason)
	rows := removalRows(emergency.Grant, removal)
	if err != nil && len(rows) == 0 {
		return err
	}
	p := a.page()
	p.removed(rows, removal)
	if len(rows) == 0 {
		p.marked("·", "", "nothing was held")
	}
	if removal.Away != nil {
		p.marked("!", yellow, "The ledger could not be asked, so this waits on this machine: %s", removal.Away)
	}
	open := openIn(rows)
	if shown := errors.Join(a.show(p), a.emit(map[string]any{"targets": rows, "open": open})); shown != nil {
		return shown
	}
	if open > 0 {
		return stillOpen("%s open: run this again", areStill(open, "target"))
	}
	return err
}

// openIn counts the targets that are not confirmed as removed.
func openIn(rows []removalRow) int {
	open := 0
	for _, row := range rows {
		if row.State == "open" {
			open++
		}
	}
	return open
}
