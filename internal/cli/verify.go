package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// verifyHelp explains verify.
const verifyHelp = `Reads the whole ledger and checks: the links of every chain, the trust root
from the pin on, the signatures and versions of every policy, every request
and every signed decision, that enough decisions stood behind each activation
when it was begun, and that no chain lacks what decisions and intents of the
others have seen of it. With --state it is also held against what a Terraform
state remembers.

That a chain was cut which nobody else has seen, or that the whole ledger was
replaced by an older copy, only a state or a witness shows. It asks no target
system.

With --targets it asks every system of nhi.hcl instead, for itself and with
probes: what the ledger holds as active must be there as approved, and what it
says was removed must be gone. The report can be kept as evidence: it carries
the time, the ledger and the ends of the chains that it rests on. --out writes
it to a file, and --key signs the exact bytes of that file:

  ssh-keygen -Y verify -f allowed_signers -I ana@example.com \
    -n nhi-report@v1 -s report.json.sig < report.json`

func (a *app) verifyCommand() *cobra.Command {
	flags := evidenceFlags{}
	var states []string
	cmd := &cobra.Command{
		Use:   "verify [--targets IDENTITY|GRANT…]",
		Short: "Check the whole record; with --targets, what systems hold now",
		Long:  verifyHelp,
		Example: "  nhi verify\n  nhi verify --targets production/payments/etl/orders-etl\n" +
			"  nhi verify --targets --all --json --out report.json --key ~/.ssh/id_ed25519",
	}
	cmd.Flags().StringArrayVar(&states, "state", nil, "Terraform state file that remembers how far the record reached (`terraform state pull`); can be repeated")
	cmd.Flags().BoolVar(&flags.targets, "targets", false, "ask the systems about these identities and grants")
	cmd.Flags().BoolVar(&flags.all, "all", false, "with --targets: every grant of the ledger")
	cmd.Flags().StringVar(&flags.out, "out", "", "with --targets: write the report into this new file")
	cmd.Flags().StringVar(&flags.key, "key", "", "with --out: SSH key that signs the report, into FILE.sig")
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		switch {
		case flags.targets && len(states) > 0:
			return usage("--state is for the record, and --targets asks the systems: run them one after the other")
		case flags.targets:
			return a.verifyTargets(ctx, args, flags)
		case len(args) > 0 || flags != evidenceFlags{}:
			return usage("to ask the systems, say --targets")
		default:
			return a.verify(ctx, states)
		}
	})
}

// errFaults says that verify found something.
var errFaults = errors.New("the record is not what it must be")

func (a *app) verify(ctx context.Context, states []string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	book, err := d.engine.Book()
	if err != nil {
		return err
	}
	audit := &audit{book: book, engine: d.engine, systems: lifecycle.NewSystems(a.Kinds)}
	if err := audit.states(states); err != nil {
		return err
	}
	if err := audit.all(ctx, d); err != nil {
		return err
	}
	p := a.page()
	p.audit(audit, len(states) > 0)
	told := audit.json(book)
	told["waiting"] = a.waiting(d, p)
	if err := a.show(p); err != nil {
		return err
	}
	if err := a.emit(told); err != nil {
		return err
	}
	if len(audit.faults) > 0 {
		return &failure{ExitWrong, errFaults}
	}
	return nil
}

// audit tells what was found; remembered says that states were asked too.
func (p *page) audit(audit *audit, remembered bool) {
	for _, fault := range audit.faults {
		p.marked("!", red, "%s", fault)
	}
	for _, note := range audit.notes {
		p.marked("·", yellow, "%s", note)
	}
	p.line("Ledger %s: %s with %s: %s, %s, %s, %s.", audit.book.ID(), count(audit.chains, "chain"), entries(audit.entries),
		count(audit.policies, "policy"), count(audit.requests, "request"), count(audit.decisions, "decision"), count(audit.uses, "activation"))
	if len(audit.faults) == 0 {
		p.styled(green, "", "Everything that can be checked here is as it must be.")
		if !remembered {
			p.line("A record that was cut at its end shows at the next plan, which remembers how far it reached, and with --state.")
		}
	} else {
		p.styled(red, "", "%s found.", count(len(audit.faults), "fault"))
	}
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return count(n, "entry")
}

func (v *audit) json(book *ledger.Ledger) map[string]any {
	return map[string]any{
		"ledger": book.ID(), "root": nhi.DigestOf(book.RootText()), "ok": len(v.faults) == 0,
		"faults": faultRows(v.faults), "notes": faultRows(v.notes),
		"chains": v.chains, "entries": v.entries, "policies": v.policies, "requests": v.requests,
		"decisions": v.decisions, "activations": v.uses, "emergencies": v.emergencies,
	}
}

// faultRows are faults in JSON.
func faultRows(faults []ledger.Fault) []map[string]any {
	found := []map[string]any{}
	for _, fault := range faults {
		found = append(found, map[string]any{"chain": fault.Chain, "entry": fault.Seq, "reason": fault.Reason})
	}
	return found
}
