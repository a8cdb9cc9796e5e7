package vault

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// evidence is what is remembered of an account, beside its id.
type evidence struct {
	// Texts holds the SHA-256 of each approved policy's text at activation.
	Texts map[string]string `json:"texts,omitempty"`
	// Found is an account that was taken over, as it was.
	Found *found `json:"found,omitempty"`
}

// evidenceOf reads an account's evidence; what cannot be read is none.
func evidenceOf(account connector.Account) evidence {
	var known evidence
	if json.Unmarshal([]byte(account.Evidence), &known) != nil {
		return evidence{}
	}
	return known
}

// text writes evidence. It must fit, because it cannot be cut.
func (e evidence) text() (string, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	if len(text) > connector.MaxEvidence {
		return "", fmt.Errorf("what is to be remembered of it has %d bytes, and %d is the most: %w", len(text), connector.MaxEvidence, nhi.ErrInvalid)
	}
	if string(text) == "{}" {
		return "", nil
	}
	return string(text), nil
}

// policyTexts are digests of policies' texts, by name; "" for a policy that
// does not exist.
type policyTexts map[string]string

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// changed says which approved policies have another text than at activation.
func (p policyTexts) changed(account connector.Account) []string {
	var warnings []string
	for name, then := range evidenceOf(account).Texts {
		now, looked := p[name]
		switch {
		case !looked || now == then || !slices.Contains(account.Access.Items(accessPolicies), name):
		case now == "":
			warnings = append(warnings, "policy "+name+" does not exist any more")
		default:
			warnings = append(warnings, "policy "+name+" has another text than at activation")
		}
	}
	slices.Sort(warnings)
	return warnings
}

// remember returns the account's evidence with the texts of policies that it
// has none of yet. What was remembered stays: a repair is no new look at a
// text that somebody approved.
func (p policyTexts) remember(account connector.Account) (string, error) {
	known := evidenceOf(account)
	texts := map[string]string{}
	for _, name := range account.Access.Items(accessPolicies) {
		if texts[name] = known.Texts[name]; texts[name] == "" {
			texts[name] = p[name]
		}
	}
	known.Texts = texts
	return known.text()
}

// checkExist holds where every approved policy exists: Vault takes a name that
// it does not know without a word.
func (p policyTexts) checkExist(account connector.Account) error {
	var missing []string
	for _, name := range account.Access.Items(accessPolicies) {
		if p[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("there is no policy %s in Vault: %w", strings.Join(missing, ", "), nhi.ErrInvalid)
	}
	return nil
}

// newest is when the last secret id was made that came with the account.
func (f *found) newest() time.Time {
	if f == nil {
		return time.Time{}
	}
	return f.Newest
}
