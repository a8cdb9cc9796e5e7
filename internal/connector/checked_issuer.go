package connector

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// checkedIssuer is the guard around a connector that can issue.
type checkedIssuer struct {
	*checked
	issuer Issuer
}

// Issue guards Issuer.Issue. A credential that came too late, ends too late or
// holds a value that the kind does not describe is withdrawn and not returned.
func (c *checkedIssuer) Issue(ctx context.Context, account Account, notAfter time.Time, options nhi.Values) (Credential, error) {
	if err := c.checkAccount(account); err != nil {
		return Credential{}, c.guard(err)
	}
	credential, err := within(ctx, c.checked, 1, func(ctx context.Context) (Credential, error) {
		credential, err := c.issuer.Issue(ctx, account, notAfter, options)
		if err == nil && ctx.Err() != nil {
			c.discard(account, credential)
			return Credential{}, ctx.Err()
		}
		return credential, err
	})
	if err != nil {
		return Credential{}, c.guard(err)
	}
	if err := c.checkCredential(credential, notAfter); err != nil {
		c.discard(account, credential)
		return Credential{}, c.guard(err)
	}
	return credential, nil
}

// Withdraw guards Issuer.Withdraw.
func (c *checkedIssuer) Withdraw(ctx context.Context, account Account, handle string) error {
	if err := c.checkAccount(account); err != nil {
		return c.guard(err)
	}
	_, err := within(ctx, c.checked, 1, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.issuer.Withdraw(ctx, account, handle)
	})
	return c.guard(err)
}

// discard withdraws a credential that nobody will get. Where that fails, its
// own end and the account's revocation are left.
func (c *checkedIssuer) discard(account Account, credential Credential) {
	ctx, cancel := context.WithTimeout(context.Background(), c.base)
	defer cancel()
	_, _ = calm(func() (struct{}, error) {
		return struct{}{}, c.issuer.Withdraw(ctx, account, credential.Handle)
	})
}

func (c *checkedIssuer) checkCredential(credential Credential, notAfter time.Time) error {
	if credential.ExpiresAt.IsZero() || credential.ExpiresAt.After(notAfter) {
		return fmt.Errorf("issued a credential that ends later than asked for (%s): %w", nhi.FormatTime(notAfter), nhi.ErrUnreachable)
	}
	described := map[string]bool{}
	for _, field := range c.kind.Credential {
		described[field.Name] = true
	}
	for name := range credential.Values {
		if !described[name] {
			return fmt.Errorf("issued a value %.40q that %s does not describe: %w", name, c.kind.Name, nhi.ErrUnreachable)
		}
	}
	return nil
}
