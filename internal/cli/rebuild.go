package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// rebuildFlags are the flags of rebuild.
type rebuildFlags struct {
	remainsFlags
	revoke, yes bool
}

func (a *app) rebuildCommand() *cobra.Command {
	flags := rebuildFlags{}
	cmd := &cobra.Command{
		Use:   "rebuild --state FILE… | --lost LEDGER-ID",
		Short: "After a ledger was lost: find what it left, so that all of it can be revoked",
		Long: `For a ledger that is gone for ever, and has no backup. Make a new one (nhi init),
then find out, from Terraform states and from the marks on the systems of
nhi.hcl, which accounts the lost one left. They are recorded in the new ledger
as removals that were begun: nhi sweep lists them, and nhi sweep --revoke, nhi
revoke, Terraform's destroy, or --revoke right here, removes them.

It never grants: nothing that it records lets an activation, a repair or a
credential go on. Access that is still needed is asked for and approved anew.

Whose marks count is said by the states, or by --lost: another ledger that
lives may use the same systems. What does not have both the mark and the name
that follows from its grant's id is shown, and never touched.`,
		Example: `  terraform state pull > state.json
  nhi rebuild --state state.json
  nhi rebuild --state state.json --revoke

  # no state is left either: the marks alone
  nhi rebuild --lost 4f1d…`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd, "lost", "id of the ledger that was lost (default: the one that the states name)")
	cmd.Flags().BoolVar(&flags.revoke, "revoke", false, "remove what is found, everywhere")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.rebuild(ctx, flags) })
}

func (a *app) rebuild(ctx context.Context, flags rebuildFlags) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	book, err := d.engine.Book()
	if err != nil {
		return fmt.Errorf("rebuild writes into a new ledger (nhi init makes one): %w", err)
	}
	a.catchUp(ctx, d)
	found, err := a.remainsOf(ctx, d, flags.remainsFlags, func(nhi.ApprovalID) bool { return true }, true)
	if err != nil {
		return err
	}
	if err := found.choose(book.ID()); err != nil {
		return err
	}
	if flags.revoke {
		a.listed(found)
		if err := a.sure(ctx, "Remove all of this now?", flags.yes); err != nil {
			return err
		}
	}
	rows := make([]rebuiltRow, 0, len(found.Grants))
	for _, left := range found.Grants {
		rows = append(rows, rebuildOne(ctx, d, left, flags.revoke))
	}
	return a.rebuilt(book.ID(), found, rows, flags.revoke)
}

// choose settles which ledger was lost, and keeps what it left. It is never
// guessed from marks: they may be those of a ledger that lives.
func (r *remains) choose(this string) error {
	lost := slices.DeleteFunc(r.remembered(), func(id string) bool { return id == this })
	switch {
	case r.ledger == this || r.ledger == "" && len(lost) == 0 && len(r.remembered()) > 0:
		return usage("%s is this ledger, which is not lost: nhi sweep and nhi orphans show what it left", this)
	case r.ledger != "":
	case len(lost) == 1:
		r.ledger = lost[0]
	case len(lost) > 1:
		return usage("the states are of several ledgers (%s): say with --lost which one was lost", joined(lost))
	case len(r.notes) > 0 && len(r.memories) == 0:
		return usage("no state could be used: %s", joined(r.notes))
	default:
		others := slices.DeleteFunc(r.Ledgers(), func(id string) bool { return id == this })
		if len(others) == 0 {
			return usage("no state was given (--state), and no system carries the mark of another ledger (%s)", r.looked())
		}
		return usage("say with --lost which ledger was lost. Systems carry the marks of %s: be sure that it is not one that lives", joined(others))
	}
	r.Grants = r.Of(r.ledger)
	return nil
}

// listed shows what is going to be removed.
func (a *app) listed(found remains) {
	p := &page{color: a.Color && !a.json}
	for _, record := range found.Grants {
		for _, key := range slices.Sorted(maps.Keys(record.Targets)) {
			target := record.Targets[key]
			p.marked("-", red, "%s: %s on %s", record.Grant, target.Principal, whereIs(target.System, target.Kind, target.Endpoint))
		}
	}
	a.aside(p)
}

// rebuiltRow is one grant of a rebuild, in JSON.
type rebuiltRow struct {
	Grant   nhi.ApprovalID `json:"grant"`
	State   string         `json:"state"` // recorded, removed, open or failed
	Error   string         `json:"error,omitempty"`
	Targets []removalRow   `json:"targets"`

	removal lifecycle.Removal
}

// rebuildOne records what is left of one grant, and removes it where it is
// told to.
func rebuildOne(ctx context.Context, d *desk, left lifecycle.Record, remove bool) rebuiltRow {
	row := rebuiltRow{Grant: left.Grant, State: "recorded"}
	record, err := d.engine.Rebuild(ctx, left)
	if err != nil {
		row.State, row.Error = "failed", err.Error()
		return row
	}
	if !remove {
		row.removal = lifecycle.Removal{Record: record, Targets: record.Targets}
		row.Targets = removalRows(left.Grant, row.removal)
		for i := range row.Targets {
			row.Targets[i].State = "held"
		}
		return row
	}
	row.removal, err = d.engine.Revoke(ctx, lifecycle.Record{Grant: left.Grant}, "rebuilt")
	row.State, row.Targets = "removed", removalRows(left.Grant, row.removal)
	if err != nil {
		row.State, row.Error = "open", err.Error()
	}
	return row
}

// rebuilt says what was found, and what became of it.
func (a *app) rebuilt(id string, found remains, rows []rebuiltRow, removed bool) error {
	p, counts, accounts := a.page(), map[string]int{}, 0
	for _, row := range rows {
		counts[row.State]++
		accounts += len(row.Targets)
		switch row.State {
		case "failed":
			p.marked("!", red, "%s: %s", row.Grant, row.Error)
		case "recorded":
			for _, target := range row.Targets {
				at := row.removal.Targets[target.Target]
				p.marked("+", yellow, "%s: %s on %s", row.Grant, target.Principal, whereIs(at.System, at.Kind, at.Endpoint))
			}
		default:
			p.removed(row.Targets, row.removal)
			if row.Error != "" {
				p.marked("!", red, "%s", row.Error)
			}
		}
	}
	p.remains(&found)
	p.line("Of ledger %s: %s, %s.", found.ledger, count(len(rows), "grant"), count(accounts, "account"))
	if !removed && counts["recorded"] > 0 {
		p.line("They are on record to be revoked, and nothing was removed yet: nhi sweep --revoke, or nhi rebuild --revoke.")
	}
	if err := a.show(p); err != nil {
		return err
	}
	if err := a.emit(map[string]any{"ledger": id, "lost": found.ledger, "rebuilt": rows, "strays": strayRows(found.Strays),
		"unlisted": unlistedRows(found.Unlisted), "notes": append([]string{}, found.notes...)}); err != nil {
		return err
	}
	return rebuildEnd(found, counts)
}

// errNotRebuilt says that something could not be recorded.
var errNotRebuilt = errors.New("not everything that was found could be recorded")

// rebuildEnd says how rebuild exits.
func rebuildEnd(found remains, counts map[string]int) error {
	unseen := 0
	for _, one := range found.Unlisted {
		if one.Err != nil {
			unseen++
		}
	}
	switch {
	case counts["failed"] > 0 || len(found.notes) > 0:
		return &failure{ExitWrong, errNotRebuilt}
	case counts["open"] > 0:
		return stillOpen("%s not confirmed as removed everywhere", areStill(counts["open"], "grant"))
	case unseen > 0:
		return unavailable("%s could not be listed: run this again when it can", count(unseen, "system"))
	default:
		return nil
	}
}
