package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// sighted is one request of a plan, and where it stands.
type sighted struct {
	planned
	petition petition
	file     string // the request file that was written for it
}

// errPending says that a plan asks for what is not approved.
var errPending = errors.New("not approved yet")

// showPlan shows every request of a plan. All that decides is the policy that
// the pinned root signed, and signatures: what the plan says of its own status
// is not looked at.
func (a *app) showPlan(ctx context.Context, flags showFlags) error {
	if a.json && flags.markdown {
		return usage("say --json or --markdown")
	}
	requests, err := a.readPlan(flags.plan)
	if err != nil {
		return err
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	d.wanted = map[nhi.ApprovalID]wanted{}
	for _, one := range requests {
		if one.problem == nil {
			d.wanted[one.id] = one.wish
		}
	}
	if _, err := d.sit(ctx); err != nil {
		return err
	}
	all := make([]sighted, 0, len(requests))
	for _, one := range requests {
		seen := sighted{planned: one}
		if one.problem == nil {
			if seen, err = a.sight(ctx, d, one, flags.export); err != nil {
				return err
			}
		}
		all = append(all, seen)
	}
	if err := a.reportPlan(d, all, flags); err != nil {
		return err
	}
	return verdictOf(all)
}

// sight evaluates one request of a plan, and writes its file where it waits.
func (a *app) sight(ctx context.Context, d *desk, one planned, export string) (sighted, error) {
	seen := sighted{planned: one}
	book, err := d.engine.Book()
	if err != nil {
		return seen, err
	}
	if seen.petition, err = d.petition(ctx, one.id); err != nil {
		return seen, err
	}
	if asked := seen.petition.request.Ledger; asked != book.ID() {
		seen.problem = fmt.Errorf("it is for ledger %s, and this is ledger %s: %w", asked, book.ID(), nhi.ErrInvalid)
		return seen, nil
	}
	if export == "" || !seen.petition.waits() {
		return seen, nil
	}
	file, err := d.requestFile(ctx, seen.petition)
	if err != nil {
		return seen, err
	}
	data, err := file.encode()
	if err != nil {
		return seen, err
	}
	if err := os.MkdirAll(export, folderMode); err != nil {
		return seen, err
	}
	seen.file = filepath.Join(export, fileName(one.id, nhi.DigestOf(one.wish.Text))+RequestSuffix)
	return seen, durable.WriteFile(seen.file, data, fileMode)
}

// refused says whether a request of a plan can come to nothing as it stands.
func (s sighted) refused() bool {
	return s.problem != nil || s.petition.standing.Status == policy.StatusDenied || s.petition.ended() != "" || s.spent()
}

// spent says whether the approval was used, and what it gave is over.
func (s sighted) spent() bool {
	_, active := s.petition.inForce()
	return s.petition.standing.Status == lifecycle.Spent && !active
}

// word is where a request of a plan stands.
func (s sighted) word() string {
	switch {
	case s.problem != nil:
		return "cannot be told"
	case s.petition.ended() != "":
		return s.petition.ended()
	default:
		return s.petition.status()
	}
}

// settled says whether nobody has to do anything.
func (s sighted) settled() bool {
	return !s.refused() && (s.petition.standing.Approved() || s.petition.standing.Status == lifecycle.Spent)
}

// verdictOf says with which exit code a plan is shown: what can come to nothing
// is worse than what waits.
func verdictOf(all []sighted) error {
	refused, open := 0, 0
	for _, one := range all {
		switch {
		case one.refused():
			refused++
		case !one.settled():
			open++
		}
	}
	switch {
	case refused > 0:
		return wrong("%s of the plan will not be granted as it stands", count(refused, "request"))
	case open > 0:
		return &failure{ExitPending, fmt.Errorf("%s of the plan: %w", count(open, "request"), errPending)}
	default:
		return nil
	}
}

// mayApprove names everybody whose yes a need still lacks.
func (p petition) mayApprove(need policy.Need) []string {
	var names []string
	for _, person := range p.standing.Policy.Approvers {
		if slices.Contains(person.Groups, need.Group) && !slices.Contains(need.Have, person.Name) && person.Name != p.standing.Verdict.Requester {
			names = append(names, person.Name)
		}
	}
	return names
}

// command is how to decide on a request of a plan.
func (s sighted) command(d *desk) string {
	folder := "approvals"
	if d.decisionsDir != "" {
		folder = filepath.Base(d.decisionsDir)
	}
	switch {
	case s.file != "":
		return fmt.Sprintf("nhi approve %s --out %s", shellWord(s.file), folder)
	case s.petition.wanted:
		return "" // it is nowhere yet but in the plan
	default:
		return fmt.Sprintf("nhi approve %s --out %s", s.petition.approval, folder)
	}
}

// shellWord writes a path as one word for a shell.
func shellWord(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./%+,:@", r)
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
