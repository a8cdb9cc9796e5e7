package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// maxSignatures bounds a policy's signature file, in bytes.
const maxSignatures = signature.MaxBlocks * signature.MaxArmoured

func (a *app) policyCommand() *cobra.Command {
	return group("policy", "Sign, publish, test and explain the policy", "",
		a.policySignCommand(), a.policyPublishCommand(), a.policyTestCommand(), a.policyExplainCommand(), a.policyInputCommand())
}

func (a *app) policySignCommand() *cobra.Command {
	key, file, publish := "", "", false
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Sign the policy file as a holder of a root key",
		Long: `Checks the policy file first, and then adds this signer's block to its
signatures (policy.hcl.sig), or replaces it. Blocks that do not match the file
as it is now are dropped.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&file, "file", "", "policy file (default: that of nhi.hcl, else policy.hcl)")
	cmd.Flags().StringVar(&key, "key", "", keyFlagHelp)
	cmd.Flags().BoolVar(&publish, "publish", false, "also append it to the ledger, once enough have signed")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.policySign(ctx, file, key, publish) })
}

func (a *app) policyPublishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Append the signed policy file to the ledger",
		Long:  "Appends the policy file to the ledger, where it is newer than what the ledger holds. From then on no older one counts.",
		Args:  cobra.NoArgs,
	}
	return a.runs(cmd, func(ctx context.Context, _ []string) error {
		d, err := a.openPolicy("")
		if err != nil {
			return err
		}
		defer d.close()
		return a.publish(ctx, d)
	})
}

// openPolicy is open with a policy file, named or the usual one.
func (a *app) openPolicy(file string) (*desk, error) {
	if file != "" {
		a.places.policy = file
	}
	d, err := a.open()
	if err == nil && d.policyFile == "" {
		d.policyFile, d.engine.PolicyFile = policyName, policyName
	}
	return d, err
}

func (a *app) policySign(ctx context.Context, file, key string, publish bool) error {
	d, err := a.openPolicy(file)
	if err != nil {
		return err
	}
	defer d.close()
	source, err := readFile(d.policyFile, policy.MaxBytes)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	document, err := policy.Parse(source)
	if err != nil {
		return fmt.Errorf("%s is not signed:\n%w", d.policyFile, err)
	}
	root, err := d.engine.Root()
	if err != nil {
		return err
	}
	if err := d.signable(ctx, document); err != nil {
		return err
	}
	a.warnOf(ctx, d, document)
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
	signed, err := a.addBlock(d.policyFile, signature.NamespacePolicy, source, signer)
	if err != nil {
		return err
	}
	return a.reportSigned(ctx, d, document, root, signed, publish)
}

// signable holds where a policy is for this ledger and newer than what it
// holds, or the same.
func (d *desk) signable(ctx context.Context, document *policy.Document) error {
	book, err := d.engine.Book()
	if err != nil {
		return err
	}
	if document.Ledger != book.ID() {
		return usage("%s is for ledger %s, and this is ledger %s", d.policyFile, document.Ledger, book.ID())
	}
	chain, err := book.Read(ctx, ledger.PolicyChain)
	if err != nil {
		return err
	}
	newest := ledger.PolicyBody{}
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.PolicyBody); ok && body.Version >= newest.Version {
			newest = body
		}
	}
	switch {
	case newest.Version > document.Version:
		return usage("%s is version %d, and version %d was published already: raise it", d.policyFile, document.Version, newest.Version)
	case newest.Version == document.Version && newest.Digest != document.Digest:
		return usage("version %d was published with other bytes: raise the version in %s", document.Version, d.policyFile)
	}
	return nil
}

// warnOf tells what is well formed and most likely not meant.
func (a *app) warnOf(ctx context.Context, d *desk, document *policy.Document) {
	for _, warning := range document.Warnings() {
		a.note("Warning: %s", warning)
	}
	if now, err := d.engine.Time(ctx); err == nil && !now.Before(document.Expires) {
		a.note("Warning: it expired %s, so it denies everything", nhi.FormatTime(document.Expires))
	}
}

// addBlock puts the signer's block into the signature file, instead of an older
// one, and drops the blocks that no longer match. It returns the file.
func (a *app) addBlock(path, namespace string, source []byte, signer ssh.Signer) (string, error) {
	old, err := readFile(path+".sig", maxSignatures)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var kept []string
	for i, block := range signature.Blocks(string(old)) {
		key, err := signature.Verify(block, namespace, string(source))
		switch {
		case err != nil:
			a.note("Dropped signature %d: it is not over the file as it is now.", i+1)
		case signature.Key(key) != signature.Key(signer.PublicKey()):
			kept = append(kept, block)
		}
	}
	block, err := signature.Sign(signer, namespace, string(source))
	if err != nil {
		return "", err
	}
	if kept = append(kept, block); len(kept) > signature.MaxBlocks {
		return "", usage("%s.sig holds more than %d signatures", path, signature.MaxBlocks)
	}
	signed := strings.Join(kept, "")
	return signed, durable.WriteFile(path+".sig", []byte(signed), fileMode)
}

func (a *app) reportSigned(ctx context.Context, d *desk, document *policy.Document, root nhi.Root, signed string, publish bool) error {
	source, err := readFile(d.policyFile, policy.MaxBytes)
	if err != nil {
		return err
	}
	have := policy.Signers(root, signature.NamespacePolicy, string(source), signature.Blocks(signed))
	enough := have >= root.Threshold
	p := a.page()
	p.line("%s version %d (%s, expires %s) is signed by %d of the %d root keys needed.",
		d.policyFile, document.Version, document.Digest.Short(), nhi.FormatTime(document.Expires), have, root.Threshold)
	switch {
	case !enough:
		p.line("%d more must run `nhi policy sign`.", root.Threshold-have)
	case !publish:
		p.line("It counts where this file is used. `nhi policy publish` makes it count everywhere.")
	}
	if err := a.show(p); err != nil {
		return err
	}
	if publish && enough {
		return a.publish(ctx, d)
	}
	return a.emit(map[string]any{"policy": d.policyFile, "version": document.Version, "digest": document.Digest,
		"signed": have, "threshold": root.Threshold, "published": false})
}

// publish appends the policy file to the ledger and makes sure that it is the
// one in force.
func (a *app) publish(ctx context.Context, d *desk) error {
	if err := d.engine.PublishPolicy(ctx); err != nil {
		return err
	}
	document, head, err := d.engine.PolicyInForce(ctx)
	if err != nil {
		return err
	}
	if head.Seq == 0 {
		return fmt.Errorf("the policy was not published: %w", lifecycle.ErrPolicy)
	}
	p := a.page()
	p.line("Version %d (%s) is in force: no older one counts from now on.", document.Version, document.Digest.Short())
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"policy": d.policyFile, "version": document.Version, "digest": document.Digest, "published": true})
}
