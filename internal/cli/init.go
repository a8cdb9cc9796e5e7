package cli

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// initFlags are the flags of init.
type initFlags struct {
	dir         string
	environment string
	scope       string
	rootKeys    []string
	threshold   int
	approvers   []string
	requesters  []string
	systems     []string
	ledger      string
	guard       bool
	pin         bool
}

func (a *app) initCommand() *cobra.Command {
	flags := initFlags{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a ledger, a trust root and a first policy, ready to use",
		Long: `Makes, in one folder: the ledger .nhi (or one where --ledger says), a first
policy (policy.hcl) signed with the root key (policy.hcl.sig) and published in
the ledger, and nhi.hcl. It prints what the administrator of a shared store sets
up so that the ledger can only be added to (--guard prints that alone). It
prints the pin of the trust root, which every machine that relies on this
ledger must get by a way that the configuration does not control.

Nothing is ever overwritten.`,
		Example: `  nhi init --approver ana@example.com=ana.pub --approver ben@example.com=ben.pub \
    --system orders:postgres=db.internal:5432/orders --pin
  nhi init --ledger '{ postgres = { url = env("LEDGER_URL") } }' --guard`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&flags.dir, "dir", ".", "folder to make it in")
	f.StringVar(&flags.environment, "environment", "production", "environment of the first policy and of nhi.hcl")
	f.StringVar(&flags.scope, "scope", "", "scope for nhi.hcl, such as payments/etl")
	f.StringArrayVar(&flags.rootKeys, "root-key", nil, "SSH key that may sign policies: a private key, or the .pub of another holder; can be repeated (default: ~/"+defaultKey+")")
	f.IntVar(&flags.threshold, "threshold", 1, "how many root keys must sign a policy")
	f.StringArrayVar(&flags.approvers, "approver", nil, "PERSON=FILE, a person who may approve and the file of that person's public SSH key; can be repeated")
	f.StringArrayVar(&flags.requesters, "requester", nil, "PERSON=FILE, a person who may not approve, and whose key proves who asks; can be repeated")
	f.StringArrayVar(&flags.systems, "system", nil, "NAME:KIND=ENDPOINT, a system of the environment; can be repeated")
	f.StringVar(&flags.ledger, "ledger", "", "where to make the ledger, as in nhi.hcl: '{ s3 = { bucket = \"nhi\" } }' (default: the folder "+ledgerName+" in --dir)")
	f.BoolVar(&flags.guard, "guard", false, "print what makes the --ledger append-only, and make nothing")
	f.BoolVar(&flags.pin, "pin", false, "trust the new root on this machine: add it to ~/.config/"+pinFile)
	return a.does(cmd, func(ctx context.Context, _ []string) error { return a.init(ctx, flags) })
}

// init checks everything before it makes anything.
func (a *app) init(ctx context.Context, flags initFlags) error {
	setup := foundation{app: a, dir: flags.dir, environment: flags.environment, scope: flags.scope}
	if err := setup.takeLedger(flags.ledger); err != nil {
		return err
	}
	if flags.guard {
		return a.showGuard(setup)
	}
	if err := nhi.CheckName(flags.environment); err != nil {
		return usage("--environment %w", err)
	}
	if flags.scope != "" {
		if err := nhi.CheckScope(flags.scope); err != nil {
			return usage("--scope %w", err)
		}
	}
	if err := setup.vacant(ctx); err != nil {
		return err
	}
	if err := setup.takePeople(flags.approvers, flags.requesters); err != nil {
		return err
	}
	if err := setup.takeSystems(flags.systems); err != nil {
		return err
	}
	if err := setup.takeRoot(ctx, flags.rootKeys, flags.threshold); err != nil {
		return err
	}
	if err := setup.build(ctx); err != nil {
		return err
	}
	if flags.pin {
		if err := a.addPin(setup.pin(), setup.ledgerID); err != nil {
			return wrong("everything was made, but the pin %s could not be written: %w", setup.pin(), err)
		}
	}
	return a.reportInit(setup, flags.pin)
}

func (a *app) reportInit(f foundation, pinned bool) error {
	p := a.page()
	p.line("Made in %s:", f.dir)
	if f.ledger.named() {
		p.field("ledger", "%s, in %s: back it up", f.ledgerID, f.ledger.Kind.Name)
	} else {
		p.field(ledgerName, "the ledger %s: never commit it (echo '%s/' >> .gitignore), and back it up", f.ledgerID, ledgerName)
	}
	p.field(policyName, "the first policy: read it, and change it to what you need")
	if f.published {
		p.field(policyName+".sig", "signed by %d of the %d root keys needed, and published", f.signed, f.root.Threshold)
	} else {
		p.field(policyName+".sig", "signed by %d of the %d root keys needed: the others run `nhi policy sign`, then `nhi policy publish`", f.signed, f.root.Threshold)
	}
	p.field(configName, "where it all is, for this tool")
	p.gap()
	p.line("The trust root's pin is")
	p.styled(bold, "  ", "%s", f.pin())
	if pinned {
		p.line("and this machine trusts it now (~/.config/%s).", pinFile)
	} else {
		p.line("Every machine that relies on this ledger needs it, from you and not from the repository:")
		p.line("  export NHI_TRUST_ROOT=%s", f.pin())
		p.line("or as a line of ~/.config/%s or /etc/%s.", pinFile, pinFile)
	}
	p.gap()
	f.explainQuorum(p)
	if guard := f.guard(); guard != "" {
		p.gap()
		p.line("Until the administrator of %s has set this up, the ledger can be changed by whoever writes to it:", f.ledger.Kind.Name)
		p.gap()
		p.line("%s", guard)
	}
	if err := a.show(p); err != nil {
		return err
	}
	files := []string{}
	for _, name := range f.names() {
		files = append(files, filepath.Join(f.dir, name))
	}
	return a.emit(map[string]any{"ledger": f.ledgerID, "pin": f.pin(), "pinned": pinned, "files": files,
		"threshold": f.root.Threshold, "signed": f.signed, "published": f.published, "guard": f.guard()})
}

// takeLedger reads where the ledger is to be made.
func (f *foundation) takeLedger(flag string) error {
	if flag == "" {
		return nil
	}
	if !strings.HasPrefix(strings.TrimSpace(flag), "{") {
		return usage("--ledger must be as in nhi.hcl, { KIND = { … } }; a ledger in a folder is made in --dir")
	}
	place, err := f.app.ledgerOf(flag)
	if err == nil {
		err = place.unset
	}
	if err != nil {
		return usage("--ledger: %w", err)
	}
	f.ledger, f.ledgerText = place, flag
	return nil
}

// guard is what makes the ledger append-only; empty where nothing can.
func (f foundation) guard() string {
	if f.ledger.Kind.Guard == nil {
		return ""
	}
	return f.ledger.Kind.Guard(f.ledger.Settings)
}

// showGuard prints the guard alone, so that it can be piped.
func (a *app) showGuard(f foundation) error {
	guard := f.guard()
	if guard == "" {
		return usage("--guard: nothing can make a ledger in a folder append-only. Say --ledger")
	}
	p := a.page()
	p.line("%s", strings.TrimRight(guard, "\n"))
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"guard": guard})
}

// explainQuorum says what the first rule means for the people there are.
func (f foundation) explainQuorum(p *page) {
	need, people := f.quorum(), count(len(f.approvers), "approver")
	p.line("Its one rule needs %d of %s, and one more where the requester is not proven", need, people)
	p.line("(requester = { ssh_key_file = … } in the provider block). Whoever asks never counts.")
	if len(f.approvers) <= need && len(f.requesters) == 0 {
		p.marked("!", yellow, "with %s, only what somebody else asks, and proves, can be approved: --requester, or %s, names such a person", people, policyName)
	}
}
