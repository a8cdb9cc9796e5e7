package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func (a *app) policyExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain APPROVAL | FILE",
		Short: "Say which rule decides a request, and what is missing",
		Long: `Says of each access which rule decides it and why no earlier one does, what
that rule checked, and what is still needed: by the policy in force and every
decision on record. It changes nothing, and exits with 0 whatever the verdict.`,
		Example: `  nhi policy explain production/payments/etl/orders-etl:default
  nhi policy explain orders-etl.request --json`,
		Args: cobra.ExactArgs(1),
	}
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		p, err := a.petitionAt(ctx, args[0])
		if err != nil {
			return err
		}
		defer p.desk.close()
		explained := p.standing.Policy.Explain(p.input())
		page := a.page()
		page.line("%s is %s.", p.approval, p.status())
		a.explain(page, explained)
		for _, text := range p.reasonsBeside() {
			page.marked("-", "", "%s", text)
		}
		if err := a.show(page); err != nil {
			return err
		}
		return a.emit(struct {
			Approval string `json:"approval"`
			Standing string `json:"standing"`
			policy.Explanation
		}{string(p.approval), p.status(), explained})
	})
}

func (a *app) policyInputCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "input APPROVAL | FILE",
		Short: "Print what the policy decides on as JSON, for OPA, Sentinel and conftest",
		Long: `Prints what conditions see of a request: the request with every access and
setting, the identity, the requester as far as proven, the runner and the time.
It is JSON with or without --json, and holds no secret.`,
		Example: "  nhi policy input production/payments/etl/orders-etl:default | conftest test -",
		Args:    cobra.ExactArgs(1),
	}
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		p, err := a.petitionAt(ctx, args[0])
		if err != nil {
			return err
		}
		defer p.desk.close()
		data, err := json.MarshalIndent(p.standing.Policy.Facts(p.input()), "", "  ")
		if err != nil {
			return fmt.Errorf("json: %w", err)
		}
		_, err = io.WriteString(a.Out, visibleJSON(string(data)+"\n"))
		return err
	})
}

// petitionAt reads the petition of an approval, or of a request file. Its desk
// is to be closed.
func (a *app) petitionAt(ctx context.Context, name string) (petition, error) {
	d, id, err := a.openAt(ctx, name)
	if err != nil {
		return petition{}, err
	}
	p, err := d.petition(ctx, id)
	if err != nil {
		d.close()
	}
	return p, err
}

// reasonsBeside says what stands in the way although the policy is content.
func (p petition) reasonsBeside() []string {
	var told []string
	if ended := p.ended(); ended != "" {
		told = append(told, ended)
	}
	if p.standing.Verdict.Status == policy.StatusApproved && !p.standing.Approved() || p.standing.CoveredBy != "" {
		told = append(told, p.standing.Why()...)
	}
	return told
}

// explain writes an explanation for people.
func (a *app) explain(page *page, explained policy.Explanation) {
	page.line("By policy version %d (%s):", explained.PolicyVersion, explained.PolicyDigest.Short())
	for _, target := range explained.Targets {
		by := "no rule decides"
		if target.Rule != "" {
			by = fmt.Sprintf("rule %q decides", target.Rule)
		}
		page.styled(bold, "  ", "%s: %s", target.Target, by)
		for _, skipped := range target.Skipped {
			page.line("      not %q: %s", skipped.Rule, skipped.Why)
		}
		for _, check := range target.Checks {
			mark, style := "✗", red
			if check.OK {
				mark, style = "✓", green
			}
			page.marked("  "+mark, style, "%s", check.Text)
		}
	}
	for _, list := range []struct {
		name  string
		texts []string
	}{{"denied", explained.Denied}, {"found", explained.Found}, {"held back", explained.Held}, {"needs", explained.Needs}, {"afterwards", explained.Reviews}, {"note", explained.Notes}} {
		for _, text := range list.texts {
			page.field(list.name, "%s", text)
		}
	}
}
