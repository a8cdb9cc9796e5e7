package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// adoption says which account an access takes over; none of a kind that is not
// built in.
func (a *app) adoption(access nhi.Access) connector.Adoption {
	kind, _ := a.kind(access.Kind)
	return kind.Adoption(access.Settings)
}

// observed returns what was found last under the name of an account that this
// very request takes over.
func (p petition) observed(key string) (ledger.Observed, time.Time, bool) {
	for _, entry := range slices.Backward(p.chain.Entries) {
		body, ok := entry.Body.(ledger.ObservationBody)
		if !ok || body.Request != nhi.DigestOf(p.text) {
			continue
		}
		seen, there := body.Targets[key]
		return seen, entry.Time, there
	}
	return ledger.Observed{}, time.Time{}, false
}

// describeTakeover says that an account which is there already is taken over,
// and returns what it holds now, as far as somebody has looked.
func (a *app) describeTakeover(p *page, asked petition, key string, adoption connector.Adoption) []string {
	access := asked.request.Access[key]
	end := "it is removed"
	if adoption.Disable {
		end = "it is shut and kept"
	}
	p.marked("!", red, "take over the account %q %s: it keeps its name and its password; at the end %s", adoption.Name, place(access), end)
	seen, at, ok := asked.observed(key)
	switch {
	case !ok:
		p.marked("!", red, "nobody has observed this account yet: what it holds, nobody can say")
		return nil
	case seen.Principal != adoption.Name:
		p.marked("!", red, "what was observed is another account, %q", seen.Principal)
		return nil
	}
	p.line("      observed %s: id %s, owner %s, %s", nhi.FormatTime(at), seen.ID, quotedOr(seen.Owner, "not known"), lastUsed(seen, asked.standing.Now))
	p.line("      (+ is given, - is taken away at activation; without a mark it is held now and stays)")
	return seen.Privileges
}

// unseen returns the accounts that a request takes over and that were not
// observed when the first seen entries of its record were all there was: who
// approved then has approved something else.
func (p petition) unseen(seen uint64) []string {
	var names []string
	for _, key := range p.request.Access.Keys() {
		access := p.request.Access[key]
		kind, _ := p.desk.engine.Systems.Kind(access.Kind)
		name := kind.Adoption(access.Settings).Name
		if name == "" {
			continue
		}
		early := petition{text: p.text, chain: ledger.Chain{Entries: p.chain.Entries[:min(seen, uint64(len(p.chain.Entries)))]}}
		if found, _, ok := early.observed(key); !ok || found.Principal != name {
			names = append(names, name)
		}
	}
	return names
}

func quotedOr(text, instead string) string {
	if text == "" {
		return instead
	}
	return fmt.Sprintf("%q", text)
}

func lastUsed(seen ledger.Observed, now time.Time) string {
	if seen.LastUsed.IsZero() {
		return "its last use is not known"
	}
	return fmt.Sprintf("last used %s (%s ago)", nhi.FormatTime(seen.LastUsed), age(now.Sub(seen.LastUsed)))
}

// shownTakeover is a takeover in JSON.
type shownTakeover struct {
	Account  string           `json:"account"`
	AtEnd    string           `json:"at_end"`             // disabled or removed
	Observed *ledger.Observed `json:"observed,omitempty"` // none where nobody has looked
	Stripped []string         `json:"stripped"`           // what is held and not asked for
}

// takeoverJSON returns nil where nothing is taken over.
func (a *app) takeoverJSON(p petition, key string) *shownTakeover {
	adoption := a.adoption(p.request.Access[key])
	if adoption.Name == "" {
		return nil
	}
	shown := &shownTakeover{Account: adoption.Name, AtEnd: "removed", Stripped: []string{}}
	if adoption.Disable {
		shown.AtEnd = "disabled"
	}
	if seen, _, ok := p.observed(key); ok {
		shown.Observed = &seen
		approved := a.privileges(p.request.Access[key])
		for _, word := range seen.Privileges {
			if !slices.Contains(approved, word) {
				shown.Stripped = append(shown.Stripped, word)
			}
		}
	}
	return shown
}

// renewal says whether a request asks for another term of what is in force, and
// when the term in force ends.
func (p petition) renewal() (ends time.Time, same bool) {
	held, active := p.held()
	if !active || p.request.Term <= held.Term {
		return time.Time{}, false
	}
	held.Term = p.request.Term
	text, err := held.Text()
	return p.grant.ExpiresAt, err == nil && text == p.text
}

// describeRenewal says which term is asked for, where it is not the first.
func (p petition) describeRenewal(out *page) {
	if p.request.Term < 2 {
		return
	}
	held, active := p.held()
	ends, same := p.renewal()
	switch {
	case same:
		out.line("  Another term of the same (term %d); the term in force ends %s.", p.request.Term, nhi.FormatTime(ends))
	case active && held.Term == p.request.Term:
		out.line("  A change within term %d, which ends %s.", held.Term, nhi.FormatTime(p.grant.ExpiresAt))
	case active:
		out.line("  Another term (term %d), and not of the same: see above. The term in force ends %s.", p.request.Term, nhi.FormatTime(p.grant.ExpiresAt))
	default:
		out.line("  Another term (term %d); nothing is in force.", p.request.Term)
	}
}
