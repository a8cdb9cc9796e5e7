package connector

import (
	"errors"
	"fmt"
	"slices"
	"unicode"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds on what a connector may answer.
const (
	MaxEvidence = 8 << 10 // bytes; more is an error, because evidence cannot be cut
	MaxLines    = 1000    // findings, and privileges, of one account; the rest is counted
	MaxLine     = 400     // runes of one finding or privilege; the rest is cut
	maxError    = 2000    // runes of an error's text
)

// verb is one call of the contract and the states that it can end in.
type verb struct {
	name string
	ends []State
	// otherwise is what an answer in another state means.
	otherwise error
}

var (
	reading   = verb{"reading", []State{Absent, Inert, Active, Foreign}, nhi.ErrUnreachable}
	preparing = verb{"preparing", []State{Inert, Active}, nhi.ErrUnreachable}
	enabling  = verb{"enabling", []State{Active}, nhi.ErrUnreachable}
	revoking  = verb{"revoking", []State{Absent, Released}, nhi.ErrUnconfirmed}
	releasing = verb{"releasing", []State{Absent, Released}, nhi.ErrUnconfirmed}
	probing   = verb{"probing", []State{Active, Absent, Unknown}, nhi.ErrUnreachable}
)

// checkAccount holds for an account that may be handed to a connector: its
// principal has the charset of nhi.Principal, or is the one that the access
// takes over, and its mark reads back.
func (c *checked) checkAccount(account Account) error {
	if err := c.checkPrincipal(account); err != nil {
		return err
	}
	if _, err := nhi.ParseMark(account.Mark.String()); err != nil {
		return fmt.Errorf("principal %s: %w", account.Principal, err)
	}
	return nil
}

func (c *checked) checkPrincipal(account Account) error {
	if name := c.kind.Adoption(account.Access).Name; name != "" {
		if account.Principal != name {
			return fmt.Errorf("principal %.80q is not the account that is taken over, %.80q: %w", account.Principal, name, nhi.ErrInvalid)
		}
		return nhi.CheckText(name)
	}
	const longest = nhi.MaxName + 7
	principal := account.Principal
	if principal == "" || len(principal) > longest {
		return fmt.Errorf("principal %.80q is not 1 to %d bytes long: %w", principal, longest, nhi.ErrInvalid)
	}
	for i := range len(principal) {
		c := principal[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if inner := (c == '-' || c == '_') && i > 0 && i < len(principal)-1; !letter && !inner {
			return fmt.Errorf("principal %.80q may hold only a-z, 0-9 and inner - or _: %w", principal, nhi.ErrInvalid)
		}
	}
	return nil
}

// examine returns the outcome within the bounds, or the error that stands in
// its place.
func (c *checked) examine(verb verb, account Account, outcome Outcome) Outcome {
	observation := outcome.Observation
	if observation.Principal == "" && outcome.Err != nil {
		observation.Principal = account.Principal
	}
	if err := sameObject(account, observation); err != nil {
		return c.failed(account, errors.Join(outcome.Err, err))
	}
	if len(observation.Evidence) > MaxEvidence {
		err := fmt.Errorf("evidence of %d bytes, and %d is the most allowed: %w", len(observation.Evidence), MaxEvidence, nhi.ErrUnreachable)
		return c.failed(account, errors.Join(outcome.Err, err))
	}
	if c.secrets.strip(observation.Evidence) != observation.Evidence {
		return c.failed(account, errors.Join(outcome.Err, fmt.Errorf("evidence holds a secret: %w", nhi.ErrUnreachable)))
	}
	observation.Findings = c.lines(observation.Findings)
	observation.Warnings = c.lines(observation.Warnings)
	observation.Privileges = c.lines(observation.Privileges)
	if observation.EnforcedBy != EnforcedByTarget && observation.EnforcedBy != EnforcedByApply {
		observation.EnforcedBy = ""
	}
	if observation.State == Unknown {
		observation.Verified = false // nobody was asked
	}
	err := outcome.Err
	if err == nil {
		err = c.ended(verb, account, observation)
	}
	return Outcome{Observation: observation, Err: c.guard(err)}
}

// sameObject holds where the answer is about the account that was asked for.
// A foreign object has the name alone in common with it.
func sameObject(account Account, answer Observation) error {
	if answer.Principal != account.Principal {
		return fmt.Errorf("answered about another object (%.80q, and %s was asked for): %w", answer.Principal, account.Principal, nhi.ErrUnreachable)
	}
	if answer.State != Foreign && account.ID != "" && answer.ID != "" && answer.ID != account.ID {
		return fmt.Errorf("%s: answered about another object (id %.80q, and %s was asked for): %w", account.Principal, answer.ID, account.ID, nhi.ErrUnreachable)
	}
	return nil
}

// ended holds where the call can end in the state that was answered.
func (c *checked) ended(verb verb, account Account, answer Observation) error {
	adoption := c.kind.Adoption(account.Access)
	switch {
	case answer.State == Released && (adoption.Name == "" || verb.name == revoking.name && !adoption.Disable):
		return fmt.Errorf("%s %s left it standing: %w", verb.name, answer.Principal, verb.otherwise)
	case slices.Contains(verb.ends, answer.State):
		return nil
	case answer.State == Unknown && c.kind.Unobservable:
		return nil
	case answer.State == Foreign:
		return fmt.Errorf("%s %s: %w", verb.name, answer.Principal, nhi.ErrForeign)
	default:
		return fmt.Errorf("%s %s ended in the state %.40q: %w", verb.name, answer.Principal, answer.State, verb.otherwise)
	}
}

// lines bounds a list that a person will read.
func (c *checked) lines(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	bounded := make([]string, 0, min(len(list), MaxLines))
	for i, line := range list {
		if i == MaxLines-1 && len(list) > MaxLines {
			bounded = append(bounded, fmt.Sprintf("… and %d more", len(list)-i))
			break
		}
		bounded = append(bounded, printable(c.secrets.strip(line), MaxLine))
	}
	return bounded
}

// printable returns text without anything that hides or forges what is shown,
// and at most limit runes of it. It may come from a hostile server.
func printable(text string, limit int) string {
	runes := []rune(text)
	if len(runes) > limit {
		runes = append(runes[:limit-1], '…')
	}
	for i, r := range runes {
		if !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			runes[i] = ' '
		}
	}
	return string(runes)
}
