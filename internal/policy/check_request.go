package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// offboarding finds owners whom the policy does not know: nobody would hear
// that they left. A person who leaves the policy leaves identities behind.
func (i *inspection) offboarding() {
	if i.document.Digest == "" {
		return // no policy, so nobody is known
	}
	owner := i.request.Owner
	_, known := i.document.named(owner)
	if !known && !slices.ContainsFunc(i.Owners, func(pattern string) bool { return glob(pattern, owner) }) {
		i.find("", FieldOwner, "the owner %s is no person of the policy, so nobody answers for %s", owner, i.request.Identity())
	}
}

// leakage finds secrets in what everybody reads and the ledger keeps for ever.
func (i *inspection) leakage() {
	texts := map[string]string{FieldOwner: i.request.Owner, FieldPurpose: i.request.Purpose}
	for _, field := range []string{FieldOwner, FieldPurpose} {
		if what, leaked := nhi.Leak(texts[field]); leaked {
			i.find("", field, "%s", leakReason(what))
		}
	}
	for _, key := range i.request.Access.Keys() {
		settings := i.request.Access[key].Settings
		for _, name := range settings.Names() {
			if what, leaked := nhi.Leak(strings.Join(itemsOf(settings[name]), "\n")); leaked {
				i.find(key, name, "%s", leakReason(what))
			}
		}
	}
}

// LeakFinding looks for a secret in a text that is no part of a request; nil
// where there is none.
func LeakFinding(field, text string) []Finding {
	what, leaked := nhi.Leak(text)
	if !leaked {
		return nil
	}
	return []Finding{{Risk: nhi.RiskLeakage, Field: field, Reason: leakReason(what)}}
}

func leakReason(what string) string {
	return fmt.Sprintf("this looks like %s, and the text is shown to approvers and kept for ever. "+
		"Write where the secret is kept instead; whoever saw this one must change it", what)
}

// thirdParty finds access of third parties that nobody approves, or that is
// wider than the policy wants it for them.
func (i *inspection) thirdParty() {
	if i.request.Kind != nhi.KindThirdParty {
		return
	}
	if i.MaxTTL > 0 && i.request.TTL > i.MaxTTL {
		i.find("", FieldTTL, "%s is longer than %s, the longest for a third party", nhi.FormatTTL(i.request.TTL), nhi.FormatTTL(i.MaxTTL))
	}
	for _, one := range i.decided {
		persons := 0
		for _, quorum := range one.rule.Quorums {
			persons += quorum.Count
		}
		switch {
		case one.rule.NoApproval:
			i.find(one.target, "", "rule %q gives it to a third party and asks nobody", one.rule.Name)
		case persons < i.Persons:
			i.find(one.target, "", "rule %q asks for %d approvals, and a third party needs %d", one.rule.Name, persons, i.Persons)
		}
	}
}

// deployment finds requests that may be activated from anywhere, and runners of
// which too little is pinned.
func (i *inspection) deployment() {
	environment := i.request.Environment()
	if !named(i.Environments, environment) {
		return
	}
	bound := false
	for _, runner := range i.document.Runners {
		if !runner.speaksFor(i.request) {
			continue
		}
		bound = true
		var pinned []string
		for _, claim := range runner.Claims {
			pinned = append(pinned, claim.Name)
		}
		if missing := without(i.Claims, pinned); len(missing) > 0 {
			i.find("", FieldRunner, "the runner %q does not pin the claim %s of its token", runner.Name, strings.Join(missing, ", "))
		}
	}
	if !bound {
		i.find("", FieldRunner, "no runner of the policy is for %s/%s, so whoever holds the credentials of its systems can apply it from anywhere",
			environment, i.request.Scope())
	}
}

// longLived finds access, and what is issued for it, that lasts too long.
func (i *inspection) longLived() {
	if i.MaxTTL > 0 && i.request.TTL > i.MaxTTL {
		i.find("", FieldTTL, "%s is longer than %s, the longest that a credential may work", nhi.FormatTTL(i.request.TTL), nhi.FormatTTL(i.MaxTTL))
	}
	for _, key := range i.request.Access.Keys() {
		text := i.request.Access[key].Settings.Text(settingTokenTTL)
		ttl, err := nhi.ParseTTL(text)
		if i.MaxTokenTTL > 0 && err == nil && ttl > i.MaxTokenTTL {
			i.find(key, settingTokenTTL, "%s is longer than %s, the longest that a token may live", text, nhi.FormatTTL(i.MaxTokenTTL))
		}
	}
}

// Unrotated finds public keys that a renewal keeps, where the policy wants them
// changed: before is the request of the term before. That is no part of the
// request, so plans alone look at it, and nothing is denied for it.
func (d *Document) Unrotated(before, request nhi.Request) []Finding {
	i := &inspection{RiskCheck: d.Check(nhi.RiskLongLived)}
	if i.Level == LevelOff || !i.Rotate || before.Approval != request.Approval || request.Term <= before.Term {
		return nil
	}
	for _, key := range request.Access.Keys() {
		public := request.Access[key].Settings.Text(settingPublicKey)
		if public != "" && public == before.Access[key].Settings.Text(settingPublicKey) {
			i.find(key, settingPublicKey, "term %d keeps the key of term %d: renewing the access does not renew the secret", request.Term, before.Term)
		}
	}
	return i.found
}

// isolation finds systems that two environments of the policy share.
func (i *inspection) isolation() {
	for _, key := range i.request.Access.Keys() {
		access := i.request.Access[key]
		for _, place := range i.document.places(access.Kind, access.Endpoint) {
			if place.environment != i.request.Environment() {
				i.find(key, FieldSystem, "%s is also system %q of environment %q", access.Endpoint, place.system, place.environment)
			}
		}
	}
}

// place is where a document names an endpoint.
type place struct{ environment, system string }

// places are all places where the document names an endpoint.
func (d *Document) places(kind, endpoint string) (places []place) {
	for _, environment := range d.Environments {
		for _, system := range environment.Systems {
			if system.Kind == kind && system.Endpoint == endpoint && endpoint != "" {
				places = append(places, place{environment.Name, system.Name})
			}
		}
	}
	return places
}

// keptOut says which risk a denial keeps out; zero where it is none of them.
func (d *Document) keptOut(denial Denial, request nhi.Request) nhi.Risk {
	switch denial.Field {
	case FieldTTL, FieldTerm:
		return nhi.RiskLongLived
	case FieldProtected:
		return nhi.RiskOverprivileged
	case FieldSystem, FieldEndpoint:
		access := request.Access[denial.Target]
		if slices.ContainsFunc(d.places(access.Kind, access.Endpoint), func(p place) bool { return p.environment != request.Environment() }) {
			return nhi.RiskIsolation
		}
	}
	return 0
}
