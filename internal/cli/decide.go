package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// decideFlags are the flags of approve, deny and withdraw.
type decideFlags struct {
	key      string
	out      string
	prepare  string
	finish   string
	selector string
	yes      bool
}

// wording is what a command says of its verdict.
type wording struct {
	short, what string
	asks        string // what is confirmed, of one request
	asksMany    string // of %s
	done        string // "… by ana"
}

var wordings = map[nhi.Verdict]wording{
	nhi.VerdictApprove: {"Say yes to requests, with one signature", "the decision will count",
		"Approve this request?", "Approve these %s?", "approved"},
	nhi.VerdictDeny: {"Say no to requests, with one signature", "the decision will count",
		"Deny this request?", "Deny these %s?", "denied"},
	nhi.VerdictWithdraw: {"Take back what you decided, with one signature", "there is a decision of yours to take back",
		"Withdraw your decision on this request?", "Withdraw your decisions on these %s?", "taken back"},
}

func (a *app) approveCommand() *cobra.Command { return a.decideCommand(nhi.VerdictApprove, "") }

func (a *app) denyCommand() *cobra.Command { return a.decideCommand(nhi.VerdictDeny, "") }

func (a *app) withdrawCommand() *cobra.Command {
	return a.decideCommand(nhi.VerdictWithdraw, `

A yes that is taken back does not count any more, and a no is out of the way.
What is active already stays active: "nhi revoke" ends it.`)
}

func (a *app) decideCommand(verdict nhi.Verdict, more string) *cobra.Command {
	flags, name, words := decideFlags{}, string(verdict), wordings[verdict]
	cmd := &cobra.Command{
		Use:   name + " APPROVAL… | FILE… | --select SELECTOR",
		Short: words.short,
		Long: words.short + `.

It shows each request, asks, and signs one list of decisions. Then it makes sure
that ` + words.what + `, and appends it to the ledger. With
--out, or where the ledger cannot be written, it leaves decision files for a
pull request instead.` + more + `

A FILE is one that "nhi show --export" made: then no ledger is needed, and the
decision is left as a file.

Any other signer works too: --prepare writes the list, "ssh-keygen -Y sign"
signs it, and --finish takes the signature.

` + selectHelp + selectVerdictHelp,
		Example: "  nhi " + name + ` production/payments/etl/orders-etl:default
  nhi ` + name + ` --select 'scope=payments/**,system=orders'
  nhi ` + name + ` orders-etl.request --out approvals

  nhi ` + name + ` --prepare work production/payments/etl/orders-etl:default
  ssh-keygen -Y sign -n nhi-decision@v1 -f ~/.ssh/id_ed25519 work/list
  nhi ` + name + ` --finish work`,
	}
	cmd.Flags().StringVar(&flags.key, "key", "", keyFlagHelp)
	cmd.Flags().StringVar(&flags.out, "out", "", "write decision files into this folder, and nothing into the ledger")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&flags.selector, "select", "", "all that a decision of yours would move, of those that match")
	cmd.Flags().StringVar(&flags.prepare, "prepare", "", "write what is to be signed into this folder, and sign nothing")
	cmd.Flags().StringVar(&flags.finish, "finish", "", "take up a folder of --prepare, with its list signed as list.sig")
	for _, pair := range [][2]string{{"prepare", "finish"}, {"prepare", "key"}, {"prepare", "out"}, {"finish", "key"}, {"finish", "select"}} {
		cmd.MarkFlagsMutuallyExclusive(pair[:]...)
	}
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		if flags.finish != "" {
			return a.finish(ctx, verdict, args, flags)
		}
		return a.decide(ctx, verdict, args, flags)
	})
}

func (a *app) decide(ctx context.Context, verdict nhi.Verdict, args []string, flags decideFlags) error {
	choice, err := a.choose(ctx, args, flags.selector)
	if err != nil {
		return err
	}
	defer choice.close()
	voter := &voter{app: a, key: flags.key, configured: choice.requesterKey()}
	if flags.prepare != "" {
		voter = nil // whoever signs the list, nobody knows yet
	}
	petitions, err := choice.petitions(ctx, verdict, voter)
	if err != nil {
		return err
	}
	ballots := make([]ballot, 0, len(petitions))
	for _, p := range petitions {
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
	if _, err := voter.path(); err != nil {
		return err
	}
	if err := a.confirm(ctx, verdict, len(ballots), flags.yes); err != nil {
		return err
	}
	signer, err := voter.load(ctx)
	if err != nil {
		return err
	}
	if err := sign(ballots, signer); err != nil {
		return err
	}
	return a.cast(ctx, verdict, ballots, flags.out)
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
func (a *app) confirm(ctx context.Context, verdict nhi.Verdict, ballots int, yes bool) error {
	if yes {
		return nil
	}
	if a.Terminal == nil {
		return usage("there is no terminal to ask on: read the request, and say --yes")
	}
	question := wordings[verdict].asks
	if ballots > 1 {
		question = fmt.Sprintf(wordings[verdict].asksMany, count(ballots, "request"))
	}
	answer, err := a.Terminal.Ask(ctx, question+" Only \"yes\" is a yes: ")
	if err != nil {
		return fmt.Errorf("nothing was signed: %w", err)
	}
	if !slices.Contains([]string{"yes", "Yes", "YES"}, strings.TrimSpace(answer)) {
		return wrong("nothing was signed")
	}
	return nil
}
