package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func (a *app) emergencySignCommand() *cobra.Command {
	key, yes := "", false
	cmd := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign an emergency as a holder of a root key",
		Long: `Shows what will be given, asks, and adds this signer's block to FILE.sig. It
needs neither ledger nor nhi.hcl: only the pin of the trust root.

Holders may sign copies of FILE at the same time; put the blocks together with

  cat ana.sig ben.sig > incident.emergency.sig

ssh-keygen -Y sign -n nhi-emergency@v1 makes the same signature.`,
		Example: "  nhi emergency sign incident.emergency --key ~/.ssh/root_ed25519",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&key, "key", "", "SSH private key, or the .pub of one in ssh-agent (default: ~/"+defaultKey+")")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return a.does(cmd, func(ctx context.Context, args []string) error { return a.emergencySign(ctx, args[0], key, yes) })
}

func (a *app) emergencySign(ctx context.Context, path, key string, yes bool) error {
	signed, emergency, err := readEmergency(path)
	if err != nil {
		return err
	}
	engine := lifecycle.New(lifecycle.Config{Pins: a.Pins})
	_, root, err := engine.PinnedEmergency(signed.Text)
	if err != nil {
		return err
	}
	if err := lifecycle.EmergencyInTime(emergency, a.Now()); err != nil {
		return err
	}
	keyFile, err := a.keyPath(key, "")
	if err != nil {
		return err
	}
	p := &page{color: a.Color && !a.json}
	a.describeEmergency(p, emergency, root, a.Now())
	a.aside(p)
	if err := a.sure(ctx, "Sign this? It gives this access at once, and nobody is asked again.", yes); err != nil {
		return err
	}
	signer, err := a.signer(ctx, keyFile)
	if err != nil {
		return err
	}
	if !slices.Contains(root.Keys, signature.Key(signer.PublicKey())) {
		return wrong("the key %s is not in the trust root, so its signature would not count", fingerprint(signer.PublicKey()))
	}
	blocks, err := a.addBlock(path, signature.NamespaceEmergency, []byte(signed.Text), signer)
	if err != nil {
		return err
	}
	return a.emergencySigned(path, signed.Text, blocks, root)
}

func (a *app) emergencySigned(path, text, blocks string, root nhi.Root) error {
	have, problems, err := policy.EmergencySigners(text, blocks, root)
	if err != nil {
		return err
	}
	p := a.page()
	p.gap()
	p.signedBy(have, problems, root)
	if len(have) < root.Threshold {
		p.line("%d more must run `nhi emergency sign %s`.", root.Threshold-len(have), path)
	} else {
		p.line("To put it in force: nhi emergency grant %s", path)
	}
	return errors.Join(a.show(p), a.emit(map[string]any{"file": path, "digest": nhi.DigestOf(text), "signed": len(have), "threshold": root.Threshold}))
}
