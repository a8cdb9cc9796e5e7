package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// baseName is the file of a base that is proposed.
const baseName = "base.next"

func (a *app) baseCommand() *cobra.Command {
	return group("base", "Say that the ledger was restored from a back-up",
		`States, decisions and witnesses remember how far each chain of the ledger
reached. On one that was restored from a back-up nothing is granted where they
remember more, until the holders of the trust root stand behind it:

  nhi base propose --reason "…"   writes base.next, from the ledger as it is now
  nhi base sign                   as many holders as sign a policy
  nhi base publish                once enough have signed

From then on what was seen before is excused, once. Approvals that were signed
before count for nothing new, since they may have been used after the back-up;
access that the ledger holds as active goes on. Removing access never needs
any of it.`,
		a.baseProposeCommand(), a.baseSignCommand(), a.basePublishCommand())
}

func (a *app) baseProposeCommand() *cobra.Command {
	reason, out := "", ""
	cmd := &cobra.Command{
		Use:   "propose --reason WORDS",
		Short: "Write the text of a base over the ledger as it is now, to be signed",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why the ledger was restored, and from what")
	cmd.Flags().StringVar(&out, "out", baseName, "file to write")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.basePropose(ctx, reason, out) })
}

func (a *app) basePropose(ctx context.Context, reason, out string) error {
	if reason == "" {
		return usage("say --reason: those who sign read it")
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	text, err := d.engine.DraftBase(ctx, reason)
	if err != nil {
		return err
	}
	base, err := nhi.ParseBase(text)
	if err != nil {
		return err
	}
	if err := durable.CreateFile(out, []byte(text), fileMode); errors.Is(err, fs.ErrExist) {
		return usage("%s is there already, and is not replaced", out)
	} else if err != nil {
		return err
	}
	return a.reportBase(d, base, out, text, "")
}

func (a *app) baseSignCommand() *cobra.Command {
	key, file := "", ""
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign a base, as a holder of a root key",
		Long:  "Checks that the ledger goes on from what the base says, and adds this signer's block to base.next.sig.",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().StringVar(&file, "file", baseName, "text of the base")
	cmd.Flags().StringVar(&key, "key", "", keyFlagHelp)
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.baseSign(ctx, file, key) })
}

func (a *app) baseSign(ctx context.Context, file, key string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	text, base, err := readBase(file)
	if err != nil {
		return err
	}
	if err := d.engine.HoldsBase(ctx, base); err != nil {
		return err
	}
	root, err := d.engine.Root()
	if err != nil {
		return err
	}
	path, err := a.keyPath(key, d.requesterKey)
	if err != nil {
		return err
	}
	signer, err := a.signer(ctx, path)
	if err != nil {
		return err
	}
	if !slices.Contains(root.Keys, signature.Key(signer.PublicKey())) {
		return wrong("the key %s is not in the trust root, so its signature would not count", fingerprint(signer.PublicKey()))
	}
	signed, err := a.addBlock(file, signature.NamespaceBase, []byte(text), signer)
	if err != nil {
		return err
	}
	return a.reportBase(d, base, file, text, signed)
}

func readBase(file string) (string, nhi.Base, error) {
	text, err := readFile(file, nhi.MaxTextBytes)
	if err != nil {
		return "", nhi.Base{}, err
	}
	base, err := nhi.ParseBase(string(text))
	if err != nil {
		return "", base, fmt.Errorf("%s: %w", file, err)
	}
	return string(text), base, nil
}

// reportBase says what a base says, who has signed it, and who must.
func (a *app) reportBase(d *desk, base nhi.Base, file, text, signed string) error {
	root, err := d.engine.Root()
	if err != nil {
		return err
	}
	have := policy.Signers(root, signature.NamespaceBase, text, signature.Blocks(signed))
	p := a.page()
	p.line("%s: base %d of ledger %s, over %s as of %s.", file, base.Number, base.Ledger, count(len(base.Heads), "chain"), nhi.FormatTime(base.Time))
	p.field("reason", "%s", base.Reason)
	p.line("It is signed by %d of the %d root keys needed.", have, root.Threshold)
	if have < root.Threshold {
		p.line("%d more must run `nhi base sign`, with %s and %s.sig at hand.", root.Threshold-have, file, file)
	} else {
		p.line("`nhi base publish` puts it in force.")
	}
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"file": file, "base": base.Number, "digest": nhi.DigestOf(text), "chains": len(base.Heads),
		"signed": have, "threshold": root.Threshold, "published": false})
}

func (a *app) basePublishCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Append the signed base to the ledger",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().StringVar(&file, "file", baseName, "text of the base; its signatures stand beside it in FILE.sig")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.basePublish(ctx, file) })
}

func (a *app) basePublish(ctx context.Context, file string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	text, _, err := readBase(file)
	if err != nil {
		return err
	}
	blocks, err := readFile(file+".sig", maxSignatures)
	if err != nil {
		return err
	}
	base, err := d.engine.Rebase(ctx, text, signature.Blocks(string(blocks)))
	if err != nil {
		return err
	}
	p := a.page()
	p.line("Base %d is in force: what was seen of this ledger before %s is excused, once.", base.Number, nhi.FormatTime(base.Time))
	p.line("Approvals that were signed before count for nothing new. What is active goes on.")
	p.line("Blocks of `nhi revoke` that were made after the back-up are lost: make them again.")
	p.line("`nhi orphans` and `nhi verify --targets --all` show what systems hold and the ledger does not know.")
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"base": base.Number, "published": true})
}
