package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Lease names one activation of a grant: ID#ACTIVATION. It is what a
// credential is issued against, so that none outlives its activation.
type Lease struct {
	Grant      nhi.ApprovalID
	Activation int
}

// String writes the lease as ID#ACTIVATION.
func (l Lease) String() string { return string(l.Grant) + "#" + strconv.Itoa(l.Activation) }

// ParseLease reads what String wrote.
func ParseLease(text string) (Lease, error) {
	id, number, _ := strings.Cut(text, "#")
	grant, err := nhi.ParseApprovalID(id)
	if err != nil {
		return Lease{}, err
	}
	activation, err := strconv.Atoi(number)
	lease := Lease{Grant: grant, Activation: activation}
	if err != nil || activation < 1 || lease.String() != text {
		return Lease{}, fmt.Errorf("lease %.200q is not ID#ACTIVATION: %w", text, nhi.ErrInvalid)
	}
	return lease, nil
}

// Issued is a credential, and what is needed to withdraw it.
type Issued struct {
	connector.Credential
	Kind    string
	Held    ledger.Target
	Account connector.Account
}

// Issue makes a credential for one target of a lease. It asks the ledger, its
// root, the clock and the target itself: nhi.ErrEnded where the whole grant is
// not active under this activation now. It asks the ledger once more when the
// credential is there: one that came while the grant was ended is withdrawn.
// Options are those of the kind (connector.Kind.Options) that were asked for.
func (e *Engine) Issue(ctx context.Context, lease Lease, target string, ttl time.Duration, options nhi.Values) (Issued, error) {
	if _, err := e.Root(); err != nil {
		return Issued{}, err
	}
	record, now, err := e.leased(ctx, lease)
	if err != nil {
		return Issued{}, err
	}
	issued, err := e.issue(ctx, record, target, nhi.Earliest(now.Add(ttl), record.ExpiresAt), options)
	if err != nil {
		return Issued{}, err
	}
	if _, _, err := e.leased(ctx, lease); err != nil {
		return Issued{}, errors.Join(err, e.Withdraw(context.WithoutCancel(ctx), issued.Held, issued.Account, issued.Handle))
	}
	return issued, nil
}

// issue makes a credential for one target of a record, whose standing the
// caller has looked at.
func (e *Engine) issue(ctx context.Context, record Record, target string, notAfter time.Time, options nhi.Values) (Issued, error) {
	held, ok := record.Targets[target]
	if !ok || Retired(target) {
		return Issued{}, fmt.Errorf("the grant has no target %q: %w", target, nhi.ErrInvalid)
	}
	open, err := e.Systems.Connector(ctx, held)
	if err != nil {
		return Issued{}, err
	}
	issuer, ok := connector.IssuerOf(open)
	if !ok {
		return Issued{}, fmt.Errorf("target %q is %s, which issues no credentials: %w", target, held.Kind, nhi.ErrInvalid)
	}
	if options, err = e.options(held.Kind, options); err != nil {
		return Issued{}, err
	}
	account := record.Account(target)
	credential, err := issuer.Issue(ctx, account, notAfter, options)
	if err != nil {
		return Issued{}, err
	}
	return Issued{Credential: credential, Kind: held.Kind, Held: held, Account: account}, nil
}

// options holds what is asked for of a credential against its kind, and writes
// out the defaults.
func (e *Engine) options(kind string, asked nhi.Values) (nhi.Values, error) {
	described, _ := e.Systems.Kind(kind)
	complete, errs := setting.Complete(described.Options, asked)
	if len(errs) > 0 {
		return nil, fmt.Errorf("options: %w", errs[0])
	}
	for _, name := range asked.Names() {
		if _, known := complete[name]; !known {
			return nil, fmt.Errorf("options: a credential of kind %s has no option %.40q: %w", kind, name, nhi.ErrInvalid)
		}
	}
	return complete, nil
}

// leased returns the record and the time while the lease's activation is the
// one in force.
func (e *Engine) leased(ctx context.Context, lease Lease) (Record, time.Time, error) {
	op, err := e.begin(ctx, lease.Grant)
	if err != nil {
		return op.record, time.Time{}, err
	}
	now, err := e.Time(ctx)
	if err != nil {
		return op.record, now, err
	}
	identity, identities, err := e.identityOf(ctx, op.record)
	if err != nil {
		return op.record, now, err
	}
	if err := inForce(op.record, lease, identity, now); err != nil {
		return op.record, now, err
	}
	if by := e.blockedNow(ctx, op.record, identities); by != "" {
		return op.record, now, fmt.Errorf("blocked by %s: %w", by, nhi.ErrEnded)
	}
	if why, err := e.unvouched(op.record); why != "" || err != nil {
		return op.record, now, errors.Join(fmt.Errorf("the grant gives nothing (%s): %w", why, nhi.ErrEnded), err)
	}
	document, _, _ := e.PolicyInForce(ctx) // one that cannot be read ends nothing
	if why := e.reviewEnds(ctx, document, op.record, now); why != "" {
		return op.record, now, fmt.Errorf("%s: %w", why, nhi.ErrEnded)
	}
	return op.record, now, nil
}

// inForce holds where nothing has ended the lease.
func inForce(record Record, lease Lease, identity nhi.Identity, now time.Time) error {
	switch why := ended(identity, now); {
	case why != "":
		return fmt.Errorf("%s: %w", why, nhi.ErrEnded)
	case record.Phase != PhaseActive:
		return fmt.Errorf("the grant is not active: %w", nhi.ErrEnded)
	case record.Activation != lease.Activation:
		return fmt.Errorf("the lease is for activation %d, and activation %d is in force: %w", lease.Activation, record.Activation, nhi.ErrEnded)
	case overdue(now, record.ExpiresAt):
		return fmt.Errorf("the term ended %s: %w", shortTime(record.ExpiresAt), nhi.ErrEnded)
	}
	return nil
}

// Withdraw removes a credential that was issued: handle names it, held and
// account are its target. It needs no ledger.
func (e *Engine) Withdraw(ctx context.Context, held ledger.Target, account connector.Account, handle string) error {
	open, err := e.Systems.Connector(ctx, held)
	if err != nil {
		return err
	}
	issuer, ok := connector.IssuerOf(open)
	if !ok {
		return nil
	}
	return issuer.Withdraw(ctx, account, handle)
}
