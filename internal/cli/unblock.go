package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// unblockFlags are the flags of unblock.
type unblockFlags struct {
	reason, key string
	yes         bool
}

func (a *app) unblockCommand() *cobra.Command {
	flags := unblockFlags{}
	cmd := &cobra.Command{
		Use:   "unblock IDENTITY|GRANT…",
		Short: "Sign that a block may be lifted",
		Long: `Signs lifts of the blocks that nhi revoke made, with one signature over all of
them. A block is lifted when the quorum that would approve the grant has
signed, after the block: the requester never counts. Of an identity, each of
its approvals is lifted.

Lifting gives nothing back. Where the approval has no activation left, access
takes a new one (another term, or other access).`,
		Example: "  nhi unblock production/payments/etl/orders-etl --reason \"laptop found\"",
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why, for the record")
	cmd.Flags().StringVar(&flags.key, "key", "", keyFlagHelp)
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.unblock(ctx, args, flags) })
}

// lifting is the lift of one block for one approval.
type lifting struct {
	petition
	block  lifecycle.Blocked
	text   string
	signed nhi.SignedDecision
}

func (a *app) unblock(ctx context.Context, args []string, flags unblockFlags) error {
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
	a.catchUp(ctx, d)
	var lifts []lifting
	for _, s := range all {
		found, err := d.liftings(ctx, s, flags.reason)
		if err != nil {
			return err
		}
		lifts = append(lifts, found...)
	}
	if len(lifts) == 0 {
		return wrong("nothing of this is blocked")
	}
	path, err := a.keyPath(flags.key, d.requesterKey)
	if err != nil {
		return err
	}
	a.reviewLifts(lifts)
	if err := a.sure(ctx, "Lift this?", flags.yes); err != nil {
		return err
	}
	signer, person, err := a.voter(ctx, d, path)
	if err != nil {
		return err
	}
	texts := make([]string, len(lifts))
	for i, one := range lifts {
		texts[i] = one.text
	}
	list, err := nhi.DecisionList(texts)
	if err != nil {
		return err
	}
	made, err := signature.Sign(signer, signature.NamespaceDecision, list)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	for i := range lifts {
		lifts[i].signed = nhi.SignedDecision{Text: lifts[i].text, List: list, Signature: made}
	}
	return a.lift(ctx, d, person, lifts)
}

// liftings words the lifts of a subject: of a grant, every block in its way; of
// an identity, its own block, for each of its approvals.
func (d *desk) liftings(ctx context.Context, s subject, reason string) ([]lifting, error) {
	ids, err := d.approvalsOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, usage("%s: %w, so there is no quorum that could lift a block", s, errNothingAsked)
	}
	var lifts []lifting
	for _, id := range ids {
		p, err := d.petition(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, block := range p.standing.Blocks {
			if block.Lift.Lifted || s.grant == "" && block.Chain != s.chain() {
				continue
			}
			text, err := p.wording(nhi.VerdictLift, reason, block.Head())
			if err != nil {
				return nil, err
			}
			lifts = append(lifts, lifting{petition: p, block: block, text: text})
		}
	}
	return lifts, nil
}

// reviewLifts shows what is about to be lifted.
func (a *app) reviewLifts(lifts []lifting) {
	p := &page{color: a.Color && !a.json}
	for _, one := range lifts {
		p.line("%s", one.approval)
		p.field("ended by", "%s", one.block.By)
		p.field("access", "%s", a.summary(one.request))
		p.field("lifted by", "%s", orNobody(one.block.Lift.By))
		p.field("takes", "%s", joined(one.block.Lift.Missing()))
	}
	a.aside(p)
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody yet"
	}
	return joined(names)
}

// lift makes sure that every lift counts, records all, and says what is
// missing.
func (a *app) lift(ctx context.Context, d *desk, person policy.Approver, lifts []lifting) error {
	var problems []error
	for _, one := range lifts {
		if after := one.block.With(one.signed); !slices.Contains(after.By, person.Name) {
			problems = append(problems, fmt.Errorf("%s: this lift by %s would not count: %s", one.approval, person.Name, strings.Join(after.Reasons, "; ")))
		}
	}
	if len(problems) > 0 {
		return &failure{ExitWrong, fmt.Errorf("nothing was recorded:\n%w", errors.Join(problems...))}
	}
	p, rows := a.page(), []map[string]any{}
	for _, one := range lifts {
		entry, err := d.engine.RecordLift(ctx, one.block, one.signed)
		if err != nil {
			return fmt.Errorf("%s (%d of %d are recorded): %w", one.approval, len(rows), len(lifts), err)
		}
		after := one.block.With(one.signed)
		rows = append(rows, map[string]any{"approval": one.approval, "chain": one.block.Chain, "entry": entry,
			"lifted": after.Lifted, "by": after.By, "missing": append([]string{}, after.Missing()...)})
		next := "the block is lifted; access takes an approval with an activation left"
		if !after.Lifted {
			next = "it still takes " + joined(after.Missing())
		}
		p.marked("✓", green, "%s lifted by %s: %s", one.approval, person.Name, next)
	}
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"person": person.Name, "lifts": rows})
}
