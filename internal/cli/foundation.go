package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// The names of what init makes, beside configName.
const (
	ledgerName = ".nhi"
	policyName = "policy.hcl"
)

// stagePrefix starts the folder in which everything is built first.
const stagePrefix = ".nhi-init-"

// foundation is a ledger, a trust root and a first policy in the making.
type foundation struct {
	app         *app
	dir         string
	environment string
	scope       string
	approvers   []policy.Approver
	requesters  []policy.Approver // in no group
	systems     []policy.System
	// ledger is where --ledger says; in the folder itself where it names none.
	ledger     ledgerConfig
	ledgerText string // what --ledger says, for nhi.hcl

	root      nhi.Root
	rootText  string
	signers   []ssh.Signer // as many as the threshold, where there are
	ledgerID  string
	signed    int
	published bool
}

func (f foundation) pin() nhi.Digest { return nhi.DigestOf(f.rootText) }

// names lists what is made, in the order in which it appears: with the last
// one, all is there.
func (f foundation) names() []string {
	files := []string{policyName, policyName + ".sig", configName}
	if f.ledger.named() {
		return files
	}
	return slices.Insert(files, 0, ledgerName)
}

// vacant holds where nothing of what is to be made is there. What an init that
// was stopped has left behind is explained.
func (f foundation) vacant(ctx context.Context) error {
	info, err := os.Stat(f.dir)
	if err != nil || !info.IsDir() {
		return usage("--dir %s is not a folder", f.dir)
	}
	var there []string
	for _, name := range f.names() {
		if exists(filepath.Join(f.dir, name)) {
			there = append(there, name)
		}
	}
	left, err := filepath.Glob(filepath.Join(f.dir, stagePrefix+"*"))
	if err == nil && len(left) > 0 {
		f.app.note("An earlier `nhi init` was stopped and left %s behind: it can be removed.", joined(left))
	}
	switch {
	case len(there) == 0:
		return nil
	case slices.Contains(there, configName) || !slices.Contains(there, ledgerName):
		return usage("%s already there in %s, and nothing is overwritten: choose another --dir", isOrAre(there), f.dir)
	default:
		return usage("%s in %s, without %s: an earlier `nhi init` was stopped half-way.\n%s", isOrAre(there), f.dir, configName, f.halfway(ctx, there))
	}
}

func isOrAre(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return joined(names) + " are"
}

// halfway says what to do with what a stopped init left: a ledger in which
// something happened since must be kept.
func (f foundation) halfway(ctx context.Context, there []string) string {
	place, err := f.app.ledgerOf(filepath.Join(f.dir, ledgerName))
	if err != nil {
		return err.Error()
	}
	book, err := f.app.openLedger(place)(ctx)
	if err != nil {
		return fmt.Sprintf("The ledger in it cannot be opened (%s): look at it before you remove anything.", err)
	}
	defer func() { _ = book.Close() }()
	chains, err := book.Chains(ctx, "")
	recorded := slices.ContainsFunc(chains, func(name string) bool { return name != ledger.RootChain && name != ledger.PolicyChain })
	if err != nil || recorded {
		return fmt.Sprintf("The ledger holds %d chains: keep it, and write %s by hand.", len(chains), configName)
	}
	return fmt.Sprintf("Nothing is recorded in its ledger yet: remove %s, and run it again.", joined(there))
}

// quorum is how many approvers the first rule needs.
func (f foundation) quorum() int { return max(1, min(2, len(f.approvers))) }

// takeRoot reads the root's keys, and loads as many signers as are needed and
// at hand.
func (f *foundation) takeRoot(ctx context.Context, paths []string, threshold int) error {
	if len(paths) == 0 {
		path := filepath.Join(f.app.Home, defaultKey)
		if !exists(path) {
			return usage("say --root-key FILE: there is no ~/%s. Make a key with\n  ssh-keygen -t ed25519 -f root", defaultKey)
		}
		paths = []string{path}
	}
	if threshold < 1 || threshold > len(paths) {
		return usage("--threshold %d must be from 1 to %d, the number of root keys", threshold, len(paths))
	}
	var missing error
	for _, path := range paths {
		signer, err := f.app.signer(ctx, path)
		if err == nil {
			f.root.Keys = append(f.root.Keys, signature.Key(signer.PublicKey()))
			f.signers = append(f.signers, signer)
			continue
		}
		// Another holder's key: its public half is enough to be in the root.
		key, keyErr := publicKey(publicPath(path))
		if keyErr != nil {
			return fmt.Errorf("--root-key: %w", err)
		}
		f.root.Keys = append(f.root.Keys, key)
		missing = errors.Join(missing, err)
	}
	if len(f.signers) == 0 {
		return usage("none of the root keys can sign here, and the first policy needs one: %w", missing)
	}
	slices.Sort(f.root.Keys)
	f.root.Version, f.root.Threshold = 1, threshold
	text, err := f.root.Text()
	f.rootText = text
	return err
}

func publicPath(path string) string {
	if filepath.Ext(path) == ".pub" {
		return path
	}
	return path + ".pub"
}

// build makes everything in a folder of its own and then gives each its name,
// nhi.hcl last. What fails before that leaves nothing behind.
func (f *foundation) build(ctx context.Context) (err error) {
	stage, err := os.MkdirTemp(f.dir, stagePrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if err := f.buildIn(ctx, stage); err != nil {
		return err
	}
	return f.place(stage)
}

func (f *foundation) buildIn(ctx context.Context, stage string) (err error) {
	place := f.ledger
	if !place.named() {
		if place, err = f.app.ledgerOf(filepath.Join(stage, ledgerName)); err != nil {
			return err
		}
	}
	store, err := place.NewStore(ctx, f.app.Now)
	if err != nil {
		return err
	}
	book, err := ledger.Create(ctx, store, ledger.RootBody{Root: f.rootText}, f.app.writer())
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	f.ledgerID = book.ID()
	if f.ledger.named() { // it stays, whatever comes
		defer func() {
			if err != nil {
				err = fmt.Errorf("the ledger %s was made, and then this failed; it holds a trust root, and at most the first policy: %w", f.ledgerID, err)
			}
		}()
	}
	now, err := book.Now(ctx)
	if err != nil {
		return err
	}
	source := f.policy(now)
	document, err := policy.Parse(source)
	if err != nil {
		return fmt.Errorf("the first policy: %w", err)
	}
	signatures, err := f.sign(source)
	if err != nil {
		return err
	}
	if f.published {
		_, err := book.Append(ctx, ledger.Chain{Name: ledger.PolicyChain}, ledger.PolicyBody{
			Version: document.Version, Digest: document.Digest, Document: string(source), Signatures: signatures,
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(
		durable.WriteFile(filepath.Join(stage, policyName), source, fileMode),
		durable.WriteFile(filepath.Join(stage, policyName+".sig"), []byte(signatures), fileMode),
		durable.WriteFile(filepath.Join(stage, configName), f.configuration(), fileMode))
}

// sign signs the policy with the keys at hand, and notes whether that is enough.
func (f *foundation) sign(source []byte) (string, error) {
	signatures := ""
	for _, signer := range f.signers[:min(len(f.signers), f.root.Threshold)] {
		block, err := policy.SignDocument(source, signer)
		if err != nil {
			return "", err
		}
		signatures += block
		f.signed++
	}
	f.published = policy.VerifySignatures(source, []byte(signatures), f.root) == nil
	return signatures, nil
}

// place gives what was built its names, and never takes one that is taken.
func (f *foundation) place(stage string) error {
	for _, name := range f.names() {
		from, to := filepath.Join(stage, name), filepath.Join(f.dir, name)
		if name != ledgerName {
			if err := durable.Settle(from, to); err != nil {
				return fmt.Errorf("%s: %w", to, err)
			}
			continue
		}
		if exists(to) {
			return usage("%s was made by somebody else at this moment", to)
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return durable.SyncFolder(f.dir)
}
