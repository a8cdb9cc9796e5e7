package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// Bounds on what one document may hold.
const (
	maxApprovers    = 1_000
	maxEnvironments = 100
	maxSystems      = 1_000
	maxRules        = 500
	maxQuorums      = 20
	maxCount        = maxApprovers
	maxVersion      = 1_000_000_000
)

// anyName stands for every name in the lists of a rule.
const anyName = "*"

// noApproval are the words, exactly, by which a rule asks for no approval.
const noApproval = "no approval needed"

// Parse reads a policy document. It is strict: what it does not know, what
// stands twice and what could never be met is an error, and so is every
// expression beyond a literal. Each problem is a *ParseError with its line,
// and nhi.ErrInvalid; up to ten are joined. Parse looks at no signature and no
// clock: see VerifySignatures and Document.Evaluate.
func Parse(src []byte) (*Document, error) {
	r := &reader{}
	body := r.syntax(src)
	if body == nil {
		return nil, r.err()
	}
	document := r.document(body)
	if err := r.err(); err != nil {
		return nil, err
	}
	document.Digest = nhi.DigestOf(string(src))
	return document, nil
}

func (r *reader) document(body *hclsyntax.Body) *Document {
	r.shape(body, []string{"ledger", "version", "expires", "activate_within", "reuse_within", "on_forbidden"},
		map[string]int{"approver": 1, "environment": 1, "rule": 1, "delegate": 1, "protected": 1, "runner": 1, "issuer": 1, "check": 1})
	document := &Document{Version: r.number(body, "version", maxVersion)}
	if id, at, ok := r.text(body, "ledger", true); ok {
		r.check(at, "ledger", nhi.CheckLedgerID(id))
		document.Ledger = id
	}
	if text, at, ok := r.text(body, "expires", true); ok {
		expires, err := nhi.ParseTime(text)
		r.check(at, "expires", err)
		document.Expires = expires
	}
	if text, at, ok := r.text(body, "activate_within", true); ok {
		within, err := nhi.ParseTTL(text)
		r.check(at, "activate_within", err)
		document.ActivateWithin = within
	}
	if text, at, ok := r.text(body, "reuse_within", false); ok {
		within, err := nhi.ParseTTL(text)
		r.check(at, "reuse_within", err)
		document.ReuseWithin = within
	}
	document.OnForbidden = ForbiddenWarn
	if text, at, ok := r.text(body, "on_forbidden", false); ok {
		if text != ForbiddenWarn && text != ForbiddenRevoke {
			r.fail(at, "on_forbidden is %q or %q, not %.40q", ForbiddenWarn, ForbiddenRevoke, text)
		}
		document.OnForbidden = text
	}
	document.Issuers = r.issuers(body)
	document.Approvers = r.approvers(body, document.Issuers)
	document.Environments = r.environments(body)
	document.Rules = r.rules(body, document.Approvers)
	document.Protected, document.Runners = r.protected(body), r.runners(body, document.Issuers)
	document.Checks = r.checks(body)
	return document
}

// once records a problem where name was taken before, in capitals or not, and
// takes it.
func (r *reader) once(taken map[string]bool, at hcl.Range, what, name string) {
	folded := strings.ToLower(name)
	if taken[folded] {
		r.fail(at, "%s %q stands twice", what, name)
	}
	taken[folded] = true
}

func (r *reader) approvers(body *hclsyntax.Body, issuers []Issuer) []Approver {
	var approvers []Approver
	names, owners, holders := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, block := range r.blocks(body, "approver", maxApprovers) {
		name, at := block.Labels[0], block.TypeRange
		r.check(at, fmt.Sprintf("approver %.60q", name), checkPerson(name))
		r.once(names, at, "approver", name)
		r.shape(block.Body, []string{"keys", "groups"}, map[string]int{"compromised": 1, "workload": 1, "account": 1})
		approver := Approver{Name: name, Keys: r.keys(block.Body, name, owners), Compromised: r.compromised(block.Body, name, owners),
			Workloads: r.workloads(block.Body, issuers)}
		groups, at := r.list(block.Body, "groups", false)
		for _, group := range groups {
			r.check(at, "groups", nhi.CheckName(group))
		}
		approver.Groups, approver.Accounts = groups, r.accounts(block.Body, name, holders)
		if len(groups) > 0 && len(approver.Keys) == 0 && len(approver.Compromised) == 0 {
			r.fail(at, "approver %.60q is in groups and has no key: a workload proves who asks, and signs no decision", name)
		}
		approvers = append(approvers, approver)
	}
	return approvers
}

// keys reads the keys of one person; owners are the persons of all keys so far.
func (r *reader) keys(body *hclsyntax.Body, person string, owners map[string]string) []string {
	var keys []string
	// Who has lost the only key keeps the name, and who only ever asks, by a
	// workload, needs none.
	without := slices.ContainsFunc(body.Blocks, func(block *hclsyntax.Block) bool { return block.Type == "compromised" || block.Type == "workload" })
	written, at := r.list(body, "keys", !without)
	for _, line := range written {
		if key, ok := r.key(line, at, "keys", person, owners); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// key reads one key of a person. No key is two persons', or stands twice: two
// persons with one key would let one of them count twice.
func (r *reader) key(line string, at hcl.Range, attribute, person string, owners map[string]string) (string, bool) {
	key, _, err := signature.ParseKey(line)
	if err != nil {
		r.check(at, attribute, err)
		return "", false
	}
	if owner, taken := owners[key]; taken {
		r.fail(at, "key %.60q of %q is also a key of %q", key, person, owner)
	}
	owners[key] = person
	return key, true
}

// compromised reads the keys of one person that somebody else may have. Such a
// key stands there instead of among the person's keys, and not beside them.
func (r *reader) compromised(body *hclsyntax.Body, person string, owners map[string]string) []Compromised {
	var all []Compromised
	for _, block := range r.blocks(body, "compromised", nhi.MaxListItems) {
		r.shape(block.Body, []string{"since"}, nil)
		lost := Compromised{}
		if text, at, ok := r.text(block.Body, "since", true); ok {
			since, err := nhi.ParseTime(text)
			r.check(at, "since", err)
			lost.Since = since
		}
		if key, ok := r.key(block.Labels[0], block.TypeRange, "compromised", person, owners); ok {
			lost.Key = key
			all = append(all, lost)
		}
	}
	return all
}

// reservedPerson has a meaning of its own in a decision text.
const reservedPerson = "unproven"

// checkPerson holds for a person's name: a line of text that ssh does not read
// as a pattern, and that stays one name in a list of names.
func checkPerson(name string) error {
	if err := nhi.CheckText(name); err != nil {
		return err
	}
	if strings.ContainsAny(name, `*?!,"`) {
		return fmt.Errorf("a person's name must not hold any of * ? ! , \": %w", nhi.ErrInvalid)
	}
	if strings.EqualFold(name, reservedPerson) {
		return fmt.Errorf("the name is taken: %w", nhi.ErrInvalid)
	}
	return nil
}

func (r *reader) environments(body *hclsyntax.Body) []Environment {
	var environments []Environment
	names := map[string]bool{}
	for _, block := range r.blocks(body, "environment", maxEnvironments) {
		environment := Environment{Name: block.Labels[0]}
		r.check(block.TypeRange, "environment", nhi.CheckName(environment.Name))
		r.once(names, block.TypeRange, "environment", environment.Name)
		r.shape(block.Body, nil, map[string]int{"system": 1})
		taken := map[string]bool{}
		for _, inner := range r.blocks(block.Body, "system", maxSystems) {
			r.once(taken, inner.TypeRange, "system", inner.Labels[0])
			environment.Systems = append(environment.Systems, r.system(inner))
		}
		environments = append(environments, environment)
	}
	return environments
}

func (r *reader) system(block *hclsyntax.Block) System {
	system, at := System{Name: block.Labels[0]}, block.TypeRange
	r.check(at, "system", nhi.CheckName(system.Name))
	if system.Name == nhi.KindExternal {
		r.fail(at, "system %q: the name is taken by accesses that are on no system", system.Name)
	}
	if len(block.Body.Attributes) != 1 || len(block.Body.Blocks) != 0 {
		r.fail(at, "system %.60q must have exactly one attribute, KIND = ENDPOINT", system.Name)
		return system
	}
	for kind := range block.Body.Attributes {
		system.Kind = kind
		endpoint, at, ok := r.text(block.Body, kind, true)
		r.check(at, "kind", nhi.CheckName(kind))
		if kind == nhi.KindExternal {
			r.fail(at, "kind %q has no system and no endpoint", kind)
		}
		if ok {
			r.check(at, "endpoint", nhi.CheckText(endpoint))
			system.Endpoint = endpoint
		}
	}
	return system
}
