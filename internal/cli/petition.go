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

// petition is one request of an approval, and where that stands.
type petition struct {
	desk          *desk // where it was read
	approval      nhi.ApprovalID
	request       nhi.Request
	text          string
	justification string
	askedAt       time.Time
	takenBack     bool // nobody asks for it any more
	wanted        bool // a plan asks for it, and the record does not
	chain         ledger.Chain
	asked         []policy.Asked
	decisions     []nhi.SignedDecision // of the chain, then of files
	standing      lifecycle.Standing
	grant         lifecycle.Record
}

// errNothingAsked says that an approval has no request on record.
var errNothingAsked = errors.New("nothing was asked for under this name")

// petition reads what an approval asks for now, and evaluates it.
func (d *desk) petition(ctx context.Context, id nhi.ApprovalID) (petition, error) {
	return d.about(ctx, id, "")
}

// about reads the request of an approval that has this text, now or once, or
// the one that is asked for now where text is empty, and evaluates it.
func (d *desk) about(ctx context.Context, id nhi.ApprovalID, text string) (petition, error) {
	sitting, err := d.sit(ctx)
	if err != nil {
		return petition{}, err
	}
	p, err := d.recorded(ctx, id, text)
	if err != nil {
		return p, err
	}
	for _, file := range sitting.Files(id) {
		if !slices.Contains(p.decisions, file) {
			p.decisions = append(p.decisions, file)
		}
	}
	p.standing, err = sitting.Over(ctx, p.text, p.chain, p.grant)
	return p, err
}

// recorded reads what an approval asks for, without evaluating it: no policy
// and no pin is needed for that.
func (d *desk) recorded(ctx context.Context, id nhi.ApprovalID, text string) (petition, error) {
	book, err := d.engine.Book()
	if err != nil {
		return petition{}, err
	}
	chain, err := book.Read(ctx, ledger.ApprovalChain(id))
	if err != nil {
		return petition{}, err
	}
	p := petition{desk: d, approval: id, chain: chain}
	if text == "" {
		text = newest(chain)
		if wish, planned := d.wanted[id]; planned {
			text = wish.Text
		}
	}
	if !p.read(text) && !p.want(d.wanted[id]) {
		return p, usage("%s: %w (`nhi requests --all` lists what there is)", id, errNothingAsked)
	}
	if p.takenBack {
		p.want(d.wanted[id])
	}
	if p.request, err = nhi.ParseRequest(text); err != nil {
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
	return p, nil
}

// newest returns the text of the newest request that nobody took back, else of
// the newest one; empty where there is none.
func newest(chain ledger.Chain) string {
	gone := map[nhi.Digest]bool{}
	last := ""
	for _, entry := range slices.Backward(chain.Entries) {
		switch body := entry.Body.(type) {
		case ledger.WithdrawalBody:
			gone[body.Request] = true
		case ledger.RequestBody:
			if last == "" {
				last = body.Text
			}
			if !gone[nhi.DigestOf(body.Text)] {
				return body.Text
			}
		}
	}
	return last
}

// texts returns every text that was ever asked for in a chain, each once, the
// newest first.
func texts(chain ledger.Chain) []string {
	var all []string
	for _, entry := range slices.Backward(chain.Entries) {
		if body, ok := entry.Body.(ledger.RequestBody); ok && !slices.Contains(all, body.Text) {
			all = append(all, body.Text)
		}
	}
	return all
}

// read notes who asked for a text, why and since when, and every decision on
// record. It is false where the text was never asked for.
func (p *petition) read(text string) (known bool) {
	p.text = text
	for _, entry := range p.chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.RequestBody:
			if body.Text != text {
				continue
			}
			if !known || p.takenBack {
				p.askedAt = entry.Time
			}
			known, p.takenBack, p.justification = true, false, body.Justification
			p.asked = append(p.asked, lifecycle.AskedOf(entry.Time, body))
		case ledger.WithdrawalBody:
			if known && body.Request == nhi.DigestOf(text) {
				p.takenBack, p.asked, p.askedAt = true, nil, time.Time{}
			}
		case ledger.DecisionBody:
			p.decisions = append(p.decisions, body.SignedDecision)
		}
	}
	return known
}

// want takes over what a plan asks for, where that is this very text: nobody is
// proven to have asked for it yet.
func (p *petition) want(wish wanted) bool {
	if wish.Text == "" || wish.Text != p.text {
		return false
	}
	p.wanted, p.takenBack, p.asked, p.askedAt = true, false, nil, time.Time{}
	p.justification = wish.Justification
	return true
}

// with evaluates the petition as if these decisions were on record too.
func (p petition) with(signed ...nhi.SignedDecision) policy.Verdict {
	return p.standing.Policy.Evaluate(p.input(signed...))
}

// part is what a person has to do with the petition, as if these decisions
// were on record too.
func (p petition) part(person string, signed ...nhi.SignedDecision) policy.Part {
	return p.standing.Policy.Part(p.input(signed...), person)
}

func (p petition) input(signed ...nhi.SignedDecision) policy.Input {
	in := p.standing.Input(p.request, p.text)
	in.Asked, in.HashAt = p.asked, p.chain.HashAt
	in.Decisions = append(slices.Clone(p.decisions), signed...)
	return in
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
		return !p.standing.Verdict.HeldBack()
	default:
		return false
	}
}

// ended says in words why the identity may hold no access; empty where it may.
func (p petition) ended() string {
	identity := p.standing.Identity
	switch {
	case p.wanted && identity.Status == nhi.IdentityDeleted && p.standing.Blocked() == "":
		return "" // or not known yet: the plan makes it
	case identity.Status != nhi.IdentityActive:
		return "the identity is " + string(identity.Status)
	case !identity.ExpiresAt.IsZero() && !p.standing.Now.Before(identity.ExpiresAt):
		return "the identity ended " + nhi.FormatTime(identity.ExpiresAt)
	case p.standing.Blocked() != "":
		return "it was ended by " + p.standing.Blocked()
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
