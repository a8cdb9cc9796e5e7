package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// remainsFlags say from what is found out which accounts there are, where the
// ledger cannot say it.
type remainsFlags struct {
	states []string // Terraform state files
	ledger string   // id of the ledger whose marks count
}

func (f *remainsFlags) add(cmd *cobra.Command, ledgerFlag, help string) {
	cmd.Flags().StringArrayVar(&f.states, "state", nil, "Terraform state file (as `terraform state pull` prints it) that remembers what was granted; may be repeated")
	cmd.Flags().StringVar(&f.ledger, ledgerFlag, "", help)
}

// remains is what was found beside the ledger.
type remains struct {
	lifecycle.Remains
	memories []lifecycle.Record
	ledger   string   // whose marks count
	notes    []string // what of the states could not be used
}

// remainsOf looks for what is left of the grants that takes allows; on systems
// too where survey says so.
func (a *app) remainsOf(ctx context.Context, d *desk, flags remainsFlags, takes func(nhi.ApprovalID) bool, survey bool) (remains, error) {
	if flags.ledger != "" && nhi.CheckLedgerID(flags.ledger) != nil {
		return remains{}, usage("%q is no id of a ledger (32 hexadecimal digits)", flags.ledger)
	}
	all, notes, err := memories(flags.states)
	if err != nil {
		return remains{}, err
	}
	records := make([]lifecycle.Record, len(all))
	for i, memory := range all {
		records[i] = memory.Record
	}
	found := remains{notes: notes, ledger: flags.ledger}
	if survey {
		found.Remains = d.engine.Remains(ctx, records, takes)
	} else {
		found.Remains = lifecycle.Remembered(records, takes)
	}
	for _, record := range records {
		if takes(record.Grant) {
			found.memories = append(found.memories, record)
		}
	}
	return found, nil
}

// remembered returns the ids of the ledgers that the states name.
func (r remains) remembered() []string {
	var ids []string
	for _, record := range r.memories {
		if record.Ledger != "" {
			ids = append(ids, record.Ledger)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// ledgerUnable says why the ledger cannot tell what a subject holds; nil where
// it can.
func (d *desk) ledgerUnable(ctx context.Context, all []subject) error {
	book, err := d.engine.Book()
	if err != nil {
		return err
	}
	for _, s := range all {
		chains, err := book.Chains(ctx, ledger.GrantChain(nhi.ApprovalID(s.identity+":")))
		if err != nil {
			return err
		}
		for _, name := range chains {
			if s.grant != "" && name != ledger.GrantChain(s.grant) {
				continue
			}
			if _, err := book.Read(ctx, name); err != nil && !errors.Is(err, ledger.ErrAhead) {
				return err
			}
		}
	}
	return nil
}

// instead finds out from states and marks what subjects hold, where the ledger
// cannot tell. The marks that count are those of this ledger: where it cannot
// be opened, of the one that --ledger-id or the states name, or of the only one
// that is found. Where the ledger can tell, the states alone say whether it was
// cut short.
func (a *app) instead(ctx context.Context, d *desk, all []subject, flags remainsFlags) (*remains, error) {
	unable := d.ledgerUnable(ctx, all)
	if unable == nil && len(flags.states) == 0 {
		return nil, nil
	}
	found, err := a.remainsOf(ctx, d, flags, func(id nhi.ApprovalID) bool {
		return slices.ContainsFunc(all, func(s subject) bool { return s.holds(id) })
	}, unable != nil)
	if err != nil {
		return nil, err
	}
	if book, err := d.engine.Book(); err == nil {
		found.ledger = book.ID()
	}
	ids := found.remembered()
	if len(ids) == 0 {
		ids = found.Ledgers()
	}
	switch {
	case found.ledger != "":
	case len(ids) == 1:
		found.ledger = ids[0]
	case len(ids) > 1:
		return nil, usage("this is known of several ledgers (%s): say which with --ledger-id. The ledger itself cannot tell: %w", joined(ids), unable)
	}
	found.Grants = found.Of(found.ledger)
	if unable == nil {
		return &found, nil
	}
	a.note("The ledger cannot tell what there is: %s", unable)
	if len(found.Grants) == 0 && found.ledger == "" {
		return nil, fmt.Errorf("neither marks on systems nor states tell of %s (%s): %w", joinedSubjects(all), found.looked(), unable)
	}
	return &found, nil
}

// looked says in words what was looked at in vain.
func (r remains) looked() string {
	words := "all systems of nhi.hcl were listed"
	for _, one := range r.Unlisted {
		words += fmt.Sprintf("; system %s could not be", one.System)
	}
	if len(r.memories) == 0 {
		words += "; --state FILE names a Terraform state that remembers more"
	}
	return words
}

func joinedSubjects(all []subject) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.String()
	}
	return joined(names)
}

// holds says whether a grant is the subject, or of it.
func (s subject) holds(id nhi.ApprovalID) bool {
	return s.grant == id || s.grant == "" && id.Identity() == s.identity
}

// knownOf returns what was found of one subject.
func (r *remains) knownOf(s subject) []lifecycle.Record {
	if r == nil {
		return nil
	}
	var records []lifecycle.Record
	for _, record := range r.Grants {
		if s.holds(record.Grant) {
			records = append(records, record)
		}
	}
	return records
}

// unseen counts the systems that may hold something that nobody has seen: they
// could not be listed, and no state says what is on them.
func (r *remains) unseen() int {
	if r == nil {
		return 0
	}
	n := 0
	for _, one := range r.Unlisted {
		if len(r.memories) == 0 || one.Err != nil && !r.names(one.System) {
			n++
		}
	}
	return n
}

// names says whether one of the grants has something on a system, so that its
// removal says what became of it.
func (r *remains) names(system string) bool {
	for _, record := range r.Grants {
		for _, target := range record.Targets {
			if target.System == system {
				return true
			}
		}
	}
	return false
}

// remains adds what was found, and is not touched, to a page.
func (p *page) remains(r *remains) {
	if r == nil {
		return
	}
	for _, note := range r.notes {
		p.marked("!", yellow, "%s", note)
	}
	for _, stray := range r.Strays {
		p.marked("!", yellow, "%s on %s (id %s) is not touched: %s", stray.Principal, where(stray), stray.ID, stray.Why)
	}
	for _, one := range r.Unlisted {
		switch {
		case one.Err != nil:
			p.marked("!", red, "system %s could not be listed: %s", one.System, one.Err)
		case len(r.memories) == 0:
			p.marked("!", yellow, "system %s is of a kind on which no mark can be seen: only the ledger, or a Terraform state (--state), knows what is there", one.System)
		}
	}
}
