package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func (a *app) orphansCommand() *cobra.Command {
	folder := ""
	cmd := &cobra.Command{
		Use:   "orphans",
		Short: "Show what systems hold that the ledger does not know, and the reverse",
		Long: `Lists every system of nhi.hcl and compares it with the ledger:

  orphans    accounts with a mark of this ledger that it does not stand by: of a
             grant or nonce that it does not know, a copy, or one it has removed
  missing    what the ledger holds as active, and is not there
  unmanaged  accounts without a mark that look like a machine's, with owner,
             last use and privileges where the system knows them

It changes nothing, ever. Orphans and missing access end in exit code 1; what
is unmanaged is no fault.

With --generate it writes Terraform that asks to take the unmanaged accounts
over, as DIR/unmanaged.tf. Read it, fill in who answers for each, and apply: it
grants nothing before people have approved.`,
		Example: "  nhi orphans\n  nhi orphans --generate .",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&folder, "generate", "", "write Terraform for what is unmanaged into this folder")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.orphans(ctx, folder) })
}

func (a *app) orphans(ctx context.Context, folder string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	if len(d.systems) == 0 {
		return usage("nhi.hcl names no systems, so there is nothing to list")
	}
	found, err := d.engine.Survey(ctx)
	if err != nil {
		return err
	}
	p := a.page()
	p.surveyed(found)
	written := ""
	if folder != "" {
		if written, err = a.generate(found.Unmanaged, folder); err != nil {
			return err
		}
		p.line("Terraform for what is unmanaged is in %s.", written)
	}
	if err := a.show(p); err != nil {
		return err
	}
	if err := a.emit(surveyJSON(found, written)); err != nil {
		return err
	}
	return surveyEnd(found)
}

// surveyed adds what was found to a page.
func (p *page) surveyed(found lifecycle.Survey) {
	for _, stray := range found.Orphans {
		p.marked("!", red, "orphan     %s on %s (id %s): %s", stray.Principal, where(stray), stray.ID, stray.Why)
	}
	for _, lost := range found.Missing {
		p.marked("!", red, "missing    %s, target %s on %s: %s", lost.Grant, lost.Target, whereIs(lost.Place.System, lost.Place.Kind, lost.Place.Endpoint), lost.Why)
	}
	for _, stray := range found.Elsewhere {
		p.marked("·", "", "elsewhere  %s on %s: %s", stray.Principal, where(stray), stray.Why)
	}
	for _, stray := range found.Unmanaged {
		p.marked("·", yellow, "unmanaged  %s on %s: owner %s, last used %s, holds %s", stray.Principal, where(stray),
			orWord(stray.Owner, "unknown"), usedLast(stray.LastUsed), orWord(strings.Join(stray.Privileges, ", "), "nothing"))
	}
	for _, one := range found.Unlisted {
		switch {
		case one.Grant != "":
			p.marked("!", red, "%s could not be looked at: %s", one.Grant, one.Err)
		case one.Err != nil:
			p.marked("!", red, "system %s could not be listed: %s", one.System, one.Err)
		default:
			p.marked("·", yellow, "system %s is of a kind that cannot be listed", one.System)
		}
	}
	p.line("%s, %d missing, %d unmanaged.", count(len(found.Orphans), "orphan"), len(found.Missing), len(found.Unmanaged))
}

func where(stray lifecycle.Stray) string {
	return whereIs(stray.Place.System, stray.Place.Kind, stray.Place.Endpoint)
}

func orWord(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func usedLast(at time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return nhi.FormatTime(at)
}

// strayRow is one account, in JSON.
type strayRow struct {
	System     string     `json:"system"`
	Kind       string     `json:"kind"`
	Endpoint   string     `json:"endpoint"`
	Principal  string     `json:"principal"`
	ID         string     `json:"id"`
	Mark       string     `json:"mark,omitempty"`
	Owner      string     `json:"owner,omitempty"`
	LastUsed   *time.Time `json:"last_used,omitempty"`
	Privileges []string   `json:"privileges"`
	Access     nhi.Values `json:"access,omitempty"` // that would take it over
	Why        string     `json:"why"`
}

func strayRows(strays []lifecycle.Stray) []strayRow {
	rows := []strayRow{}
	for _, stray := range strays {
		row := strayRow{System: stray.Place.System, Kind: stray.Place.Kind, Endpoint: stray.Place.Endpoint, Principal: stray.Principal,
			ID: stray.ID, Owner: stray.Owner, Privileges: append([]string{}, stray.Privileges...), Access: stray.Access, Why: stray.Why}
		if (stray.Mark != nhi.Mark{}) {
			row.Mark = stray.Mark.String()
		}
		if !stray.LastUsed.IsZero() {
			row.LastUsed = &stray.LastUsed
		}
		rows = append(rows, row)
	}
	return rows
}

func surveyJSON(found lifecycle.Survey, written string) map[string]any {
	missing := []map[string]any{}
	for _, lost := range found.Missing {
		missing = append(missing, map[string]any{"grant": lost.Grant, "target": lost.Target, "system": lost.Place.System,
			"principal": lost.Place.Principal, "why": lost.Why})
	}
	shown := map[string]any{"orphans": strayRows(found.Orphans), "elsewhere": strayRows(found.Elsewhere),
		"unmanaged": strayRows(found.Unmanaged), "missing": missing, "unlisted": unlistedRows(found.Unlisted)}
	if written != "" {
		shown["generated"] = written
	}
	return shown
}

func unlistedRows(unlisted []lifecycle.Unlisted) []map[string]any {
	rows := []map[string]any{}
	for _, one := range unlisted {
		row := map[string]any{"system": one.System, "grant": one.Grant, "error": ""}
		if one.Err != nil {
			row["error"] = one.Err.Error()
		}
		rows = append(rows, row)
	}
	return rows
}

// surveyEnd says how orphans exits: what was not seen is not known to be fine.
func surveyEnd(found lifecycle.Survey) error {
	unseen := 0
	for _, one := range found.Unlisted {
		if one.Err != nil {
			unseen++
		}
	}
	switch {
	case len(found.Orphans)+len(found.Missing) > 0:
		return wrong("%s and %d missing", count(len(found.Orphans), "orphan"), len(found.Missing))
	case unseen > 0:
		return unavailable("%s", fmt.Sprintf("%d could not be looked at", unseen))
	default:
		return nil
	}
}
