package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Level is what becomes of a request in which a check finds its risk.
type Level string

// The levels of a check.
const (
	LevelOff  Level = "off"
	LevelWarn Level = "warn" // plans warn
	LevelDeny Level = "deny" // the policy denies it, whoever signs
	// LevelRefuse is a default: what is new or changed is refused, and what was
	// asked for before is left as it is. No policy can say it.
	LevelRefuse Level = "refuse"
)

// RiskCheck says how requests are checked for one risk, and what for besides
// what follows from the request alone.
type RiskCheck struct {
	Risk         nhi.Risk
	Level        Level
	Owners       []string      // NHI1: patterns of owners besides the persons of the policy
	MaxTTL       time.Duration // NHI3, NHI7: the longest TTL; 0: no limit
	Persons      int           // NHI3: how many must approve
	KeyTypes     []string      // NHI4: the types of public keys; none: any
	Privileges   []string      // NHI5: patterns of what is too much
	Environments []string      // NHI6: names, or "*" alone
	Claims       []string      // NHI6: what a runner must pin
	MaxTokenTTL  time.Duration // NHI7: the longest token_ttl; 0: no limit
	Approvals    []string      // NHI9: the names that an identity's approvals may have; none: any
	Rotate       bool          // NHI7: a renewal brings another public key
	NoTerminal   bool          // NHI10: SSH access runs one command, without a terminal
}

// defaultLevels are those of checks that a policy does not name. Checks that
// need to be told what is too much are off, and so are those that could be wrong.
var defaultLevels = map[nhi.Risk]Level{
	nhi.RiskLeakage: LevelRefuse, nhi.RiskThirdParty: LevelWarn, nhi.RiskAuthentication: LevelWarn, nhi.RiskOverprivileged: LevelWarn,
	nhi.RiskIsolation: LevelWarn, nhi.RiskReuse: LevelWarn, nhi.RiskHumanUse: LevelWarn,
}

// The fields that a finding can be about, besides those of a denial.
const (
	FieldOwner         = "owner"
	FieldPurpose       = "purpose"
	FieldName          = "name" // of the approval
	FieldRunner        = "runner"
	FieldJustification = "justification"
)

// Finding is a risk in a request.
type Finding struct {
	Risk   nhi.Risk
	Target string // access key, or "" where it is about the whole request
	Field  string // one of the Field constants, or a setting of the access
	Reason string // one sentence, for people
}

// Check returns how requests are checked for a risk: as the document says, or
// as by default.
func (d *Document) Check(risk nhi.Risk) RiskCheck {
	for _, check := range d.Checks {
		if check.Risk == risk {
			return check
		}
	}
	check := RiskCheck{Risk: risk, Level: LevelOff}
	if level, ok := defaultLevels[risk]; ok {
		check.Level = level
	}
	return check
}

// Findings returns the risks that follow from a request alone, where no policy
// is known.
func Findings(request nhi.Request) []Finding {
	ruling := &Ruling{}
	(&Document{}).check(ruling, request)
	return ruling.Findings
}

// inspection is one check of one request.
type inspection struct {
	RiskCheck
	document *Document
	request  nhi.Request
	decided  []decided
	found    []Finding
}

func (i *inspection) find(target, field, format string, args ...any) {
	if len(i.found) < maxReasons {
		i.found = append(i.found, Finding{Risk: i.Risk, Target: target, Field: field, Reason: fmt.Sprintf(format, args...)})
	}
}

// inspections are the checks that follow from policy and request. What needs to
// know more is in Weak and Reuse.
var inspections = map[nhi.Risk]func(*inspection){
	nhi.RiskOffboarding: (*inspection).offboarding, nhi.RiskLeakage: (*inspection).leakage, nhi.RiskThirdParty: (*inspection).thirdParty,
	nhi.RiskAuthentication: (*inspection).authentication, nhi.RiskOverprivileged: (*inspection).overprivileged,
	nhi.RiskDeployment: (*inspection).deployment, nhi.RiskLongLived: (*inspection).longLived, nhi.RiskIsolation: (*inspection).isolation,
	nhi.RiskReuse: (*inspection).reuse, nhi.RiskHumanUse: (*inspection).humanUse,
}

// check adds to a ruling what the checks find: a denial or a finding for people.
func (d *Document) check(ruling *Ruling, request nhi.Request) {
	for n, denial := range ruling.Denials {
		ruling.Denials[n].Risk = d.keptOut(denial, request)
	}
	for _, risk := range nhi.Risks() {
		i := &inspection{RiskCheck: d.Check(risk), document: d, request: request, decided: ruling.decided}
		if i.Level == LevelOff {
			continue
		}
		inspections[risk](i)
		ruling.take(i.Level, i.found)
	}
}

// take adds findings, by the level of their check.
func (r *Ruling) take(level Level, found []Finding) {
	for _, finding := range found {
		if level == LevelDeny {
			r.Denials = append(r.Denials, finding.Denial())
			continue
		}
		r.Findings = append(r.Findings, finding)
	}
}

// Denial is the finding as a denial. Its reason names the risk.
func (f Finding) Denial() Denial {
	return Denial{Target: f.Target, Field: f.Field, Reason: fmt.Sprintf("%s: %s", f.Risk, f.Reason), Risk: f.Risk}
}

// String is the finding in words: `NHI5:2025: db: "root" is more than …`.
func (f Finding) String() string {
	if f.Target == "" {
		return fmt.Sprintf("%s: %s", f.Risk, f.Reason)
	}
	return fmt.Sprintf("%s: %s: %s", f.Risk, f.Target, f.Reason)
}

// Weak checks for insecure authentication where the provider's own settings of a
// system are insecure: weak says how, for an access. That is no part of the
// request, so a plan and an apply ask for it beside Rule. Only the denials and
// findings of the ruling that it returns are set.
func (d *Document) Weak(request nhi.Request, weak func(nhi.Access) []string) Ruling {
	ruling := Ruling{}
	i := &inspection{RiskCheck: d.Check(nhi.RiskAuthentication)}
	if i.Level == LevelOff {
		return ruling
	}
	for _, key := range request.Access.Keys() {
		for _, word := range weak(request.Access[key]) {
			i.find(key, FieldSystem, "system %q: %s", request.Access[key].System, word)
		}
	}
	ruling.take(i.Level, i.found)
	return ruling
}

// without takes out what stands in both.
func without(all, some []string) (rest []string) {
	for _, one := range all {
		if !slices.Contains(some, one) {
			rest = append(rest, one)
		}
	}
	return rest
}
