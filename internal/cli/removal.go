package cli

import (
	"errors"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// removalRow is what became of one target, in JSON.
type removalRow struct {
	Grant     nhi.ApprovalID `json:"grant"`
	Target    string         `json:"target"`
	System    string         `json:"system,omitempty"`
	Principal string         `json:"principal"`
	State     string         `json:"state"` // held, gone, shut or open
	Verified  bool           `json:"verified"`
	Why       string         `json:"why,omitempty"` // of what is open
}

// removalRows says of each target of a removal whether it is gone.
func removalRows(grant nhi.ApprovalID, removal lifecycle.Removal) []removalRow {
	rows := []removalRow{}
	for _, key := range slices.Sorted(maps.Keys(removal.Targets)) {
		target, seen := removal.Targets[key], removal.Seen[key]
		row := removalRow{Grant: grant, Target: key, System: target.System, Principal: target.Principal,
			State: "gone", Verified: seen.Verified, Why: seen.Open}
		switch {
		case seen.Open != "":
			row.State = "open"
		case seen.State == string(connector.Released):
			row.State = "shut"
		}
		rows = append(rows, row)
	}
	return rows
}

// removed adds what became of the targets to a page.
func (p *page) removed(rows []removalRow, removal lifecycle.Removal) {
	for _, row := range rows {
		target := removal.Targets[row.Target]
		where := whereIs(target.System, target.Kind, target.Endpoint)
		switch {
		case row.State == "open":
			p.marked("!", red, "%s: %s on %s is open: %s", row.Grant, row.Principal, where, row.Why)
		case row.State == "shut":
			p.marked("✓", green, "%s: %s on %s is not ours any more: it stands, shut or as it was found", row.Grant, row.Principal, where)
		case !row.Verified:
			p.marked("✓", yellow, "%s: %s on %s is revoked, and nothing can confirm it", row.Grant, row.Principal, where)
		default:
			p.marked("✓", green, "%s: %s on %s is gone", row.Grant, row.Principal, where)
		}
	}
}

// halted says what is gone and what is open.
func (a *app) halted(done []lifecycle.Halted, found *remains) error {
	p, open, waits := a.page(), 0, false
	blocks, all := []map[string]any{}, []removalRow{}
	for _, halted := range done {
		block := map[string]any{"chain": halted.Chain, "entry": halted.Seq}
		if halted.Away != nil {
			waits, block["away"] = true, halted.Away.Error()
			p.marked("!", yellow, "The block waits beside the ledger, which could not be written: %s", halted.Away)
		}
		blocks = append(blocks, block)
		for _, grant := range halted.Grants {
			waits = waits || grant.Away != nil
			rows := removalRows(grant.Grant, grant.Removal)
			p.removed(rows, grant.Removal)
			all = append(all, rows...)
			if grant.Err != nil {
				open++
				p.marked("!", red, "%s", grant.Err)
			} else if len(rows) == 0 {
				p.marked("·", "", "%s: nothing was held", grant.Grant)
			}
		}
	}
	if open == 0 {
		p.styled(green, "", "Blocked. It stays so until nhi unblock.")
	} else {
		p.styled(red, "", "Blocked, and %s still open: run this again, or nhi sweep --revoke.", areStill(open, "grant"))
	}
	if waits {
		p.line("The record waits in %s until the next apply, revoke or sweep --revoke that reaches the ledger.", a.SpoolDir)
	}
	if err := a.show(p); err != nil {
		return err
	}
	shown := map[string]any{"blocks": blocks, "targets": all, "open": open, "waits": waits}
	if found != nil {
		shown["strays"], shown["unlisted"] = strayRows(found.Strays), unlistedRows(found.Unlisted)
	}
	if err := a.emit(shown); err != nil {
		return err
	}
	return haltedEnd(open, found.unseen(), waits)
}

// haltedEnd says how revoke exits.
func haltedEnd(open, unseen int, waits bool) error {
	switch {
	case open > 0:
		return stillOpen("%s not confirmed as removed everywhere", areStill(open, "grant"))
	case unseen > 0:
		return stillOpen("what was found is removed, and %s could not be looked at", count(unseen, "system"))
	case waits:
		return &failure{ExitWaits, errWaits}
	default:
		return nil
	}
}

// errWaits says that all is removed and that the record of it waits.
var errWaits = errors.New("all is removed, and the record of it waits to be written to the ledger")

func areStill(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return count(n, noun) + " are"
}
