package cli

import (
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// describe writes a petition as an approver reads it.
func (a *app) describe(p *page, asked petition) {
	p.styled(bold, "", "%s (%s)", asked.approval, asked.status())
	p.gap()
	asked.describeAsker(p)
	p.gap()
	p.styled(bold, "", "Access")
	a.describeAccess(p, asked)
	p.gap()
	p.styled(bold, "", "For how long")
	asked.describeTerm(p)
	p.gap()
	p.styled(bold, "", "Decision")
	asked.describeDecision(p)
	p.gap()
	p.field("request", "%s", nhi.DigestOf(asked.text))
	document := asked.standing.Policy
	p.field("policy", "version %d, %s, expires %s", document.Version, document.Digest.Short(), nhi.FormatTime(document.Expires))
	if asked.desk.apart != nil {
		asked.describeFile(p)
	}
}

// describeFile says what nobody can tell from a request file.
func (p petition) describeFile(out *page) {
	file := p.desk.apart
	out.field("from a file", "made %s (%s ago), at entry %d of the record", nhi.FormatTime(file.Exported),
		age(p.standing.Now.Sub(file.Exported)), p.chain.Head().Seq)
	if !file.whole() {
		out.line("  The record of the grant is too long for a file: what is in force is not compared.")
	}
	out.line("  The ledger was not asked. Whether anything was decided or the policy was renewed since,")
	out.line("  nobody can tell here: what no longer fits will not count there.")
}

// invite says how to decide on what waits.
func (p petition) invite(out *page) {
	if p.waits() {
		out.gap()
		where := string(p.approval)
		if p.desk.apart != nil {
			where = p.desk.apart.path
		}
		out.line("To decide: nhi approve %s", where)
		out.line("       or: nhi deny %s", where)
	}
}

func (p petition) describeAsker(out *page) {
	if person := p.standing.Verdict.Requester; person != "" {
		out.field("asked by", "%s, proven by %s", person, provenBy(p.standing.Verdict.ProvenBy))
	} else {
		out.field("asked by", "unproven, so every quorum is one larger")
	}
	if p.wanted {
		out.field("asked at", "a plan that was not applied: nothing is on record")
	}
	if !p.askedAt.IsZero() {
		out.field("asked at", "%s (%s ago)", nhi.FormatTime(p.askedAt), age(p.standing.Now.Sub(p.askedAt)))
	}
	// Free text stands in quotes, so that it ends where it seems to end.
	if p.justification == "" {
		out.field("because", "(no reason given)")
	} else {
		out.field("because", "%q", p.justification)
	}
	out.field("identity", "%s", p.request.Identity())
	out.field("kind", "%s", p.request.Kind)
	out.field("owner", "%q", p.request.Owner)
	out.field("purpose", "%q", p.request.Purpose)
	if why := p.ended(); why != "" {
		out.marked("!", red, "%s: this access cannot begin", why)
	}
}

// held is the request in force, where the grant is active.
func (p petition) held() (nhi.Request, bool) {
	if p.grant.Phase != lifecycle.PhaseActive {
		return nhi.Request{}, false
	}
	request, err := nhi.ParseRequest(p.grant.Text)
	return request, err == nil
}

// describeAccess writes every access with what is new, kept and dropped.
func (a *app) describeAccess(p *page, asked petition) {
	held, active := asked.held()
	if active {
		p.line("  In force until %s: %s. Compared with that:", nhi.FormatTime(asked.grant.ExpiresAt), asked.grant.Held.Short())
	}
	for _, key := range asked.request.Access.Keys() {
		access := asked.request.Access[key]
		old, kept := held.Access[key]
		p.line("  # %s", key)
		if kept && (old.System != access.System || old.Endpoint != access.Endpoint || old.Kind != access.Kind) {
			a.describeDropped(p, old)
			old, kept = nhi.Access{}, false
		}
		before := []string{}
		if adoption := a.adoption(access); kept {
			before = a.privileges(old)
		} else if adoption.Name != "" {
			before = a.describeTakeover(p, asked, key, adoption)
		}
		a.describePrivileges(p, access, before)
		for _, name := range access.Settings.Names() {
			value := inHCL(access.Settings[name])
			if kept && !old.Settings[name].Equal(access.Settings[name]) {
				value = inHCL(old.Settings[name]) + " -> " + value
			}
			p.line("      %s = %s", name, value)
		}
		a.describeKind(p, access)
	}
	for _, key := range held.Access.Keys() {
		if _, still := asked.request.Access[key]; !still {
			p.line("  # %s", key)
			a.describeDropped(p, held.Access[key])
		}
	}
}

func (a *app) describeDropped(p *page, access nhi.Access) {
	for _, word := range a.privileges(access) {
		p.marked("-", red, "%s %s", word, place(access))
	}
}

func (a *app) describePrivileges(p *page, access nhi.Access, before []string) {
	now := a.privileges(access)
	for _, word := range now {
		if slices.Contains(before, word) {
			p.marked(" ", "", "%s %s", word, place(access))
		} else {
			p.marked("+", green, "%s %s", word, place(access))
		}
	}
	for _, word := range before {
		if !slices.Contains(now, word) {
			p.marked("-", red, "%s %s", word, place(access))
		}
	}
}

// describeKind says what an approver should know of a kind of system.
func (a *app) describeKind(p *page, access nhi.Access) {
	kind, known := a.kind(access.Kind)
	switch {
	case !known:
		p.line("      (kind %s is not built in: its settings are all that can be said)", access.Kind)
	case kind.Unobservable:
		p.line("      (nothing is done or seen on any system: somebody else gives and takes this)")
	case kind.EnforcedBy == connector.EnforcedByTarget:
		p.line("      (kind %s: the system itself ends it)", access.Kind)
	default:
		p.line("      (kind %s: the next apply after its end takes it away)", access.Kind)
	}
	if known && kind.Unfenced {
		p.line("      (the system cannot check whose object it changes in the same step)")
	}
}

// deadline is until when an approval signed now may be used.
func (p petition) deadline() time.Time {
	return p.standing.Now.UTC().Truncate(time.Second).Add(p.standing.Policy.ActivateWithin)
}

// latestEnd is when access ends at the latest, if it is approved now.
func (p petition) latestEnd() time.Time {
	return nhi.Earliest(p.deadline().Add(p.request.TTL), p.request.ReusableUntil, p.standing.Identity.ExpiresAt)
}

func (p petition) describeTerm(out *page) {
	p.describeRenewal(out)
	out.line("  %s from its activation.", nhi.FormatTTL(p.request.TTL))
	if until := p.request.ReusableUntil; until.IsZero() {
		out.line("  It may be activated once.")
	} else {
		out.line("  It may be activated any number of times until %s.", nhi.FormatTime(until))
	}
	if end := p.standing.Identity.ExpiresAt; !end.IsZero() {
		out.line("  The identity ends %s.", nhi.FormatTime(end))
	}
	verdict := p.standing.Verdict
	if p.standing.Status == policy.StatusApproved && !verdict.ActivateBefore.IsZero() {
		out.line("  Approved: to be activated before %s, and ended by %s at the latest.",
			nhi.FormatTime(verdict.ActivateBefore), nhi.FormatTime(nhi.Earliest(verdict.NotAfter, p.request.ReusableUntil, p.standing.Identity.ExpiresAt)))
		return
	}
	if !p.waits() {
		return
	}
	out.line("  If you approve it now: to be activated before %s, and ended by %s at the latest.",
		nhi.FormatTime(p.deadline()), nhi.FormatTime(p.latestEnd()))
}

func (p petition) describeDecision(out *page) {
	verdict := p.standing.Verdict
	for _, denial := range verdict.Denials {
		target := ""
		if denial.Target != "" {
			target = denial.Target + ": "
		}
		out.marked("!", red, "policy denies this, whoever signs: %s%s", target, denial.Reason)
	}
	for _, finding := range verdict.Findings {
		out.marked("!", yellow, "%s", finding)
	}
	for _, need := range verdict.Needs {
		if need.NoApproval {
			out.line("  Rule %q decides %s: no approval is needed.", need.Rule, joined(need.Targets))
			continue
		}
		or := ""
		if need.RunConfirmation {
			or = " Confirming the run that applies counts as one."
		}
		out.line("  Rule %q decides %s: it needs %d of group %s.%s", need.Rule, joined(need.Targets), need.Want, need.Group, or)
	}
	if len(verdict.ApprovedBy) > 0 {
		out.marked("✓", green, "approved by %s", joined(verdict.ApprovedBy))
	}
	if more := missing(verdict.Needs); more != "" && p.waits() {
		out.marked("…", yellow, "%s must approve", more)
	}
	for _, reason := range p.reasons() {
		out.marked("·", "", "%s", reason)
	}
}
