package policy

import (
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// attributeLevel is the attribute that every check has.
const attributeLevel = "level"

// checkAttributes are what a check may say besides its level.
var checkAttributes = map[nhi.Risk][]string{
	nhi.RiskOffboarding:    {"owners"},
	nhi.RiskThirdParty:     {"max_ttl", "approvals"},
	nhi.RiskAuthentication: {"key_types"},
	nhi.RiskOverprivileged: {"privileges"},
	nhi.RiskDeployment:     {"environments", "claims"},
	nhi.RiskLongLived:      {"max_ttl", "max_token_ttl", "rotate"},
	nhi.RiskReuse:          {"approvals"},
	nhi.RiskHumanUse:       {"no_terminal"},
}

// checks reads the checks for the risks of the OWASP NHI Top 10.
func (r *reader) checks(body *hclsyntax.Body) []RiskCheck {
	var checks []RiskCheck
	names := map[string]bool{}
	for _, block := range r.blocks(body, "check", len(nhi.Risks())) {
		r.once(names, block.TypeRange, "check", block.Labels[0])
		risk, err := nhi.ParseRisk(block.Labels[0])
		if err != nil {
			r.check(block.TypeRange, "check", err)
			continue
		}
		r.shape(block.Body, append([]string{attributeLevel}, checkAttributes[risk]...), nil)
		check := RiskCheck{Risk: risk, Level: r.level(block.Body)}
		if check.Level != LevelOff {
			r.riskCheck(block, &check)
		}
		checks = append(checks, check)
	}
	return checks
}

func (r *reader) level(body *hclsyntax.Body) Level {
	text, at, ok := r.text(body, attributeLevel, true)
	level := Level(text)
	if ok && level != LevelOff && level != LevelWarn && level != LevelDeny {
		r.fail(at, "level is %q, %q or %q, not %.40q", LevelOff, LevelWarn, LevelDeny, text)
	}
	return level
}

// riskCheck reads what a check looks for. One that could find nothing is a
// problem: whoever wrote it believes otherwise.
func (r *reader) riskCheck(block *hclsyntax.Block, check *RiskCheck) {
	body := block.Body
	switch check.Risk {
	case nhi.RiskOffboarding:
		check.Owners = r.somePatterns(body, "owners")
	case nhi.RiskThirdParty:
		check.MaxTTL = r.someTTL(body, "max_ttl")
		if _, written := body.Attributes["approvals"]; written {
			check.Persons = r.number(body, "approvals", maxCount)
		}
	case nhi.RiskAuthentication:
		check.KeyTypes = r.somePatterns(body, "key_types")
	case nhi.RiskOverprivileged:
		check.Privileges = r.somePatterns(body, "privileges")
	case nhi.RiskDeployment:
		check.Environments, check.Claims = r.names(body, "environments"), r.somePatterns(body, "claims")
	case nhi.RiskLongLived:
		check.MaxTTL, check.MaxTokenTTL = r.someTTL(body, "max_ttl"), r.someTTL(body, "max_token_ttl")
		check.Rotate = r.flag(body, "rotate")
		if check.MaxTTL == 0 && check.MaxTokenTTL == 0 && !check.Rotate {
			r.fail(block.TypeRange, "check %q needs max_ttl, max_token_ttl or rotate", check.Risk.Name())
		}
	case nhi.RiskReuse:
		if _, written := body.Attributes["approvals"]; written {
			check.Approvals = r.names(body, "approvals")
		}
	case nhi.RiskHumanUse:
		check.NoTerminal = r.flag(body, "no_terminal")
	case nhi.RiskLeakage, nhi.RiskIsolation: // they need to be told nothing
	}
}

// somePatterns reads a list of patterns, if it is there.
func (r *reader) somePatterns(body *hclsyntax.Body, name string) []string {
	if _, written := body.Attributes[name]; !written {
		return nil
	}
	return r.patterns(body, name)
}

// someTTL reads a duration, if it is there; 0 where it is not.
func (r *reader) someTTL(body *hclsyntax.Body, name string) time.Duration {
	text, at, ok := r.text(body, name, false)
	if !ok {
		return 0
	}
	ttl, err := nhi.ParseTTL(text)
	r.check(at, name, err)
	return ttl
}
