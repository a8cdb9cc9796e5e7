package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Rule says what this document asks for a request: why it is denied whoever
// signs, and which rules decide. For each access the first rule that matches
// decides; an access without one is denied. It looks at no clock, so that a
// plan may show it: Evaluate adds the document's expiry.
func (d *Document) Rule(request nhi.Request) Ruling {
	ruling := &Ruling{}
	if request.Ledger != d.Ledger {
		ruling.deny("", FieldLedger, "the policy is for ledger %s, and the request for %.80q", d.Ledger, request.Ledger)
	}
	environment, known := d.environment(request.Environment())
	if !known {
		ruling.deny("", FieldEnvironment, "the policy has no environment %q", request.Environment())
		return *ruling
	}
	if len(request.Access) == 0 {
		ruling.deny("", FieldRequest, "the request asks for no access")
	}
	q := &inquiry{facts: standingFacts(request)}
	tooLong := map[string]bool{}
	for _, key := range request.Access.Keys() {
		access := request.Access[key]
		known := ruling.checkSystem(key, access, environment)
		d.protect(ruling, key, access)
		rule, found, err := d.deciding(q, request, key)
		if err != nil {
			ruling.deny(key, FieldCondition, "whether rule %q decides cannot be told: %s", rule.Name, err)
			continue
		}
		if !found && known {
			ruling.deny(key, FieldPolicy, "no rule of the policy matches %s in %s/%s",
				matchedSystem(access), request.Environment(), request.Scope())
		}
		if !found {
			continue
		}
		if request.TTL > rule.MaxTTL && !tooLong[rule.Name] {
			tooLong[rule.Name] = true
			ruling.deny("", FieldTTL, "%s is longer than %s, the longest that rule %q allows",
				nhi.FormatTTL(request.TTL), nhi.FormatTTL(rule.MaxTTL), rule.Name)
		}
		ruling.limit(q, rule, key, access)
		ruling.require(rule, key)
	}
	ruling.AtApply = ruling.AtApply || len(d.runners(request)) > 0
	d.check(ruling, request)
	d.sort(ruling.Requirements)
	return *ruling
}

// matchedSystem is the name that rules see an access by.
func matchedSystem(access nhi.Access) string {
	if access.Kind == nhi.KindExternal {
		return nhi.KindExternal
	}
	return access.System
}

// deciding returns the first rule that matches the access called key. Where
// that cannot be told of a rule, the error says why, and no later rule is
// asked: an error never makes another rule decide.
func (d *Document) deciding(q *inquiry, request nhi.Request, key string) (Rule, bool, error) {
	access := request.Access[key]
	for _, rule := range d.Rules {
		switch err := rule.matches(q, request, key, access); {
		case err == nil:
			return rule, true, nil
		case !errors.Is(err, errElsewhere):
			return rule, false, err
		}
	}
	return Rule{}, false, nil
}

func named(names []string, name string) bool {
	return slices.Contains(names, anyName) || slices.Contains(names, name)
}

func (r *Ruling) deny(target, field, format string, args ...any) {
	r.Denials = append(r.Denials, Denial{Target: target, Field: field, Reason: fmt.Sprintf(format, args...)})
}

// checkSystem denies a system that the environment does not have, or has with
// another kind or endpoint: policy compares strings, so that no setting of the
// configuration can point a known name at another place.
func (r *Ruling) checkSystem(key string, access nhi.Access, environment Environment) bool {
	before := len(r.Denials)
	if access.Kind == nhi.KindExternal {
		if access.System != "" || access.Endpoint != "" {
			r.deny(key, FieldSystem, "an external access has no system and no endpoint")
		}
		return len(r.Denials) == before
	}
	system, known := environment.system(access.System)
	switch {
	case !known:
		r.deny(key, FieldSystem, "the policy has no system %q in environment %q", access.System, environment.Name)
	case system.Kind != access.Kind:
		r.deny(key, FieldSystem, "system %q is of kind %q in the policy, not %q", access.System, system.Kind, access.Kind)
	case system.Endpoint != access.Endpoint:
		r.deny(key, FieldEndpoint, "system %q has the endpoint %q in the policy, not %q",
			access.System, system.Endpoint, access.Endpoint)
	}
	return len(r.Denials) == before
}

// require adds target to what rule asks of each of its groups.
func (r *Ruling) require(rule Rule, target string) {
	if rule.NoApproval {
		r.addRequirement(Requirement{Rule: rule.Name, NoApproval: true}, target)
	}
	for _, quorum := range rule.Quorums {
		r.addRequirement(Requirement{Rule: rule.Name, Group: quorum.Group, Count: quorum.Count,
			Hardware: rule.HardwareKeys, Distinct: rule.Distinct, RunConfirmation: quorum.RunConfirmation}, target)
	}
}

func (r *Ruling) addRequirement(requirement Requirement, target string) {
	for i := range r.Requirements {
		have := &r.Requirements[i]
		if have.Rule == requirement.Rule && have.Group == requirement.Group {
			have.Targets = append(have.Targets, target)
			return
		}
	}
	requirement.Targets = []string{target}
	r.Requirements = append(r.Requirements, requirement)
}

// sort puts requirements in the order of the document, whatever the targets
// are called.
func (d *Document) sort(requirements []Requirement) {
	slices.SortStableFunc(requirements, func(a, b Requirement) int {
		return d.position(a.Rule) - d.position(b.Rule)
	})
}

func (d *Document) position(rule string) int {
	return slices.IndexFunc(d.Rules, func(r Rule) bool { return r.Name == rule })
}

// Warnings names what is well formed and most likely a mistake: names in rules
// that no environment of the document declares, so that the rule never matches
// and a later one decides.
func (d *Document) Warnings() []string {
	systems := []string{nhi.KindExternal, anyName}
	environments := []string{anyName}
	for _, environment := range d.Environments {
		environments = append(environments, environment.Name)
		for _, system := range environment.Systems {
			systems = append(systems, system.Name)
		}
	}
	var warnings []string
	for _, rule := range d.Rules {
		for _, name := range rule.Environments {
			if !slices.Contains(environments, name) {
				warnings = append(warnings, fmt.Sprintf("rule %q names environment %q, which the policy does not declare", rule.Name, name))
			}
		}
		for _, name := range rule.Systems {
			if !slices.Contains(systems, name) {
				warnings = append(warnings, fmt.Sprintf("rule %q names system %q, which no environment of the policy declares", rule.Name, name))
			}
		}
		warnings = append(warnings, d.unconfirmable(rule)...)
	}
	return warnings
}
