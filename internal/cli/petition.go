package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// petition is what one approval asks for now, and where that stands.
type petition struct {
	approval      nhi.ApprovalID
	request       nhi.Request
	text          string
	justification string
	askedAt       time.Time
	takenBack     bool // nobody asks for it any more
	chain         ledger.Chain
	asked         []policy.Asked
	decisions     []nhi.SignedDecision // of the chain, then of files
	standing      lifecycle.Standing
	grant         lifecycle.Record
}

// errNothingAsked says that an approval has no request on record.
var errNothingAsked = errors.New("nothing was asked for under this name")

// petition reads what an approval asks for and evaluates it.
func (d *desk) petition(ctx context.Context, id nhi.ApprovalID) (petition, error) {
	const tries = 5
	for range tries {
		p, err := d.recorded(ctx, id)
		if err != nil {
			return p, err
		}
		if p.standing, err = d.engine.Standing(ctx, p.text); err != nil {
			return p, err
		}
		// What is shown and what is evaluated must be one record.
		if p.standing.Heads[p.chain.Name] == p.chain.Head() {
			return p, nil
		}
	}
	return petition{}, wrong("%s: its record grows faster than it can be read", id)
}

// recorded reads what an approval asks for, without evaluating it.
func (d *desk) recorded(ctx context.Context, id nhi.ApprovalID) (petition, error) {
	book, err := d.engine.Book()
	if err != nil {
		return petition{}, err
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(id))
	if err != nil {
		return petition{}, err
	}
	p := petition{approval: id, chain: chain}
	newest, ok := p.newest()
	if !ok {
		return p, usage("%s: %w (`nhi requests --all` lists what there is)", id, errNothingAsked)
	}
	p.text, p.justification = newest.Text, newest.Justification
	if p.request, err = nhi.ParseRequest(newest.Text); err != nil {
		return p, err
	}
	if p.request.Approval != id {
		return p, unavailable("the record of %s holds a request for %s: %w", id, p.request.Approval, ledger.ErrBroken)
	}
	grant, err := book.Read(ctx, ledger.GrantChain(id))
	if err != nil {
		return p, err
	}
	p.grant = lifecycle.Fold(id, grant)
	files, err := d.filed(id)
	if err != nil {
		return p, err
	}
	for _, file := range files {
		if !slices.Contains(p.decisions, file) {
			p.decisions = append(p.decisions, file)
		}
	}
	return p, nil
}

// newest finds the newest request that nobody took back, else the newest one,
// and notes who asked for it, since when, and every decision on record.
func (p *petition) newest() (found ledger.RequestBody, ok bool) {
	since := map[nhi.Digest]time.Time{} // of the requests that stand
	var all, standing []ledger.RequestBody
	for _, entry := range p.chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.RequestBody:
			if _, known := since[nhi.DigestOf(body.Text)]; !known {
				since[nhi.DigestOf(body.Text)] = entry.Time
			}
			all = append(all, body)
		case ledger.WithdrawalBody:
			delete(since, body.Request)
		case ledger.DecisionBody:
			p.decisions = append(p.decisions, body.SignedDecision)
		}
	}
	for _, body := range all {
		if _, stands := since[nhi.DigestOf(body.Text)]; stands {
			standing = append(standing, body)
		}
	}
	if p.takenBack = len(standing) == 0; p.takenBack {
		standing = all
	}
	if len(standing) == 0 {
		return found, false
	}
	found = standing[len(standing)-1]
	for _, body := range all {
		if body.Text == found.Text {
			p.asked = append(p.asked, policy.Asked{Justification: body.Justification, Signature: body.Signature})
		}
	}
	p.askedAt = since[nhi.DigestOf(found.Text)]
	return found, true
}

// with evaluates the petition as if these decisions were on record too.
func (p petition) with(signed ...nhi.SignedDecision) policy.Verdict {
	return p.standing.Policy.Evaluate(policy.Input{
		Request: p.request, Text: p.text, Asked: p.asked,
		Decisions: append(slices.Clone(p.decisions), signed...),
		HashAt:    p.chain.HashAt, Now: p.standing.Now,
	})
}

// status is where the petition stands, in one word for people.
func (p petition) status() string {
	if p.takenBack {
		return "taken back"
	}
	return string(p.standing.Status)
}

// waits says whether a person's decision would move the petition.
func (p petition) waits() bool {
	if p.takenBack || p.ended() != "" || len(p.standing.Verdict.Denials) > 0 {
		return false
	}
	switch p.standing.Status {
	case policy.StatusPending, policy.StatusLapsed, policy.StatusWithdrawn:
		return true
	default:
		return false
	}
}

// ended says in words why the identity may hold no access; empty where it may.
func (p petition) ended() string {
	identity := p.standing.Identity
	switch {
	case identity.Status != nhi.IdentityActive:
		return "the identity is " + string(identity.Status)
	case !identity.ExpiresAt.IsZero() && !p.standing.Now.Before(identity.ExpiresAt):
		return "the identity ended " + nhi.FormatTime(identity.ExpiresAt)
	case p.grant.Blocked != "":
		return "the grant was ended by " + p.grant.Blocked
	default:
		return ""
	}
}

// reasons are the sentences about decisions, without those that only repeat
// what is needed.
func (p petition) reasons() []string {
	if p.standing.CoveredBy != "" || p.standing.Status == lifecycle.Spent {
		return p.standing.Why()
	}
	var told []string
	for _, reason := range p.standing.Verdict.Reasons {
		if !slices.ContainsFunc(p.standing.Verdict.Needs, func(n policy.Need) bool { return repeats(reason, n) }) {
			told = append(told, reason)
		}
	}
	return told
}
