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
	if asked.waits() {
		p.gap()
		p.line("To decide: nhi approve %s", asked.approval)
		p.line("       or: nhi deny %s", asked.approval)
	}
}

func (asked petition) describeAsker(p *page) {
	if person := asked.standing.Verdict.Requester; person != "" {
		p.field("asked by", "%s, proven by a signature over this request", person)
	} else {
		p.field("asked by", "unproven, so every quorum is one larger")
	}
	if !asked.askedAt.IsZero() {
		p.field("asked at", "%s (%s ago)", nhi.FormatTime(asked.askedAt), age(asked.standing.Now.Sub(asked.askedAt)))
	}
	reason := asked.justification
	if reason == "" {
		reason = "(no reason given)"
	}
	p.field("because", "%s", reason)
	p.field("identity", "%s", asked.request.Identity())
	p.field("kind", "%s", asked.request.Kind)
	p.field("owner", "%s", asked.request.Owner)
	p.field("purpose", "%s", asked.request.Purpose)
	if why := asked.ended(); why != "" {
		p.marked("!", red, "%s: this access cannot begin", why)
	}
}

// held is the request in force, where the grant is active.
func (asked petition) held() (nhi.Request, bool) {
	if asked.grant.Phase != lifecycle.PhaseActive {
		return nhi.Request{}, false
	}
	request, err := nhi.ParseRequest(asked.grant.Text)
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
		kept = kept && old.System == access.System && old.Endpoint == access.Endpoint && old.Kind == access.Kind
		before := []string{}
		if kept {
			before = a.privileges(old)
		}
		a.describePrivileges(p, access, before)
		for _, name := range access.Settings.Names() {
			value := setting(access.Settings[name])
			if kept && !old.Settings[name].Equal(access.Settings[name]) {
				value = setting(old.Settings[name]) + " -> " + value
			}
			p.line("      %s = %s", name, value)
		}
		a.describeKind(p, access)
	}
	for _, key := range held.Access.Keys() {
		if _, still := asked.request.Access[key]; active && !still {
			p.line("  # %s", key)
			for _, word := range a.privileges(held.Access[key]) {
				p.marked("-", red, "%s %s", word, place(held.Access[key]))
			}
		}
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
func (asked petition) deadline() time.Time {
	return asked.standing.Now.UTC().Truncate(time.Second).Add(asked.standing.Policy.ActivateWithin)
}

// latestEnd is when access ends at the latest, if it is approved now.
func (asked petition) latestEnd() time.Time {
	return nhi.Earliest(asked.deadline().Add(asked.request.TTL), asked.request.ReusableUntil, asked.standing.Identity.ExpiresAt)
}

func (asked petition) describeTerm(p *page) {
	p.line("  %s from its activation.", nhi.FormatTTL(asked.request.TTL))
	if until := asked.request.ReusableUntil; until.IsZero() {
		p.line("  It may be activated once.")
	} else {
		p.line("  It may be activated any number of times until %s.", nhi.FormatTime(until))
	}
	if end := asked.standing.Identity.ExpiresAt; !end.IsZero() {
		p.line("  The identity ends %s.", nhi.FormatTime(end))
	}
	verdict := asked.standing.Verdict
	if asked.standing.Status == policy.StatusApproved && !verdict.ActivateBefore.IsZero() {
		p.line("  Approved: to be activated before %s, and ended by %s at the latest.",
			nhi.FormatTime(verdict.ActivateBefore), nhi.FormatTime(nhi.Earliest(verdict.NotAfter, asked.request.ReusableUntil, asked.standing.Identity.ExpiresAt)))
		return
	}
	if !asked.waits() {
		return
	}
	p.line("  If you approve it now: to be activated before %s, and ended by %s at the latest.",
		nhi.FormatTime(asked.deadline()), nhi.FormatTime(asked.latestEnd()))
}

func (asked petition) describeDecision(p *page) {
	verdict := asked.standing.Verdict
	for _, denial := range verdict.Denials {
		target := ""
		if denial.Target != "" {
			target = denial.Target + ": "
		}
		p.marked("!", red, "policy denies this, whoever signs: %s%s", target, denial.Reason)
	}
	for _, need := range verdict.Needs {
		if need.NoApproval {
			p.line("  Rule %q decides %s: no approval is needed.", need.Rule, joined(need.Targets))
			continue
		}
		p.line("  Rule %q decides %s: it needs %d of group %s.", need.Rule, joined(need.Targets), need.Want, need.Group)
	}
	if len(verdict.ApprovedBy) > 0 {
		p.marked("✓", green, "approved by %s", joined(verdict.ApprovedBy))
	}
	if more := missing(verdict.Needs); more != "" && asked.waits() {
		p.marked("…", yellow, "%s must approve", more)
	}
	for _, reason := range asked.reasons() {
		p.marked("·", "", "%s", reason)
	}
}
