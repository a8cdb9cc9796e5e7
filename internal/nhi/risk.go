package nhi

import (
	"fmt"
	"strings"
)

// Risk is one of the OWASP Non-Human Identities Top 10 of 2025, by its number.
// The zero Risk is none.
type Risk int

// The risks, in OWASP's order and words.
const (
	RiskOffboarding    Risk = 1 + iota // NHI1:2025 Improper Offboarding
	RiskLeakage                        // NHI2:2025 Secret Leakage
	RiskThirdParty                     // NHI3:2025 Vulnerable Third-Party NHI
	RiskAuthentication                 // NHI4:2025 Insecure Authentication
	RiskOverprivileged                 // NHI5:2025 Overprivileged NHI
	RiskDeployment                     // NHI6:2025 Insecure Cloud Deployment Configurations
	RiskLongLived                      // NHI7:2025 Long-Lived Secrets
	RiskIsolation                      // NHI8:2025 Environment Isolation
	RiskReuse                          // NHI9:2025 NHI Reuse
	RiskHumanUse                       // NHI10:2025 Human Use of NHI
)

// riskTitles are the risks' names, by number.
var riskTitles = [...]string{
	RiskOffboarding: "Improper Offboarding", RiskLeakage: "Secret Leakage", RiskThirdParty: "Vulnerable Third-Party NHI",
	RiskAuthentication: "Insecure Authentication", RiskOverprivileged: "Overprivileged NHI",
	RiskDeployment: "Insecure Cloud Deployment Configurations", RiskLongLived: "Long-Lived Secrets",
	RiskIsolation: "Environment Isolation", RiskReuse: "NHI Reuse", RiskHumanUse: "Human Use of NHI",
}

// riskPage is the page of this provider on the risks.
const riskPage = "https://registry.terraform.io/providers/nhi-terraform/nhi/latest/docs/guides/owasp-nhi"

// Risks returns all of them, in order.
func Risks() []Risk {
	risks := make([]Risk, 0, len(riskTitles))
	for risk := RiskOffboarding; risk <= RiskHumanUse; risk++ {
		risks = append(risks, risk)
	}
	return risks
}

// ParseRisk reads a risk as policies name it: "NHI5".
func ParseRisk(name string) (Risk, error) {
	for _, risk := range Risks() {
		if risk.Name() == name {
			return risk, nil
		}
	}
	return 0, fmt.Errorf("%.20q is none of NHI1 to NHI10: %w", name, ErrInvalid)
}

// Name is the risk as policies name it: "NHI5".
func (r Risk) Name() string { return fmt.Sprintf("NHI%d", int(r)) }

// String is the risk as OWASP names it: "NHI5:2025".
func (r Risk) String() string { return r.Name() + ":2025" }

// Title is the risk with its words: "NHI5:2025 Overprivileged NHI".
func (r Risk) Title() string {
	if r < RiskOffboarding || r > RiskHumanUse {
		return r.String()
	}
	return r.String() + " " + riskTitles[r]
}

// Page is where this provider's documentation tells of the risk.
func (r Risk) Page() string { return riskPage + "#" + strings.ToLower(r.Name()) }

// RiskError is an error that keeps a risk out. Whoever shows it names the risk
// and its page.
type RiskError struct {
	Risk Risk
	Err  error
}

// Error implements error.
func (e *RiskError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *RiskError) Unwrap() error { return e.Err }

// AtRisk says of an error which risk it keeps out; nil stays nil.
func AtRisk(risk Risk, err error) error {
	if err == nil {
		return nil
	}
	return &RiskError{Risk: risk, Err: err}
}
