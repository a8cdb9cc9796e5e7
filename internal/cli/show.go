package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// showFlags are the flags of show.
type showFlags struct {
	text     bool
	export   string
	plan     string
	markdown bool
}

func (a *app) showCommand() *cobra.Command {
	flags := showFlags{}
	cmd := &cobra.Command{
		Use:   "show APPROVAL | FILE | --plan PLAN.json",
		Short: "Show one request as a plan, or all that a plan asks for",
		Long: `Shows who asks for what, where, why and until when, which rule decides, who
has decided, and what does not count.

With --text it prints the request text itself, byte by byte: its SHA-256 is
the request's digest, and a decision is signed over that text.

With --export it writes one file that carries all of it, with the policy, the
signatures and the record, to an approver who has no access to the ledger.
"nhi show FILE" and "nhi approve FILE" check that file and need nothing else
than the pin of the trust root.

With --plan it shows every request of a Terraform plan, also of one that was
never applied: which rule decides it, who may approve, what is missing, and the
command that decides. It evaluates them by the policy in force and by
signatures: nothing that the plan says of itself is believed. With --export it
writes a request file for each that waits, and exits with 0 where nothing has to
be decided, with 7 where something does, and with 1 where something will not be
granted as it stands.`,
		Example: `  nhi show production/payments/etl/orders-etl:default
  nhi show production/payments/etl/orders-etl:default --export orders-etl.request
  nhi show orders-etl.request
  terraform show -json plan.tfplan | nhi show --plan - --markdown --export requests`,
		Args: func(cmd *cobra.Command, args []string) error {
			if flags.plan != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&flags.text, "text", false, "print the exact request text; its digest goes to standard error")
	cmd.Flags().StringVar(&flags.export, "export", "", "write a request file (NAME"+RequestSuffix+") for a machine without the ledger; - is standard output; with --plan a folder")
	cmd.Flags().StringVar(&flags.plan, "plan", "", "all requests of a plan, from a file of terraform show -json PLAN; - is standard input")
	cmd.Flags().BoolVar(&flags.markdown, "markdown", false, "with --plan: print it as a comment on a pull request")
	cmd.MarkFlagsMutuallyExclusive("text", "export")
	cmd.MarkFlagsMutuallyExclusive("text", "plan")
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		switch {
		case flags.plan != "":
			return a.showPlan(ctx, flags)
		case flags.markdown:
			return usage("--markdown is for --plan")
		}
		return a.showOne(ctx, args[0], flags)
	})
}

// openAt returns the desk of an argument: that of a request file, else the
// ledger's.
func (a *app) openAt(ctx context.Context, name string) (*desk, nhi.ApprovalID, error) {
	if isRequestFile(name) {
		return a.openRequestFile(ctx, name)
	}
	id, err := nhi.ParseApprovalID(name)
	if err != nil {
		return nil, "", err
	}
	d, err := a.open()
	return d, id, err
}

func (a *app) showOne(ctx context.Context, name string, flags showFlags) error {
	d, id, err := a.openAt(ctx, name)
	if err != nil {
		return err
	}
	defer d.close()
	switch {
	case flags.text:
		return a.showText(ctx, d, id)
	case flags.export != "" && d.apart != nil:
		return usage("%s is a request file already", name)
	case flags.export != "":
		return a.export(ctx, d, id, flags.export)
	}
	p, err := d.petition(ctx, id)
	if err != nil {
		return err
	}
	page := a.page()
	a.describe(page, p)
	p.invite(page)
	if err := a.show(page); err != nil {
		return err
	}
	return a.emit(a.shownJSON(p))
}

// showText needs neither policy nor root: the text is what it is.
func (a *app) showText(ctx context.Context, d *desk, id nhi.ApprovalID) error {
	p, err := d.recorded(ctx, id, "")
	if err != nil {
		return err
	}
	digest := nhi.DigestOf(p.text)
	if a.json {
		return a.emit(map[string]any{"approval": id, "request": digest, "text": p.text})
	}
	a.note("%s", digest)
	// A parsed request text holds nothing that a terminal would obey.
	_, err = io.WriteString(a.Out, p.text)
	return err
}

// shownAccess is one access in JSON.
type shownAccess struct {
	System     string     `json:"system,omitempty"`
	Kind       string     `json:"kind"`
	Endpoint   string     `json:"endpoint,omitempty"`
	Privileges []string   `json:"privileges"`
	Settings   nhi.Values `json:"settings"`
	// TakesOver is the account that is there already, where one is taken over.
	TakesOver *shownTakeover `json:"takes_over,omitempty"`
}

func (a *app) shownJSON(p petition) map[string]any {
	access := map[string]shownAccess{}
	for key, asked := range p.request.Access {
		words := append([]string{}, a.privileges(asked)...)
		access[key] = shownAccess{asked.System, asked.Kind, asked.Endpoint, words, asked.Settings, a.takeoverJSON(p, key)}
	}
	denials := []map[string]string{}
	for _, denial := range p.standing.Verdict.Denials {
		denials = append(denials, map[string]string{"target": denial.Target, "field": denial.Field, "reason": denial.Reason})
	}
	verdict := p.standing.Verdict
	findings := []map[string]string{}
	for _, finding := range verdict.Findings {
		findings = append(findings, map[string]string{"risk": finding.Risk.String(), "target": finding.Target, "field": finding.Field, "reason": finding.Reason})
	}
	shown := map[string]any{
		"approval": p.approval, "status": p.status(), "request": nhi.DigestOf(p.text), "text": p.text, "waits": p.waits(),
		"requester": verdict.Requester, "proven_by": verdict.ProvenBy, "justification": p.justification, "ended": p.ended(),
		"identity": map[string]string{"id": string(p.request.Identity()), "owner": p.request.Owner,
			"purpose": p.request.Purpose, "kind": p.request.Kind},
		"ttl": nhi.FormatTTL(p.request.TTL), "term": p.request.Term,
		"access": access, "needs": needRows(verdict.Needs), "approved_by": append([]string{}, verdict.ApprovedBy...),
		"denials": denials, "findings": findings, "reasons": append([]string{}, p.reasons()...),
		"policy": map[string]any{"version": p.standing.Policy.Version, "digest": p.standing.Policy.Digest},
		"head":   p.chain.Head(),
	}
	switch {
	case p.waits():
		shown["if_approved_now"] = map[string]string{"activate_before": nhi.FormatTime(p.deadline()), "ends_at_the_latest": nhi.FormatTime(p.latestEnd())}
	case p.standing.Approved() && !verdict.ActivateBefore.IsZero():
		shown["activate_before"], shown["not_after"] = nhi.FormatTime(verdict.ActivateBefore), nhi.FormatTime(verdict.NotAfter)
	}
	if ends, same := p.renewal(); same {
		shown["renews"] = nhi.FormatTime(ends) // the end of the term in force
	}
	if !p.askedAt.IsZero() {
		shown["asked_at"] = nhi.FormatTime(p.askedAt)
	}
	if !p.request.ReusableUntil.IsZero() {
		shown["reusable_until"] = nhi.FormatTime(p.request.ReusableUntil)
	}
	return shown
}
