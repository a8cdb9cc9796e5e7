package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// revokeFlags are the flags of revoke.
type revokeFlags struct {
	reason, key string
	yes, dryRun bool
	remainsFlags
}

func (a *app) revokeCommand() *cobra.Command {
	flags := revokeFlags{}
	cmd := &cobra.Command{
		Use:   "revoke IDENTITY|GRANT…",
		Short: "End access now, everywhere, until it is lifted",
		Long: `Blocks a grant, or every grant of an identity, then removes its access on every
target, reads back, and says what is gone and what is open. It needs no
approval and no Terraform, and it works while an apply runs: that apply is
overtaken, and undoes what it had begun.

The block stays until the quorum of the grant lifts it (nhi unblock). With
--key it is signed, by an approver of the policy; without, it holds too.

The systems are those of nhi.hcl. Access on a system that is not there stays
open; the block holds, and the next apply or sweep that has it removes it.

Where the ledger cannot be read, accounts are found by the marks on the systems
and by Terraform states (--state). Removed is only what has both the name that
follows from the grant's id and the grant's mark. Block and record wait in a
folder of this user and machine (the exit code is 6) until the next apply,
revoke or sweep --revoke that reaches the ledger.`,
		Example: `  nhi revoke production/payments/etl/orders-etl --reason "laptop stolen"
  nhi revoke production/payments/etl/orders-etl:default --yes --key ~/.ssh/id_ed25519

  # the ledger is away
  terraform state pull > state.json
  nhi revoke production/payments/etl/orders-etl --state state.json`,
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why, for the record and for the plan that shows it")
	cmd.Flags().StringVar(&flags.key, "key", "", "SSH key that signs the block (default: it is not signed)")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "only show what would be removed")
	flags.add(cmd, "ledger-id", "where the ledger cannot be opened: whose marks count (default: that of the states, or the only one that is found)")
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.revoke(ctx, args, flags) })
}

func (a *app) revoke(ctx context.Context, args []string, flags revokeFlags) error {
	all, err := subjects(args)
	if err != nil {
		return err
	}
	if err := nhi.CheckOptionalText(flags.reason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	if !flags.dryRun {
		a.catchUp(ctx, d)
	}
	found, err := a.instead(ctx, d, all, flags.remainsFlags)
	if err != nil {
		return err
	}
	if err := a.foresee(ctx, d, all, found, flags.dryRun); err != nil || flags.dryRun {
		return err
	}
	if err := a.sure(ctx, "End all of this now?", flags.yes); err != nil {
		return err
	}
	halts, err := a.halts(ctx, d, all, flags)
	if err != nil {
		return err
	}
	return a.carryOut(ctx, d, all, halts, found)
}

// carryOut carries out the halts of subjects, and says what came of it.
func (a *app) carryOut(ctx context.Context, d *desk, all []subject, halts []lifecycle.Halt, found *remains) error {
	var done []lifecycle.Halted
	var failed error
	for i, halt := range halts { // one that cannot be halted does not keep the others
		halt.Known = found.knownOf(all[i])
		halted, err := d.engine.Halt(ctx, halt)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", all[i], err))
		}
		if err == nil || halted.Chain != "" {
			done = append(done, halted)
		}
	}
	if len(done) == 0 {
		return failed
	}
	return errors.Join(failed, a.halted(done, found))
}

// foresee shows what is going to be removed.
func (a *app) foresee(ctx context.Context, d *desk, all []subject, found *remains, only bool) error {
	p := &page{color: a.Color && !a.json}
	rows := []removalRow{}
	var err error
	for _, s := range all {
		records := found.knownOf(s)
		if len(records) == 0 {
			if records, err = d.held(ctx, s); err != nil && found == nil {
				return err
			}
		}
		p.line("%s", s)
		for _, record := range records {
			for _, key := range slices.Sorted(maps.Keys(record.Targets)) {
				target := record.Targets[key]
				p.marked("-", red, "%s: %s on %s", record.Grant, target.Principal, whereIs(target.System, target.Kind, target.Endpoint))
				rows = append(rows, removalRow{Grant: record.Grant, Target: key, System: target.System, Principal: target.Principal, State: "held"})
			}
		}
		switch {
		case len(records) == 0 && err != nil:
			p.marked("·", yellow, "nothing was found of it")
		case len(records) == 0:
			p.marked("·", yellow, "nothing was ever granted; it is blocked from now on")
		}
	}
	p.remains(found)
	if only {
		if err := a.show(p); err != nil {
			return err
		}
		return a.emit(map[string]any{"targets": rows})
	}
	a.aside(p)
	return nil
}

// aside shows a page to people, beside any JSON.
func (a *app) aside(p *page) {
	out := a.Out
	if a.json {
		out = a.Err
	}
	_, _ = fmt.Fprint(out, p.String())
}

func whereIs(system, kind, endpoint string) string {
	if kind == nhi.KindExternal {
		return "no system (external)"
	}
	return fmt.Sprintf("%s (%s)", system, endpoint)
}

// halts are what is to be done, signed where a key is named.
func (a *app) halts(ctx context.Context, d *desk, all []subject, flags revokeFlags) ([]lifecycle.Halt, error) {
	halts := make([]lifecycle.Halt, len(all))
	for i, s := range all {
		halts[i] = lifecycle.Halt{Grant: s.grant, By: unprovenOperator(), Reason: flags.reason}
		if s.grant == "" {
			halts[i].Identity = s.identity
		}
	}
	if flags.key == "" {
		return halts, nil
	}
	signer, person, err := a.voter(ctx, d, flags.key)
	if err != nil {
		return nil, fmt.Errorf("%w (without --key the block is not signed, and holds all the same)", err)
	}
	var texts []string
	about := make([][]string, len(all))
	for i, s := range all {
		if about[i], err = a.blockTexts(ctx, d, s, flags.reason); err != nil {
			return nil, err
		}
		texts = append(texts, about[i]...)
	}
	if len(texts) == 0 {
		a.note("Nothing was ever asked for, so there is no text to sign: the block is not signed.")
		return halts, nil
	}
	list, err := nhi.DecisionList(texts)
	if err != nil {
		return nil, err
	}
	made, err := signature.Sign(signer, signature.NamespaceDecision, list)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	for i := range halts {
		for _, text := range about[i] {
			halts[i].By = person.Name
			halts[i].Signed = append(halts[i].Signed, nhi.SignedDecision{Text: text, List: list, Signature: made})
		}
	}
	return halts, nil
}

// blockTexts are the decision texts that block a subject: one for each of its
// approvals.
func (a *app) blockTexts(ctx context.Context, d *desk, s subject, reason string) ([]string, error) {
	ids, err := d.approvalsOf(ctx, s)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, id := range ids {
		p, err := d.petition(ctx, id)
		if err != nil {
			return nil, err
		}
		text, err := p.wording(nhi.VerdictBlock, reason, p.chain.Head())
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
