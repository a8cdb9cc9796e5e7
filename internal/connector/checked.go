package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// How long a guarded call may take: a base, more for each account, and a short
// grace in which a connector that honours its context can still say what it did.
const (
	DefaultDeadline           = 30 * time.Second
	DefaultDeadlinePerAccount = 2 * time.Second
	defaultGrace              = 2 * time.Second
)

// Option changes how Checked guards.
type Option func(*checked)

// WithDeadline sets how long a call may take: base, and perAccount more for
// each account that it is about.
func WithDeadline(base, perAccount time.Duration) Option {
	return func(c *checked) { c.base, c.perAccount = base, perAccount }
}

// WithGrace sets how long a call whose deadline has passed is still waited for.
func WithGrace(grace time.Duration) Option {
	return func(c *checked) { c.grace = grace }
}

// Checked returns the guard around an open connector of a system called name.
// The lifecycle talks to guarded connectors alone. The guard
//
//   - refuses accounts with a hostile principal or mark (nhi.ErrInvalid) before
//     the connector sees them;
//   - gives every call a deadline, and answers nhi.ErrUnreachable for what did
//     not answer within it, also where the connector ignores its context;
//   - rejects (nhi.ErrUnreachable) an answer of the wrong length, about another
//     principal or id, in a state that the call cannot end in, or over the
//     bounds; a removal that ended in anything but Absent is nhi.ErrUnconfirmed;
//   - turns a panic into an error;
//   - puts the system's name before each error, cuts it, makes it printable, and
//     takes every secret of settings out of it. Only the sentinel errors of
//     package nhi and of context stay behind it for errors.Is: what a client
//     library wrapped may hold the secret again.
//
// The result is an Issuer if, and only if, inner is one.
func Checked(kind Kind, name string, settings setting.Settings, inner Connector, options ...Option) Connector {
	if name == "" {
		name = kind.Name
	}
	c := &checked{
		kind: kind, name: name, inner: inner, secrets: newRedactor(settings),
		base: DefaultDeadline, perAccount: DefaultDeadlinePerAccount, grace: defaultGrace,
	}
	for _, option := range options {
		option(c)
	}
	if issuer, ok := inner.(Issuer); ok {
		return &checkedIssuer{checked: c, issuer: issuer}
	}
	return c
}

// IssuerOf returns the connector as an Issuer, where it is one.
func IssuerOf(c Connector) (Issuer, bool) {
	issuer, ok := c.(Issuer)
	return issuer, ok
}

// Look returns what holdings found of an account. Over a guarded connector it
// is the error, where the answer was rejected, that Holdings.Of cannot return:
// there such an answer has the state "", which is none.
func Look(holdings Holdings, account Account) (Observation, error) {
	if guarded, ok := holdings.(*checkedHoldings); ok {
		return guarded.look(account)
	}
	return holdings.Of(account), nil
}

var (
	_ Connector = (*checked)(nil)
	_ Issuer    = (*checkedIssuer)(nil)
)

type checked struct {
	kind             Kind
	name             string
	inner            Connector
	secrets          redactor
	base, perAccount time.Duration
	grace            time.Duration
	closing          sync.Once
	closed           error
}

func (c *checked) Read(ctx context.Context, accounts []Account) (Holdings, error) {
	for _, account := range accounts {
		if err := c.checkAccount(account); err != nil {
			return nil, c.guard(err)
		}
	}
	holdings, err := within(ctx, c, len(accounts), func(ctx context.Context) (Holdings, error) {
		return c.inner.Read(ctx, slices.Clone(accounts))
	})
	if err == nil && holdings == nil {
		err = fmt.Errorf("read answered nothing: %w", nhi.ErrUnreachable)
	}
	if err != nil {
		return nil, c.guard(err)
	}
	return &checkedHoldings{guard: c, inner: holdings}, nil
}

func (c *checked) Prepare(ctx context.Context, accounts []Account) []Outcome {
	return c.effect(ctx, preparing, accounts, c.inner.Prepare)
}

func (c *checked) Enable(ctx context.Context, accounts []Account) []Outcome {
	return c.effect(ctx, enabling, accounts, c.inner.Enable)
}

func (c *checked) Revoke(ctx context.Context, accounts []Account) []Outcome {
	return c.effect(ctx, revoking, accounts, c.inner.Revoke)
}

func (c *checked) Probe(ctx context.Context, accounts []Account) []Outcome {
	return c.effect(ctx, probing, accounts, c.inner.Probe)
}

// Close closes the connector once; later calls return what the first one did.
func (c *checked) Close() error {
	c.closing.Do(func() {
		_, err := within(context.Background(), c, 0, func(context.Context) (struct{}, error) {
			return struct{}{}, c.inner.Close()
		})
		c.closed = c.guard(err)
	})
	return c.closed
}

// effect hands the accounts that are well formed to call, and returns one
// examined outcome for each account, in order.
func (c *checked) effect(ctx context.Context, verb verb, accounts []Account, call func(context.Context, []Account) []Outcome) []Outcome {
	outcomes := make([]Outcome, len(accounts))
	var asked []Account
	var at []int
	for i, account := range accounts {
		if err := c.checkAccount(account); err != nil {
			outcomes[i] = c.failed(account, err)
			continue
		}
		asked, at = append(asked, account), append(at, i)
	}
	if len(asked) == 0 {
		return outcomes
	}
	answers, err := within(ctx, c, len(asked), func(ctx context.Context) ([]Outcome, error) {
		return call(ctx, slices.Clone(asked)), nil
	})
	if err == nil && len(answers) != len(asked) {
		err = fmt.Errorf("%s %d accounts had %d answers: %w", verb.name, len(asked), len(answers), nhi.ErrUnreachable)
	}
	for j, i := range at {
		if err != nil {
			outcomes[i] = c.failed(accounts[i], err)
			continue
		}
		outcomes[i] = c.examine(verb, accounts[i], answers[j])
	}
	return outcomes
}

func (c *checked) failed(account Account, err error) Outcome {
	return Outcome{Observation: Observation{Principal: account.Principal, ID: account.ID}, Err: c.guard(err)}
}

// checkedHoldings guards the answers of one read.
type checkedHoldings struct {
	guard *checked
	inner Holdings
}

func (h *checkedHoldings) Of(account Account) Observation {
	observation, err := h.look(account)
	if err != nil {
		return Observation{Principal: account.Principal, Findings: []string{err.Error()}}
	}
	return observation
}

func (h *checkedHoldings) look(account Account) (Observation, error) {
	if err := h.guard.checkAccount(account); err != nil {
		return Observation{}, h.guard.guard(err)
	}
	observation, err := calm(func() (Observation, error) { return h.inner.Of(account), nil })
	if err != nil {
		return Observation{}, h.guard.guard(err)
	}
	outcome := h.guard.examine(reading, account, Outcome{Observation: observation})
	return outcome.Observation, outcome.Err
}

// within runs call under the guard's deadline for n accounts. A call that does
// not come back is left behind: whatever it still does is for the next
// observation to find, which is why its outcome is unknown and never success.
func within[T any](ctx context.Context, c *checked, n int, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.base+time.Duration(n)*c.perAccount)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err // nothing was asked of the system
	}
	done := make(chan result, 1)
	go func() {
		value, err := calm(func() (T, error) { return call(ctx) })
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(c.grace)
	defer grace.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-grace.C:
		return none, fmt.Errorf("did not answer: %w", errors.Join(nhi.ErrUnreachable, ctx.Err()))
	}
}

// calm runs call and returns a panic in it as an error.
func calm[T any](call func() (T, error)) (value T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the connector failed (panic: %v): %w", cause, nhi.ErrUnreachable)
		}
	}()
	return call()
}
