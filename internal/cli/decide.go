package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// decideFlags are the flags of approve and deny.
type decideFlags struct {
	key     string
	out     string
	prepare string
	finish  string
	yes     bool
}

func (a *app) approveCommand() *cobra.Command {
	return a.decideCommand(nhi.VerdictApprove, "Say yes to requests, with one signature", "approve")
}

func (a *app) denyCommand() *cobra.Command {
	return a.decideCommand(nhi.VerdictDeny, "Say no to requests, with one signature", "deny")
}

func (a *app) decideCommand(verdict nhi.Verdict, short, name string) *cobra.Command {
	flags := decideFlags{}
	cmd := &cobra.Command{
		Use:   name + " APPROVAL…",
		Short: short,
		Long: short + `.

It shows each request, asks, signs one list of decisions, makes sure that the
decision will count, and appends it to the ledger. With --out, or where the
ledger cannot be written, it leaves decision files for a pull request instead.

Any other signer works too: --prepare writes the list, "ssh-keygen -Y sign"
signs it, and --finish takes the signature.`,
		Example: "  nhi " + name + ` production/payments/etl/orders-etl:default

  nhi ` + name + ` --prepare work production/payments/etl/orders-etl:default
  ssh-keygen -Y sign -n nhi-decision@v1 -f ~/.ssh/id_ed25519 work/list
  nhi ` + name + ` --finish work`,
	}
	cmd.Flags().StringVar(&flags.key, "key", "", keyFlagHelp)
	cmd.Flags().StringVar(&flags.out, "out", "", "write decision files into this folder, and nothing into the ledger")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&flags.prepare, "prepare", "", "write what is to be signed into this folder, and sign nothing")
	cmd.Flags().StringVar(&flags.finish, "finish", "", "take up a folder of --prepare, with its list signed as list.sig")
	cmd.MarkFlagsMutuallyExclusive("prepare", "finish")
	cmd.MarkFlagsMutuallyExclusive("prepare", "key")
	cmd.MarkFlagsMutuallyExclusive("prepare", "out")
	cmd.MarkFlagsMutuallyExclusive("finish", "key")
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		if flags.finish != "" {
			return a.finish(ctx, verdict, args, flags)
		}
		return a.decide(ctx, verdict, args, flags)
	})
}

func (a *app) decide(ctx context.Context, verdict nhi.Verdict, args []string, flags decideFlags) error {
	ids, err := approvalIDs(args)
	if err != nil {
		return err
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	ballots := make([]ballot, 0, len(ids))
	for _, id := range ids {
		p, err := d.petition(ctx, id)
		if err != nil {
			return err
		}
		b, err := propose(p, verdict)
		if err != nil {
			return err
		}
		ballots = append(ballots, b)
	}
	a.review(ballots)
	if flags.prepare != "" {
		return a.prepare(verdict, ballots, flags.prepare)
	}
	path, err := a.keyPath(flags.key, d.requesterKey)
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, verdict, ballots, flags.yes); err != nil {
		return err
	}
	signer, err := a.signer(ctx, path)
	if err != nil {
		return err
	}
	if err := sign(ballots, signer); err != nil {
		return err
	}
	return a.cast(ctx, d, verdict, ballots, flags.out)
}

// approvalIDs reads the arguments, each once, in their order.
func approvalIDs(args []string) ([]nhi.ApprovalID, error) {
	if len(args) == 0 {
		return nil, usage("say which: APPROVAL… (`nhi requests` lists what waits)")
	}
	if len(args) > nhi.MaxList {
		return nil, usage("%d approvals, and one signature covers %d at most", len(args), nhi.MaxList)
	}
	var ids []nhi.ApprovalID
	seen := map[nhi.ApprovalID]bool{}
	for _, arg := range args {
		id, err := nhi.ParseApprovalID(arg)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			ids = append(ids, id)
		}
		seen[id] = true
	}
	return ids, nil
}

// shownInFull is how many requests are shown whole before they are decided.
const shownInFull = 5

// review shows what is about to be decided: to people, beside any JSON.
func (a *app) review(ballots []ballot) {
	p := &page{color: a.Color && !a.json}
	for _, b := range ballots {
		if len(ballots) > shownInFull {
			p.line("%s  %s for %s, asked by %s", b.approval, a.summary(b.request), nhi.FormatTTL(b.request.TTL), requester(b.standing.Verdict))
			continue
		}
		a.describe(p, b.petition)
		p.gap()
	}
	out := a.Out
	if a.json {
		out = a.Err
	}
	_, _ = fmt.Fprint(out, p.String())
}

// confirm asks whether to sign.
func (a *app) confirm(ctx context.Context, verdict nhi.Verdict, ballots []ballot, yes bool) error {
	if yes {
		return nil
	}
	if a.Terminal == nil {
		return usage("there is no terminal to ask on: read the request, and say --yes")
	}
	what := "this request"
	if len(ballots) > 1 {
		what = "these " + count(len(ballots), "request")
	}
	verb := strings.ToUpper(string(verdict)[:1]) + string(verdict)[1:]
	answer, err := a.Terminal.Ask(ctx, fmt.Sprintf("%s %s? Only \"yes\" is a yes: ", verb, what))
	if err != nil {
		return fmt.Errorf("nothing was signed: %w", err)
	}
	if !slices.Contains([]string{"yes", "Yes", "YES"}, strings.TrimSpace(answer)) {
		return wrong("nothing was signed")
	}
	return nil
}
