package cli

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// subject is what a command is about: a grant, or a whole identity.
type subject struct {
	identity nhi.IdentityID
	grant    nhi.ApprovalID // empty where it is the whole identity
}

// String returns the id that was typed.
func (s subject) String() string {
	if s.grant != "" {
		return string(s.grant)
	}
	return string(s.identity)
}

// chain is the one that holds a block of the subject.
func (s subject) chain() string {
	if s.grant != "" {
		return ledger.GrantChain(s.grant)
	}
	return ledger.IdentityChain(s.identity)
}

// subjects reads the arguments, each once, in their order: ENVIRONMENT/SCOPE/NAME
// is an identity, and with :APPROVAL behind it a grant.
func subjects(args []string) ([]subject, error) {
	if len(args) == 0 {
		return nil, usage("say which: IDENTITY (environment/scope/name) or GRANT (environment/scope/name:approval)")
	}
	var all []subject
	for _, arg := range args {
		one := subject{}
		var err error
		if strings.Contains(arg, ":") {
			one.grant, err = nhi.ParseApprovalID(arg)
			one.identity = one.grant.Identity()
		} else {
			one.identity, err = nhi.ParseIdentityID(arg)
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all, nil
}

// approvalsOf returns the approvals of a subject that have a record.
func (d *desk) approvalsOf(ctx context.Context, s subject) ([]nhi.ApprovalID, error) {
	book, err := d.engine.Book()
	if err != nil {
		return nil, err
	}
	prefix := ledger.ApprovalChain(nhi.ApprovalID(s.identity + ":"))
	if s.grant != "" {
		prefix = ledger.ApprovalChain(s.grant)
	}
	chains, err := book.Chains(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var ids []nhi.ApprovalID
	for _, name := range chains {
		_, id, err := ledger.Subject(name)
		if err != nil {
			return nil, err
		}
		if s.grant == "" || s.grant == nhi.ApprovalID(id) {
			ids = append(ids, nhi.ApprovalID(id))
		}
	}
	return ids, nil
}

// voter loads a key and says whose it is by the policy in force.
func (a *app) voter(ctx context.Context, d *desk, path string) (ssh.Signer, policy.Approver, error) {
	document, _, err := d.engine.PolicyInForce(ctx)
	if err != nil {
		return nil, policy.Approver{}, err
	}
	signer, err := a.signer(ctx, path)
	if err != nil {
		return nil, policy.Approver{}, err
	}
	person, known := document.Person(signer.PublicKey())
	if !known {
		return nil, person, wrong("the key %s belongs to nobody in the policy", fingerprint(signer.PublicKey()))
	}
	return signer, person, nil
}

// unprovenOperator names who runs this, as far as the machine knows.
func unprovenOperator() string {
	name, host := "somebody", "unknown host"
	if current, err := user.Current(); err == nil && current.Username != "" {
		name = current.Username
	}
	if known, err := os.Hostname(); err == nil && known != "" {
		host = known
	}
	return fmt.Sprintf("unproven: %s@%s", name, host)
}

// sure asks before something is done; only "yes" is a yes.
func (a *app) sure(ctx context.Context, question string, yes bool) error {
	if yes {
		return nil
	}
	if a.Terminal == nil {
		return usage("there is no terminal to ask on: say --yes")
	}
	answer, err := a.Terminal.Ask(ctx, visible(question)+" Only \"yes\" is a yes: ")
	if err != nil {
		return fmt.Errorf("nothing was done: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return wrong("nothing was done")
	}
	return nil
}

// catchUp writes to the ledger what waited in the spool. What cannot be written
// stops nothing.
func (a *app) catchUp(ctx context.Context, d *desk) {
	if err := d.engine.Flush(ctx); err != nil {
		a.note("Records of earlier removals still wait to be written: %s", err)
	}
}

// waiting says on a page that records of removals wait for the ledger, and
// returns how many.
func (a *app) waiting(d *desk, p *page) int {
	waiting, err := d.engine.Waiting()
	if err != nil {
		p.marked("!", yellow, "Whether records of removals wait cannot be seen: %s", err)
	}
	if waiting > 0 {
		p.marked("!", yellow, "%s of removals or blocks, made while the ledger was away, wait in %s: nhi sweep --revoke, nhi revoke or an apply writes them.",
			count(waiting, "record"), a.SpoolDir)
	}
	return waiting
}

// held reads what the ledger says of each grant of a subject.
func (d *desk) held(ctx context.Context, s subject) ([]lifecycle.Record, error) {
	book, err := d.engine.Book()
	if err != nil {
		return nil, err
	}
	chains, err := book.Chains(ctx, ledger.GrantChain(nhi.ApprovalID(s.identity+":")))
	if err != nil {
		return nil, err
	}
	var records []lifecycle.Record
	for _, name := range chains {
		_, id, err := ledger.Subject(name)
		if err != nil {
			return nil, err
		}
		if s.grant != "" && s.grant != nhi.ApprovalID(id) {
			continue
		}
		// A broken chain is no reason to stop: what is intact of it is shown.
		chain, _ := book.Read(ctx, name)
		records = append(records, lifecycle.Fold(nhi.ApprovalID(id), chain))
	}
	return records, nil
}
