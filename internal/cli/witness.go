package cli

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/witness"
)

func (a *app) witnessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "witness DIR",
		Short: "Notice what was taken out of the ledger, rolled back or forked",
		Long: `An auditor's memory, for a machine that those who write the ledger do not
control. It reads the whole ledger, holds it against every entry that it has
ever seen, remembers what is new, and signs its memory. What it notices: entries
that are gone or other, a chain that was cut short or taken out, a ledger that
was replaced by an older copy or by another one, and two different entries of
one number. It also says what nhi verify finds in the links of the record.

Run it often: what was written and taken away between two looks, it never saw.
What it has seen first holds for it: whatever is wrong stays wrong, with exit
code 1, until the ledger is as it was, or until somebody says
nhi witness accept. Two entries of one number are told until then in any case.

DIR must be made with nhi witness init. The ledger is only read.`,
		Example: "  nhi witness init /var/lib/nhi-witness\n  nhi witness /var/lib/nhi-witness",
		Args:    cobra.ExactArgs(1),
	}
	cmd.AddCommand(a.witnessInitCommand(), a.witnessVerifyCommand(), a.witnessAcceptCommand(), a.witnessRotateCommand())
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.witness(ctx, args[0]) })
}

// errUnlike says that a witness found something.
var errUnlike = errors.New("the ledger is not as this witness has seen it")

func (a *app) witness(ctx context.Context, dir string) (err error) {
	disk, err := a.openWitness(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	look, err := a.lookAt(ctx, disk.Memory)
	if err != nil {
		return err
	}
	before := disk.Checkpoint
	report, records := disk.Memory.Compare(look, a.Now())
	if err := disk.Commit(records, a.Now()); err != nil {
		return wrong("what was seen could not be remembered: %w", err)
	}
	if err := a.show(a.witnessPage(report, disk, before)); err != nil {
		return err
	}
	if err := a.emit(witnessed(report, disk)); err != nil {
		return err
	}
	if !report.OK() {
		return &failure{ExitWrong, errUnlike}
	}
	return nil
}

// openWitness opens a memory to add to it.
func (a *app) openWitness(dir string) (*witness.Disk, error) {
	disk, err := witness.Open(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &failure{ExitUsage, err}
	case err != nil:
		return nil, &failure{ExitWrong, err}
	}
	return disk, nil
}

// lookAt reads the ledger. A place that answers and holds no ledger, or a
// broken one, is a look too; one that does not answer is an error.
func (a *app) lookAt(ctx context.Context, memory *witness.Memory) (witness.Look, error) {
	d, err := a.open()
	if err != nil {
		return witness.Look{}, err
	}
	defer d.close()
	book, err := d.engine.Book()
	switch {
	case errors.Is(err, ledger.ErrNoLedger):
		a.note("%s", err)
		return witness.Nothing(), nil
	case errors.Is(err, ledger.ErrBroken), errors.Is(err, ledger.ErrUnknownEntry):
		return witness.Broken(memory.Ledger(), err), nil
	case err != nil:
		return witness.Look{}, err
	}
	return witness.At(ctx, book)
}

func (a *app) witnessPage(report witness.Report, disk *witness.Disk, before witness.Checkpoint) *page {
	p := a.page()
	for _, finding := range report.Findings {
		p.marked("!", red, "%s", finding)
	}
	for _, note := range report.Notes {
		p.marked("·", yellow, "%s", note)
	}
	if !report.CopyOf.IsZero() {
		p.marked("!", red, "the ledger is as it was on %s: all that was seen later is gone or other, as in a copy from that time", nhi.FormatTime(report.CopyOf))
	}
	p.line("Ledger %s: %s with %s, %d of them new since %s.", disk.Memory.Ledger(), count(report.Chains, "chain"), entries(report.Entries),
		report.New, nhi.FormatTime(before.Time))
	p.line("Memory: %s seen, %s, signed as of %s.", entries(disk.Memory.Entries()), count(int(disk.Memory.Size()), "record"), nhi.FormatTime(disk.Checkpoint.Time))
	if report.OK() {
		p.styled(green, "", "Everything that was ever seen is there, and as it was.")
	} else {
		p.styled(red, "", "%s found. Nothing that was seen is forgotten; ask who keeps the ledger before you accept anything.", count(len(report.Findings), "difference"))
	}
	return p
}

// witnessed is a look in JSON.
func witnessed(report witness.Report, disk *witness.Disk) map[string]any {
	out := memoryRow(disk.Memory, disk.Checkpoint)
	out["ok"], out["findings"], out["notes"] = report.OK(), findingRows(report.Findings), findingRows(report.Notes)
	out["chains"], out["entries"], out["new"], out["copy_of"] = report.Chains, report.Entries, report.New, nil
	if !report.CopyOf.IsZero() {
		out["copy_of"] = nhi.FormatTime(report.CopyOf)
	}
	return out
}

// memoryRow is a memory in JSON.
func memoryRow(memory *witness.Memory, checkpoint witness.Checkpoint) map[string]any {
	return map[string]any{"ledger": memory.Ledger(), "records": memory.Size(), "seen": memory.Entries(), "key": memory.Key(),
		"checkpoint": checkpoint.Note, "checkpoint_time": nhi.FormatTime(checkpoint.Time)}
}

func findingRows(findings []witness.Finding) []map[string]any {
	rows := []map[string]any{}
	for _, f := range findings {
		row := map[string]any{"kind": f.Kind, "chain": f.Chain, "entry": f.From, "to": f.To, "reason": f.Reason, "was": f.Was, "is": f.Is, "seen": nil}
		if !f.Seen.IsZero() {
			row["seen"] = nhi.FormatTime(f.Seen)
		}
		rows = append(rows, row)
	}
	return rows
}
