package cli

import (
	"context"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// choice is what a command line says to decide: approvals of the ledger, those
// that a selector picks, or request files.
type choice struct {
	app      *app
	matters  []matter
	desks    []*desk
	selector selector // nil where each approval was named
}

// matter is one approval, and the desk at which it is read.
type matter struct {
	desk *desk
	id   nhi.ApprovalID
}

// choose reads the arguments, each once, in their order. Request files and
// approvals of the ledger are not mixed: one command, one place.
func (a *app) choose(ctx context.Context, args []string, selected string) (*choice, error) {
	c := &choice{app: a}
	files := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !isRequestFile(arg) })
	switch {
	case selected != "" && len(args) > 0:
		return nil, usage("say which by name, or by --select, and not both")
	case selected == "" && len(args) == 0:
		return nil, usage("say which: APPROVAL… (`nhi requests` lists what waits)")
	case len(args) > nhi.MaxList:
		return nil, usage("%d approvals, and one signature covers %d at most", len(args), nhi.MaxList)
	case len(files) == 0:
		if err := c.fromLedger(ctx, args, selected); err != nil {
			return nil, err
		}
		return c, nil
	case len(files) < len(args):
		return nil, usage("request files and approvals of the ledger cannot be decided in one command")
	}
	for _, path := range files {
		if err := c.add(ctx, path); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// fromLedger names approvals of the ledger, or all that a selector may pick.
func (c *choice) fromLedger(ctx context.Context, args []string, selected string) (err error) {
	ids := make([]nhi.ApprovalID, 0, len(args))
	for _, arg := range args {
		id, err := nhi.ParseApprovalID(arg)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	var picks selector
	if selected != "" {
		if picks, err = parseSelector(selected, slices.Concat(keysOfID, keysOfRequest, keysOfVerdict)...); err != nil {
			return err
		}
	}
	d, err := c.app.open()
	if err != nil {
		return err
	}
	c.desks = append(c.desks, d)
	if selected != "" {
		c.selector = picks
		if ids, err = d.approvals(ctx, picks); err != nil {
			c.close()
			return err
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(c.matters, func(m matter) bool { return m.id == id }) {
			c.matters = append(c.matters, matter{d, id})
		}
	}
	return nil
}

// chooseAgain opens what a prepared folder is finished at: request files, else
// the ledger.
func (a *app) chooseAgain(ctx context.Context, files []string) (*choice, error) {
	if len(files) > 0 {
		return a.choose(ctx, files, "")
	}
	d, err := a.open()
	if err != nil {
		return nil, err
	}
	return &choice{app: a, desks: []*desk{d}}, nil
}

// deskOf returns the desk at which an approval is read.
func (c *choice) deskOf(id nhi.ApprovalID) (*desk, bool) {
	for _, m := range c.matters {
		if m.id == id {
			return m.desk, true
		}
	}
	return c.desks[0], len(c.matters) == 0 // the ledger's has all
}

// add opens one request file.
func (c *choice) add(ctx context.Context, path string) error {
	d, id, err := c.app.openRequestFile(ctx, path)
	if err != nil {
		return err
	}
	c.desks = append(c.desks, d)
	if slices.ContainsFunc(c.matters, func(m matter) bool { return m.id == id }) {
		return usage("%s: another file is about %s too", path, id)
	}
	c.matters = append(c.matters, matter{d, id})
	return nil
}

func (c *choice) close() {
	for _, d := range c.desks {
		d.close()
	}
}

// requesterKey is the key that the configuration names, where there is one.
func (c *choice) requesterKey() string { return c.desks[0].requesterKey }

// petitions reads everything that is to be decided. With a selector these are
// the ones that a decision of the voter would move; without a voter, those
// that wait.
func (c *choice) petitions(ctx context.Context, verdict nhi.Verdict, voter *voter) ([]petition, error) {
	var all []petition
	unread := 0
	for _, m := range c.matters {
		found, err := m.read(ctx, verdict, voter)
		switch {
		case err == nil:
		case c.selector == nil || ctx.Err() != nil || m.desk.sitting == nil:
			return nil, err
		default:
			unread++ // `nhi requests` tells what is wrong with it
			continue
		}
		for _, p := range found {
			if c.selector == nil {
				all = append(all, p)
				continue
			}
			movable, err := p.movable(ctx, verdict, voter)
			if err != nil {
				return nil, err
			}
			if movable && c.selector.petition(p) {
				all = append(all, p)
			}
		}
	}
	if unread > 0 {
		c.app.note("%s cannot be read, and nothing is decided on it: see `nhi requests`.", count(unread, "record"))
	}
	if len(all) == 0 {
		return nil, wrong("nothing that %s matches --select %s", waitsFor(verdict), c.selector)
	}
	if len(all) > nhi.MaxList {
		return nil, usage("%d requests, and one signature covers %d at most", len(all), nhi.MaxList)
	}
	return all, nil
}

func waitsFor(verdict nhi.Verdict) string {
	if verdict == nhi.VerdictWithdraw {
		return "you decided"
	}
	return "waits for a decision of yours"
}

// read reads what is asked for; to withdraw, every request that the voter has
// decided on, whether or not another one is asked for since.
func (m matter) read(ctx context.Context, verdict nhi.Verdict, voter *voter) ([]petition, error) {
	p, err := m.desk.petition(ctx, m.id)
	if err != nil || verdict != nhi.VerdictWithdraw || voter == nil {
		return []petition{p}, err
	}
	person, err := voter.person(ctx, p)
	if err != nil {
		return nil, err
	}
	var decided []petition
	if p.wanted { // what was said of it is in files, and not all of them need be here
		decided = append(decided, p)
	}
	for _, text := range texts(p.chain) {
		older := p
		if text != p.text {
			if older, err = m.desk.about(ctx, m.id, text); err != nil {
				return nil, err
			}
		}
		if older.part(person.Name).Word != "" {
			decided = append(decided, older)
		}
	}
	if len(decided) == 0 {
		return []petition{p}, nil // and its check says that there is nothing to take back
	}
	return decided, nil
}

// movable says whether a decision of the voter would count now.
func (p petition) movable(ctx context.Context, verdict nhi.Verdict, voter *voter) (bool, error) {
	decidable := p.waits() && p.decidable(verdict) == nil
	if !decidable && verdict != nhi.VerdictWithdraw {
		return false, nil
	}
	if voter == nil {
		return true, nil
	}
	person, err := voter.person(ctx, p)
	if err != nil {
		return false, err
	}
	part := p.part(person.Name)
	switch verdict {
	case nhi.VerdictWithdraw:
		return part.Word != "", nil
	case nhi.VerdictDeny:
		return part.Heeded && part.Word != nhi.VerdictDeny, nil
	default:
		verdict := p.standing.Verdict
		// Enough have approved, and not all of them have seen what is taken over.
		again := missing(verdict.Needs) == "" && len(p.unseen(verdict.Seen)) > 0
		return part.Heeded && !part.Asked && (again || !slices.Contains(verdict.ApprovedBy, person.Name)), nil
	}
}

// person says who the voter is by the policy of a petition.
func (v *voter) person(ctx context.Context, p petition) (policy.Approver, error) {
	key, err := v.public(ctx)
	if err != nil {
		return policy.Approver{}, err
	}
	person, known := p.standing.Policy.Person(key)
	if !known {
		return policy.Approver{}, stranger(p.approval, key)
	}
	return person, nil
}

// approvals lists the approvals that have a record and that a selector may
// pick, sorted.
func (d *desk) approvals(ctx context.Context, picks selector) ([]nhi.ApprovalID, error) {
	book, err := d.engine.Book()
	if err != nil {
		return nil, err
	}
	chains, err := book.Chains(ctx, ledger.KindApproval+"/")
	if err != nil {
		return nil, err
	}
	var ids []nhi.ApprovalID
	for _, name := range chains {
		_, subject, err := ledger.Subject(name)
		if err != nil {
			return nil, err
		}
		if id := nhi.ApprovalID(subject); picks.id(id.Identity()) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
