package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// reviewFlags are the flags of review.
type reviewFlags struct {
	reason, key string
	yes         bool
}

func (a *app) reviewCommand() *cobra.Command {
	flags := reviewFlags{}
	cmd := &cobra.Command{
		Use:   "review GRANT",
		Short: "Sign that access in an emergency was reviewed",
		Long: `Signs the review that a rule asks for after an activation. Who asked for the
access or approved it never reviews it. While a review is missing, every plan
warns; after its time, the access ends, and nothing more is activated under
that approval until it was reviewed.

A review says that somebody looked. It gives nothing and takes nothing away: to
end access, use nhi revoke.`,
		Example: "  nhi review production/payments/etl/orders-etl:emergency --reason \"INC-17, looked at the statements\"",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "what was found, for the record")
	cmd.Flags().StringVar(&flags.key, "key", "", keyFlagHelp)
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.signReview(ctx, args[0], flags) })
}

// reviewable reads the grant, and the request that was activated last.
func (d *desk) reviewable(ctx context.Context, id nhi.ApprovalID) (petition, error) {
	p, err := d.recorded(ctx, id, "")
	if err != nil {
		return p, err
	}
	if p.grant.Text == "" {
		return p, wrong("%s: nothing was ever activated, so there is nothing to review", id)
	}
	if p, err = d.about(ctx, id, p.grant.Text); err != nil {
		return p, err
	}
	if len(p.standing.Review.Needs) == 0 {
		return p, wrong("%s: no rule asks for a review of it", id)
	}
	return p, nil
}

func (a *app) signReview(ctx context.Context, name string, flags reviewFlags) error {
	id, err := nhi.ParseApprovalID(name)
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
	p, err := d.reviewable(ctx, id)
	if err != nil {
		return err
	}
	path, err := a.keyPath(flags.key, d.requesterKey)
	if err != nil {
		return err
	}
	a.showReview(p)
	if err := a.sure(ctx, "Sign that you have reviewed this?", flags.yes); err != nil {
		return err
	}
	signer, person, err := a.voter(ctx, d, path)
	if err != nil {
		return err
	}
	text, err := p.wording(nhi.VerdictReview, flags.reason, p.grant.Head)
	if err != nil {
		return err
	}
	signed, err := signAlone(signer, text)
	if err != nil {
		return err
	}
	return a.recordReview(ctx, p, person.Name, signed)
}

// signAlone signs a list of one decision text.
func signAlone(signer ssh.Signer, text string) (nhi.SignedDecision, error) {
	list, err := nhi.DecisionList([]string{text})
	if err != nil {
		return nhi.SignedDecision{}, err
	}
	made, err := signature.Sign(signer, signature.NamespaceDecision, list)
	if err != nil {
		return nhi.SignedDecision{}, fmt.Errorf("sign: %w", err)
	}
	return nhi.SignedDecision{Text: text, List: list, Signature: made}, nil
}

// showReview shows what is about to be reviewed.
func (a *app) showReview(p petition) {
	page := &page{color: a.Color && !a.json}
	page.line("%s", p.approval)
	page.field("access", "%s", a.summary(p.request))
	page.field("activated", "%s", nhi.FormatTime(p.grant.StartedAt))
	page.field("because", "%q", p.justification)
	page.field("reviewed by", "%s", orNobody(p.standing.Review.By))
	for _, need := range p.standing.Review.Missing() {
		page.field("takes", "%s", need)
	}
	a.aside(page)
}

func (a *app) recordReview(ctx context.Context, p petition, person string, signed nhi.SignedDecision) error {
	after := p.standing.ReviewWith(signed)
	if !slices.Contains(after.By, person) {
		return wrong("%s: this review by %s would not count: %s", p.approval, person,
			strings.Join(append(after.Reasons, "it takes "+after.ReviewsText()), "; "))
	}
	entry, err := p.desk.engine.RecordReview(ctx, p.approval, signed)
	if err != nil {
		return err
	}
	page, next := a.page(), "the review is complete"
	if len(after.Missing()) > 0 {
		next = "it still lacks " + after.ReviewsText()
	}
	page.marked("✓", green, "%s reviewed by %s: %s", p.approval, person, next)
	if err := a.show(page); err != nil {
		return err
	}
	return a.emit(map[string]any{"approval": p.approval, "person": person, "entry": entry, "by": after.By,
		"complete": len(after.Missing()) == 0})
}
