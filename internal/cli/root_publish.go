package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func (a *app) rootPublishCommand() *cobra.Command {
	file, pin := "", false
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Put the signed next trust root in force",
		Long: `Appends the next root to the ledger, and the policy as the new keys have signed
it. Machines that pin an older root go on, and say that a newer one is in
force: give them the new pin, by a way that the configuration does not control.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&file, "file", rootName, "text of the next root; its signatures stand beside it in FILE.sig")
	cmd.Flags().BoolVar(&pin, "pin", false, "trust the new root on this machine: add it to ~/.config/"+pinFile)
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.rootPublish(ctx, file, pin) })
}

func (a *app) rootPublish(ctx context.Context, file string, pin bool) error {
	d, err := a.openPolicy("")
	if err != nil {
		return err
	}
	defer d.close()
	s, err := d.succession(file)
	if err != nil {
		return err
	}
	blocks, err := readFile(file+".sig", maxSignatures)
	if err != nil {
		return err
	}
	if len(s.policy) == 0 {
		d.engine.PolicyFile = ""
	}
	if err := d.engine.Succeed(ctx, s.text, signature.Blocks(string(blocks))); err != nil {
		return err
	}
	digest := nhi.DigestOf(s.text)
	if pin {
		book, err := d.engine.Book()
		if err != nil {
			return err
		}
		if err := a.addPin(digest, book.ID()); err != nil {
			return wrong("the root is in force, but the pin %s could not be written: %w", digest, err)
		}
	}
	p := a.page()
	p.line("Version %d of the trust root is in force. Its pin is", s.next.Version)
	p.styled(bold, "  ", "%s", digest)
	p.line("Machines that pin an older root go on. Give them this pin instead of the old one:")
	p.line("a machine that pins an old root relies on its keys.")
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"version": s.next.Version, "pin": digest, "pinned": pin})
}

func (a *app) rootShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the trust root in force, those before it, and how far this machine trusts them",
		Args:  cobra.NoArgs,
	}
	return a.runs(cmd, func(_ context.Context, _ []string) error { return a.rootShow() })
}

// shownRoot is one root in JSON.
type shownRoot struct {
	Version   int        `json:"version"`
	Pin       nhi.Digest `json:"pin"`
	Entry     uint64     `json:"entry"`
	Threshold int        `json:"threshold"`
	Keys      []string   `json:"keys"`
	Pinned    bool       `json:"pinned"`
	Verified  bool       `json:"verified"`
	InForce   bool       `json:"in_force"`
}

func (a *app) rootShow() error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	trust, failed := d.engine.Trust()
	if failed != nil && len(trust.Roots) == 0 {
		return failed
	}
	p, rows := a.page(), []shownRoot{}
	for _, root := range trust.Roots {
		inForce := failed == nil && root.Seq == trust.Seq
		rows = append(rows, shownRoot{root.Version, root.Digest, root.Seq, root.Threshold, root.Keys, root.Pinned, root.Verified, inForce})
		p.line("Version %d (root entry %d, %s): %s", root.Version, root.Seq, nhi.FormatTime(root.Since), rootWords(root, inForce))
		p.field("pin", "%s", root.Digest)
		p.field("threshold", "%d of %s", root.Threshold, count(len(root.Keys), "key"))
		for _, key := range root.Keys {
			p.field("key", "%s", keyWords(key))
		}
		p.gap()
	}
	if outdated := trust.Outdated(); failed == nil && outdated != "" {
		p.marked("!", yellow, "%s", outdated)
	}
	if base := trust.Base; base.Number > 0 {
		p.line("The ledger was restored from a back-up: base %d, %s, %s (root entry %d).", base.Number, nhi.FormatTime(base.Time), base.Reason, trust.BaseSeq)
	}
	if err := a.show(p); err != nil {
		return err
	}
	if err := a.emit(map[string]any{"roots": rows, "base": trust.Base.Number}); err != nil {
		return err
	}
	return failed
}

// rootWords says how far this machine trusts a root.
func rootWords(root lifecycle.Rooted, inForce bool) string {
	words := "not trusted by this machine"
	switch {
	case root.Pinned:
		words = "pinned by this machine"
	case root.Verified:
		words = "signed by the root before it"
	}
	if inForce {
		words += ", in force"
	}
	return words
}
