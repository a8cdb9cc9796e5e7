package cli

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/witness"
)

func (a *app) witnessInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a memory for the ledger, with a key of its own",
		Long: `Makes the folder DIR: an empty memory for the ledger that nhi.hcl or --ledger
names, with a new key that never leaves DIR. It prints the public key. Keep that
elsewhere: whoever has it can tell this memory from any other one.

Nothing is ever overwritten.`,
		Example: "  nhi witness init /var/lib/nhi-witness",
		Args:    cobra.ExactArgs(1),
	}
	return a.runs(cmd, func(_ context.Context, args []string) error { return a.witnessInit(args[0]) })
}

func (a *app) witnessInit(dir string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	book, err := d.engine.Book()
	if err != nil {
		return err
	}
	disk, err := witness.Create(dir, book.ID(), a.Now())
	if errors.Is(err, fs.ErrExist) {
		return usage("%w", err)
	}
	if err != nil {
		return wrong("%w", err)
	}
	if err := disk.Close(); err != nil {
		return wrong("%w", err)
	}
	p := a.page()
	p.line("Made in %s: an empty memory for ledger %s.", dir, book.ID())
	p.line("Its public key, to be kept elsewhere, is")
	p.styled(bold, "  ", "%s", disk.Memory.Key())
	p.line("Now run `nhi witness %s`, and then again and again: what it never saw, it cannot miss.", dir)
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(memoryRow(disk.Memory, disk.Checkpoint))
}

func (a *app) witnessVerifyCommand() *cobra.Command {
	kept := ""
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check a memory itself: its records, keys and signature",
		Long: `Checks that a memory is as its witness wrote it: every record, the tree over
all of them, every change of its key, and the signature. It reads no ledger and
needs no private key, so it also works on a copy.

A memory that was replaced as a whole is signed too, by whoever did it. With
--checkpoint it is held against an older checkpoint, kept elsewhere (the file
DIR/checkpoint as it was): it must be signed by a key of this memory, and all
that it covers must still be there, unchanged.`,
		Example: "  nhi witness verify /var/lib/nhi-witness --checkpoint checkpoint-2030-01-31",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&kept, "checkpoint", "", "an older checkpoint that was kept elsewhere")
	return a.runs(cmd, func(_ context.Context, args []string) error { return a.witnessVerify(args[0], kept) })
}

func (a *app) witnessVerify(dir, kept string) error {
	memory, checkpoint, err := witness.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return usage("%s holds no memory of a witness: %w", dir, err)
	}
	if err != nil {
		return wrong("%w", err)
	}
	p := a.page()
	p.line("Memory of ledger %s: %s seen, %s, signed as of %s.", memory.Ledger(), entries(memory.Entries()),
		count(int(memory.Size()), "record"), nhi.FormatTime(checkpoint.Time))
	for i, key := range memory.Keys() {
		p.line("Key %d: %s", i+1, key)
	}
	if kept != "" {
		const longest = 64 << 10
		older, err := readFile(kept, longest)
		if err != nil {
			return usage("--checkpoint %w", err)
		}
		confirmed, err := memory.Confirm(string(older))
		if err != nil {
			return wrong("%s: %w", kept, err)
		}
		p.line("All %s of the checkpoint of %s are there, unchanged.", count(int(confirmed.Size), "record"), nhi.FormatTime(confirmed.Time))
	}
	p.styled(green, "", "The memory is as its witness wrote it.")
	if err := a.show(p); err != nil {
		return err
	}
	row := memoryRow(memory, checkpoint)
	row["ok"], row["keys"] = true, memory.Keys()
	return a.emit(row)
}

func (a *app) witnessAcceptCommand() *cobra.Command {
	reason := ""
	cmd := &cobra.Command{
		Use:   "accept DIR --reason TEXT",
		Short: "Take the ledger as it is now for what counts, after a restore",
		Long: `Looks at the ledger, tells what is not as it was seen, and takes it for what
counts from now on. The memory keeps what was seen before, what was found, and
the reason. Do this after a restore that you know of, and that the keepers of
the trust root have signed for; nothing else does it.`,
		Example: "  nhi witness accept /var/lib/nhi-witness --reason 'restored from the copy of 2030-01-31, CHG-1234'",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; kept in the memory")
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.witnessAccept(ctx, args[0], reason) })
}

func (a *app) witnessAccept(ctx context.Context, dir, reason string) (err error) {
	if err := nhi.CheckText(reason); err != nil {
		return usage("--reason %w", err)
	}
	disk, err := a.openWitness(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	look, err := a.lookAt(ctx, disk.Memory)
	if err != nil {
		return err
	}
	report, _ := disk.Memory.Compare(look, a.Now())
	records, err := disk.Memory.Accept(look, reason, a.Now())
	switch {
	case err != nil:
		return &failure{ExitUsage, err}
	case records == nil:
		return usage("there is nothing to accept: the ledger is as this witness has seen it")
	}
	if err := disk.Commit(records, a.Now()); err != nil {
		return wrong("nothing was accepted: %w", err)
	}
	p := a.page()
	for _, finding := range report.Findings {
		p.marked("~", yellow, "%s", finding)
	}
	p.line("Accepted: %s, because: %s", count(len(report.Findings), "difference"), reason)
	if err := a.show(p); err != nil {
		return err
	}
	row := witnessed(report, disk)
	row["accepted"] = reason
	return a.emit(row)
}

func (a *app) witnessRotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate DIR",
		Short: "Give a memory a new key, which the old one vouches for",
		Long: `Makes a new key and signs the memory with it from now on. The old key signs
the new one into the memory and is deleted; checkpoints that it signed stay good.`,
		Args: cobra.ExactArgs(1),
	}
	return a.runs(cmd, func(_ context.Context, args []string) (err error) {
		disk, err := a.openWitness(args[0])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, disk.Close()) }()
		if err := disk.Rotate(a.Now()); err != nil {
			return wrong("%w", err)
		}
		p := a.page()
		p.line("The memory is signed by another key from now on, which the old one vouches for:")
		p.styled(bold, "  ", "%s", disk.Memory.Key())
		if err := a.show(p); err != nil {
			return err
		}
		return a.emit(memoryRow(disk.Memory, disk.Checkpoint))
	})
}
