package vault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// Bounds of an access. What was remembered of every policy must fit into the
// evidence (connector.MaxEvidence).
const (
	maxPolicies    = 32
	maxPolicyName  = 128
	maxPolicyNames = 2048 // bytes of all names together
	maxTokenTTL    = 24 * time.Hour
	maxWrapTTL     = 24 * time.Hour
)

// reservedPolicies are Vault's own, which no role may carry.
var reservedPolicies = []string{"root", "response-wrapping", "control-group"}

// canonicalPolicy writes a name as Vault stores it.
func canonicalPolicy(name string) (string, error) { return strings.ToLower(name), nil }

// checkPolicy holds for the name of an ACL policy that may be asked for.
func checkPolicy(name string) error {
	if len(name) > maxPolicyName {
		return fmt.Errorf("policy %.80q is %d bytes long, and %d is the longest allowed: %w", name, len(name), maxPolicyName, nhi.ErrInvalid)
	}
	if slices.Contains(reservedPolicies, name) {
		return nhi.AtRisk(nhi.RiskOverprivileged, fmt.Errorf("policy %s is Vault's own, and no approval can give it: %w", name, nhi.ErrInvalid))
	}
	if !vaulthttp.IsPath(name) {
		return fmt.Errorf("policy %.80q may hold only a-z, 0-9, - _ . and inner single slashes: %w", name, nhi.ErrInvalid)
	}
	return nil
}

func checkAccess(access nhi.Values) error {
	policies := access.Items(accessPolicies)
	size := 0
	for _, name := range policies {
		if err := checkPolicy(name); err != nil {
			return fmt.Errorf("policies: %w", err)
		}
		size += len(name)
	}
	switch {
	case len(policies) == 0:
		return fmt.Errorf("policies must name at least one policy: %w", nhi.ErrInvalid)
	case len(policies) > maxPolicies:
		return fmt.Errorf("policies are %d, and %d is the most allowed: %w", len(policies), maxPolicies, nhi.ErrInvalid)
	case size > maxPolicyNames:
		return fmt.Errorf("policies have %d bytes of names, and %d is the most allowed: %w", size, maxPolicyNames, nhi.ErrInvalid)
	}
	if err := checkTokenTTL(access.Text(accessTokenTTL)); err != nil {
		return fmt.Errorf("%s %w", accessTokenTTL, err)
	}
	return checkAdoption(access)
}

func checkAdoption(access nhi.Values) error {
	_, adopts := access[accessAdopt]
	_, ends := access[accessOnRevoke]
	switch {
	case adopts != ends:
		return fmt.Errorf("%s and %s go together: %w", accessAdopt, accessOnRevoke, nhi.ErrInvalid)
	case !adopts:
		return nil
	}
	if err := checkRoleName(access.Text(accessAdopt)); err != nil {
		return fmt.Errorf("%s %w", accessAdopt, err)
	}
	if err := checkOnRevoke(access.Text(accessOnRevoke)); err != nil {
		return fmt.Errorf("%s %w", accessOnRevoke, err)
	}
	return nil
}

func checkTokenTTL(text string) error { return checkDuration(text, maxTokenTTL) }

func checkWrapTTL(text string) error { return checkDuration(text, maxWrapTTL) }

func checkDuration(text string, longest time.Duration) error {
	ttl, err := nhi.ParseTTL(text)
	if err == nil && ttl > longest {
		err = fmt.Errorf("%s is longer than %s: %w", text, nhi.FormatTTL(longest), nhi.ErrInvalid)
	}
	return err
}

func canonicalTTL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	ttl, err := nhi.ParseTTL(text)
	if err != nil {
		return "", err
	}
	return nhi.FormatTTL(ttl), nil
}

func checkForm(form string) error {
	if form != formSecretID && form != formToken {
		return fmt.Errorf("form must be %q or %q: %w", formSecretID, formToken, nhi.ErrInvalid)
	}
	return nil
}

// privileges says in words what an access gives, sorted.
func privileges(access nhi.Values) []string {
	return policyPrivileges(access.Items(accessPolicies))
}

func policyPrivileges(policies []string) []string {
	var words []string
	for _, name := range policies {
		words = append(words, "policy "+name)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// tokenTTL returns how long a token of an access lives; it was checked.
func tokenTTL(access nhi.Values) time.Duration {
	ttl, err := nhi.ParseTTL(access.Text(accessTokenTTL))
	if err != nil {
		return 0
	}
	return ttl
}
