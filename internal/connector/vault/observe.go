package vault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// observe says what was seen of an account, and how that differs from what was
// approved.
func (h *held) observe(account connector.Account) connector.Observation {
	seen := connector.Observation{Principal: account.Principal, Evidence: account.Evidence, EnforcedBy: connector.EnforcedByApply, Verified: true}
	switch {
	case h.entity != nil:
		seen.ID = h.entity.ID
		if adopts(account) != "" {
			seen.ID = account.ID
		}
		h.describe(&seen, account)
		seen.Findings = append(seen.Findings, h.others...)
	case h.isForeign() || h.released:
		seen.State, seen.Findings = connector.Foreign, slices.Clone(h.others)
		if h.released {
			seen.Findings = append(seen.Findings, "AppRole "+account.Principal+" carries no mark")
		}
	case h.role != nil:
		// Whoever has a secret id still gets a token: Vault makes an entity for it.
		seen.State, seen.Privileges = connector.Active, policyPrivileges(h.role.holds())
		seen.Findings = []string{"its entity was removed by hand, and its AppRole was not"}
	default:
		seen.State = connector.Absent
	}
	slices.Sort(seen.Findings)
	return seen
}

func (h *held) describe(seen *connector.Observation, account connector.Account) {
	seen.State = connector.Active
	if h.entity.Disabled {
		seen.State = connector.Inert
	}
	policies := slices.Clone(h.entity.Policies)
	if h.role != nil {
		policies = append(policies, h.role.holds()...)
	}
	seen.Privileges = policyPrivileges(policies)
	for _, one := range h.groups {
		seen.Privileges = append(seen.Privileges, "group "+one.Name)
	}
	slices.Sort(seen.Privileges)
	if !h.entity.marked(account.Mark) {
		seen.Findings = append(seen.Findings, "its mark was edited by hand")
	}
	if adopts(account) != "" && !account.Enabled {
		return // it is as it was found, and nothing was taken away yet
	}
	if due := account.Enabled || !h.entity.Disabled; due {
		seen.NotAfter = account.NotAfter
		seen.UsableUntil = h.usableUntil(account)
	}
	seen.Findings = append(seen.Findings, h.entityFindings(account)...)
	seen.Findings = append(seen.Findings, h.roleFindings(account)...)
	seen.Findings = append(seen.Findings, h.secretFindings(account)...)
	seen.Warnings = h.texts.changed(account)
}

// usableUntil is when the last token from a secret id of the account ends;
// zero where a secret id never does.
func (h *held) usableUntil(account connector.Account) time.Time {
	if h.entity.Disabled || h.role == nil {
		return time.Time{}
	}
	last := account.NotAfter
	for _, id := range h.secrets {
		if id.Expires.IsZero() {
			return time.Time{}
		}
		if id.Expires.After(last) {
			last = id.Expires
		}
	}
	return last.Add(tidyEvery + durationOf(h.role.TokenMaxTTL)).UTC().Truncate(time.Second)
}

func (h *held) entityFindings(account connector.Account) []string {
	var findings []string
	if h.entity.Disabled && account.Enabled {
		findings = append(findings, "the entity was disabled by hand")
	}
	if h.entity.Name != account.Principal && h.entity.Name != stagingName(account) && adopts(account) == "" {
		findings = append(findings, "the entity was renamed to "+vaulthttp.Line(h.entity.Name)+" by hand")
	}
	for _, name := range h.entity.Policies {
		findings = append(findings, "policy "+vaulthttp.Line(name)+" was added to the entity by hand")
	}
	for _, one := range h.groups {
		findings = append(findings, "the entity was added to the group "+vaulthttp.Line(one.Name)+" by hand")
	}
	for _, one := range h.extraAliases() {
		findings = append(findings, fmt.Sprintf("the alias %s (%s) was added by hand", vaulthttp.Line(one.Name), vaulthttp.Line(one.Type)))
	}
	if h.role != nil && !h.tied() && (account.Enabled || !h.entity.Disabled) {
		findings = append(findings, "the alias of its AppRole was removed by hand")
	}
	return findings
}

// extraAliases are the entity's aliases that do not belong to our AppRole.
func (h *held) extraAliases() []alias {
	var extra []alias
	for _, one := range h.entity.Aliases {
		if h.role == nil || one.Accessor != h.accessor || !strings.EqualFold(one.Name, h.role.id) {
			extra = append(extra, one)
		}
	}
	return extra
}

func (h *held) roleFindings(account connector.Account) []string {
	due := account.Enabled || !h.entity.Disabled
	if h.role == nil {
		if due {
			return []string{"the AppRole was removed by hand"}
		}
		return nil
	}
	var findings []string
	approved, is := account.Access.Items(accessPolicies), h.role.holds()
	for _, name := range is {
		if !slices.Contains(approved, name) {
			findings = append(findings, "policy "+vaulthttp.Line(name)+" was added by hand")
		}
	}
	if !due {
		return findings
	}
	for _, name := range approved {
		if !slices.Contains(is, name) {
			findings = append(findings, "policy "+name+" was removed by hand")
		}
	}
	for _, one := range h.role.differences(wanted(account)) {
		what := one.name + " was changed by hand to " + vaulthttp.Line(one.is)
		if one.isEnd() {
			what = fmt.Sprintf("the end was moved by hand to %s (%s, and %s was approved)", one.is, one.name, one.want)
		}
		findings = append(findings, what)
	}
	return findings
}

// secretFindings names secret ids that are not ours, or that outlive the term.
func (h *held) secretFindings(account connector.Account) []string {
	var findings []string
	for _, id := range h.intruders(account) {
		what := "was made by hand"
		if id.ours(account) {
			what = "outlives the end: it ends " + nhi.FormatTime(id.Expires)
		}
		findings = append(findings, "secret id "+vaulthttp.Line(id.Accessor)+" "+what)
	}
	return findings
}

// intruders are the secret ids that the account may not have.
func (h *held) intruders(account connector.Account) []secretID {
	before := evidenceOf(account).Found.newest()
	var found []secretID
	for _, id := range h.secrets {
		switch {
		case adopts(account) != "" && !id.Created.After(before): // it came with the account
		case !id.ours(account), !account.NotAfter.IsZero() && id.outlives(account.NotAfter.Add(slack)):
			found = append(found, id)
		}
	}
	return found
}

// slack is what Vault's clock may be ahead of ours before an end is too late.
const slack = 2 * time.Minute

// wanted is what an account's AppRole is while it is active. A secret id that
// somebody makes without saying for how long lives as long as the term, at most.
func wanted(account connector.Account) shape {
	term := nhi.MaxTTL
	if !account.NotBefore.IsZero() && account.NotAfter.After(account.NotBefore) {
		term = account.NotAfter.Sub(account.NotBefore)
	}
	return approvedShape(account.Access.Items(accessPolicies), tokenTTL(account.Access), term)
}

func joined(lines []string) string { return strings.Join(lines, "; ") }
