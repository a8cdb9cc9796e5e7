package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// rootName is the file of a root that is proposed.
const rootName = "root.next"

func (a *app) rootCommand() *cobra.Command {
	return group("root", "Show the trust root, and change its keys",
		`The trust root is the set of keys that sign the policy. To change them:

  nhi root propose --root-key NEW.pub …   writes root.next, on any machine
  nhi root sign                           each holder, with root.next at hand
  nhi root publish                        once enough have signed

Enough are the threshold of the old keys and the threshold of the new ones.
root.next, root.next.sig and the policy with its signatures travel from holder
to holder as files. Removing access never needs any of it.`,
		a.rootShowCommand(), a.rootProposeCommand(), a.rootSignCommand(), a.rootPublishCommand())
}

func (a *app) rootProposeCommand() *cobra.Command {
	var keys []string
	threshold, out := 0, ""
	cmd := &cobra.Command{
		Use:     "propose --root-key FILE…",
		Short:   "Write the text of the next trust root, for its holders to sign",
		Long:    "Writes the next version of the trust root with exactly these keys. A key of the root in force that is to stay must be named too.",
		Example: "  nhi root propose --root-key ana.pub --root-key cyd.pub --threshold 2",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringArrayVar(&keys, "root-key", nil, "file of a public SSH key of the next root; can be repeated")
	cmd.Flags().IntVar(&threshold, "threshold", 0, "how many of them must sign (default: as many as now)")
	cmd.Flags().StringVar(&out, "out", rootName, "file to write")
	return a.runs(cmd, func(_ context.Context, _ []string) error { return a.rootPropose(keys, threshold, out) })
}

func (a *app) rootPropose(paths []string, threshold int, out string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	trust, err := d.engine.Trust()
	if err != nil {
		return err
	}
	if threshold == 0 {
		threshold = trust.Root.Threshold
	}
	next := nhi.Root{Version: trust.Root.Version + 1, Threshold: threshold}
	for _, path := range paths {
		key, err := publicKey(publicPath(path))
		if err != nil {
			return fmt.Errorf("--root-key: %w", err)
		}
		next.Keys = append(next.Keys, key)
	}
	slices.Sort(next.Keys)
	text, err := next.Text()
	if err != nil {
		return err
	}
	if err := durable.CreateFile(out, []byte(text), fileMode); errors.Is(err, fs.ErrExist) {
		return usage("%s is there already, and is not replaced", out)
	} else if err != nil {
		return err
	}
	p := a.page()
	p.line("Wrote %s: version %d of the trust root, %d of %s must sign.", out, next.Version, next.Threshold, count(len(next.Keys), "key"))
	changes(p, trust.Root, next)
	p.line("Now %d of the old keys and %d of the new ones must run `nhi root sign`.", trust.Root.Threshold, next.Threshold)
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"file": out, "version": next.Version, "pin": nhi.DigestOf(text), "threshold": next.Threshold})
}

// changes tells which keys come and go.
func changes(p *page, before, next nhi.Root) {
	for _, key := range next.Keys {
		if !slices.Contains(before.Keys, key) {
			p.marked("+", green, "%s", keyWords(key))
		}
	}
	for _, key := range before.Keys {
		if !slices.Contains(next.Keys, key) {
			p.marked("-", red, "%s", keyWords(key))
		}
	}
}

// keyWords names a key as people know it.
func keyWords(key string) string {
	_, parsed, err := signature.ParseKey(key)
	if err != nil {
		return key
	}
	return parsed.Type() + " " + fingerprint(parsed)
}

func (a *app) rootSignCommand() *cobra.Command {
	key, file := "", ""
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign the next trust root, as a holder of an old or of a new key",
		Long: `Adds this signer's block to root.next.sig. A holder of a key of the next root
signs the policy file too, unchanged: from the rotation on, the policy counts
only if the new keys have signed it.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&file, "file", rootName, "text of the next root")
	cmd.Flags().StringVar(&key, "key", "", keyFlagHelp)
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.rootSign(ctx, file, key) })
}

// succession is a root that is proposed, in its file, and the one in force.
type succession struct {
	file   string
	text   string
	next   nhi.Root
	trust  lifecycle.Trust
	policy []byte
}

func (d *desk) succession(file string) (succession, error) {
	s := succession{file: file}
	text, err := readFile(file, nhi.MaxTextBytes)
	if err != nil {
		return s, err
	}
	s.text = string(text)
	if s.next, err = nhi.ParseRoot(s.text); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	if s.trust, err = d.engine.Trust(); err != nil {
		return s, err
	}
	s.policy, err = readFile(d.policyFile, policy.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

func (a *app) rootSign(ctx context.Context, file, key string) error {
	d, err := a.openPolicy("")
	if err != nil {
		return err
	}
	defer d.close()
	s, err := d.succession(file)
	if err != nil {
		return err
	}
	if s.next.Version != s.trust.Root.Version+1 {
		return usage("%s is version %d, and version %d of the trust root is in force", file, s.next.Version, s.trust.Root.Version)
	}
	path, err := a.keyPath(key, d.requesterKey)
	if err != nil {
		return err
	}
	signer, err := a.signer(ctx, path)
	if err != nil {
		return err
	}
	written := signature.Key(signer.PublicKey())
	if !slices.Contains(s.trust.Root.Keys, written) && !slices.Contains(s.next.Keys, written) {
		return wrong("the key %s is neither in the trust root nor in the next one, so its signature would not count", fingerprint(signer.PublicKey()))
	}
	if slices.Contains(s.next.Keys, written) {
		if err := a.carryOver(ctx, d, s, signer); err != nil {
			return err
		}
	}
	if _, err := a.addBlock(file, signature.NamespaceRoot, []byte(s.text), signer); err != nil {
		return err
	}
	return a.reportSuccession(d, s)
}

// carryOver signs the policy file as a holder of the next root.
func (a *app) carryOver(ctx context.Context, d *desk, s succession, signer ssh.Signer) error {
	if len(s.policy) == 0 {
		return usage("%s is not here, and a holder of the next root signs it too: say --policy FILE", d.policyFile)
	}
	document, err := policy.Parse(s.policy)
	if err != nil {
		return fmt.Errorf("%s is not signed:\n%w", d.policyFile, err)
	}
	if err := d.signable(ctx, document); err != nil {
		return err
	}
	_, err = a.addBlock(d.policyFile, signature.NamespacePolicy, s.policy, signer)
	return err
}

// reportSuccession says who has signed, and who must.
func (a *app) reportSuccession(d *desk, s succession) error {
	blocks, err := readFile(s.file+".sig", maxSignatures)
	if err != nil {
		return err
	}
	signed, err := readFile(d.policyFile+".sig", maxSignatures)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old := policy.Signers(s.trust.Root, signature.NamespaceRoot, s.text, signature.Blocks(string(blocks)))
	fresh := policy.Signers(s.next, signature.NamespaceRoot, s.text, signature.Blocks(string(blocks)))
	carried := policy.Signers(s.next, signature.NamespacePolicy, string(s.policy), signature.Blocks(string(signed)))
	p := a.page()
	changes(p, s.trust.Root, s.next)
	p.line("%s, version %d, is signed by %d of the %d old keys and by %d of the %d new keys needed;", s.file, s.next.Version,
		old, s.trust.Root.Threshold, fresh, s.next.Threshold)
	p.line("%s is signed by %d of the %d new keys needed.", d.policyFile, carried, s.next.Threshold)
	if old >= s.trust.Root.Threshold && fresh >= s.next.Threshold && carried >= s.next.Threshold {
		p.line("`nhi root publish` puts it in force.")
	} else {
		p.line("The other holders run `nhi root sign`, with %s, %s.sig, %s and %s.sig at hand.", s.file, s.file, d.policyFile, d.policyFile)
	}
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"file": s.file, "version": s.next.Version, "pin": nhi.DigestOf(s.text),
		"old": old, "new": fresh, "policy": carried, "threshold": s.next.Threshold, "old_threshold": s.trust.Root.Threshold})
}
