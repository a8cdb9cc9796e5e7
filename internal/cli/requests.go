package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func (a *app) requestsCommand() *cobra.Command {
	all, selected := false, ""
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "List what waits for a decision",
		Long: "Lists what waits for a decision, the oldest first. `nhi show APPROVAL` tells the whole of one.\n\n" +
			selectHelp + selectVerdictHelp,
		Example: "  nhi requests --select 'scope=payments/**,system=orders'\n  nhi requests --all --select status=lapsed",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what is decided, used, taken back or denied by policy")
	cmd.Flags().StringVar(&selected, "select", "", "those that match")
	return a.runs(cmd, func(ctx context.Context, _ []string) error { return a.requests(ctx, all, selected) })
}

// requestRow is one line of the list.
type requestRow struct {
	Approval  string     `json:"approval"`
	Status    string     `json:"status"`
	Waits     bool       `json:"waits"` // for a decision
	Request   nhi.Digest `json:"request,omitempty"`
	AsksFor   string     `json:"asks_for,omitempty"`
	Term      int        `json:"term,omitempty"`
	Renews    *time.Time `json:"renews,omitempty"` // the end of the term in force, where it asks for another one of the same
	TTL       string     `json:"ttl,omitempty"`
	Requester string     `json:"requester"` // "" where nobody is proven
	Needs     []needRow  `json:"needs"`
	AskedAt   *time.Time `json:"asked_at,omitempty"`
	Ended     string     `json:"ended,omitempty"`
	Error     string     `json:"error,omitempty"` // why the record cannot be read

	shown []string
}

// needRow is what one rule asks of one group, and who has met it.
type needRow struct {
	Rule       string   `json:"rule"`
	Group      string   `json:"group,omitempty"`
	Want       int      `json:"want"`
	Have       []string `json:"have"`
	Targets    []string `json:"targets"`
	NoApproval bool     `json:"no_approval"`
	// RunConfirmation says that confirming the run that applies counts as one.
	RunConfirmation bool `json:"run_confirmation,omitempty"`
}

func needRows(needs []policy.Need) []needRow {
	rows := make([]needRow, 0, len(needs))
	for _, need := range needs {
		have := append([]string{}, need.Have...)
		rows = append(rows, needRow{need.Rule, need.Group, need.Want, have, need.Targets, need.NoApproval, need.RunConfirmation})
	}
	return rows
}

func (a *app) requests(ctx context.Context, all bool, selected string) error {
	picks, err := parseSelector(selected, slices.Concat(keysOfID, keysOfRequest, keysOfVerdict)...)
	if err != nil {
		return err
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	ids, err := d.approvals(ctx, picks)
	if err != nil {
		return err
	}
	// Without a policy nothing can be said of any request: one error, not many.
	if _, err := d.sit(ctx); err != nil {
		return err
	}
	rows, broken, moot := []requestRow{}, 0, 0
	for _, id := range ids {
		p, err := d.petition(ctx, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			broken++
			rows = append(rows, brokenRow(id, err))
		case !picks.petition(p):
		case all || p.waits():
			rows = append(rows, a.requestRow(p))
		case p.ended() != "" && p.standing.Status == policy.StatusPending && !p.takenBack:
			moot++
		}
	}
	slices.SortStableFunc(rows, func(x, y requestRow) int {
		return asked(x).Compare(asked(y))
	})
	if err := a.listRequests(rows, all, moot); err != nil {
		return err
	}
	if broken > 0 {
		return unavailable("%s cannot be read", count(broken, "record"))
	}
	return nil
}

func asked(row requestRow) time.Time {
	if row.AskedAt == nil {
		return time.Time{}
	}
	return *row.AskedAt
}

func brokenRow(id nhi.ApprovalID, err error) requestRow {
	shown := []string{string(id), "cannot be read: " + err.Error(), "", "", "", ""}
	return requestRow{Approval: string(id), Status: "unknown", Needs: []needRow{}, Error: err.Error(), shown: shown}
}

func (a *app) requestRow(p petition) requestRow {
	const longest = 60
	verdict := p.standing.Verdict
	row := requestRow{
		Approval: string(p.approval), Status: p.status(), Waits: p.waits(), Request: nhi.DigestOf(p.text), AsksFor: a.summary(p.request), Term: p.request.Term,
		TTL: nhi.FormatTTL(p.request.TTL), Requester: verdict.Requester, Needs: needRows(verdict.Needs), Ended: p.ended(),
	}
	if ends, same := p.renewal(); same {
		row.Renews = &ends
		row.AsksFor = "another term: " + row.AsksFor
	}
	waited := "-"
	if !p.askedAt.IsZero() {
		row.AskedAt, waited = &p.askedAt, age(p.standing.Now.Sub(p.askedAt))
	}
	row.shown = []string{row.Approval, cut(row.AsksFor, longest), row.TTL, requester(verdict), progress(verdict.Needs), waited, row.Status}
	return row
}

func (a *app) listRequests(rows []requestRow, all bool, moot int) error {
	p := a.page()
	heading := []string{"APPROVAL", "ASKS FOR", "TTL", "ASKED BY", "HAVE/NEED", "AGE", "STATUS"}
	table := [][]string{heading}
	for _, row := range rows {
		table = append(table, row.shown)
	}
	switch {
	case len(rows) == 0 && all:
		p.line("Nothing was asked for.")
	case len(rows) == 0:
		p.line("Nothing waits for a decision.")
	default:
		p.table(table)
	}
	if moot > 0 {
		p.line("%s of identities that have ended: see --all.", count(moot, "more request"))
	}
	if len(rows) > 0 && !all {
		p.line("")
		p.line("Read one:   nhi show %s", rows[0].Approval)
		p.line("Decide:     nhi approve APPROVAL…   or   nhi deny APPROVAL…")
	}
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"requests": rows})
}
