package ssh

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Issue signs another certificate with the account's serial and options, until
// notAfter or the end of the term. It refuses (nhi.ErrEnded) what is not
// active, and (nhi.ErrForeign) what is not as approved.
func (s *system) Issue(ctx context.Context, account connector.Account, notAfter time.Time, _ nhi.Values) (connector.Credential, error) {
	signer, err := caSigner(s.caKeyFile)
	if err != nil {
		return connector.Credential{}, err
	}
	list, err := s.revocations.read(ctx)
	if err != nil {
		return connector.Credential{}, err
	}
	now := s.now()
	seen := holdings{list: list, ca: signer.PublicKey(), now: now}.Of(account)
	end := nhi.Earliest(notAfter, account.NotAfter, seen.NotAfter).Truncate(time.Second)
	switch {
	case seen.State == connector.Foreign || seen.State == connector.Active && len(seen.Findings) > 0:
		return connector.Credential{}, fmt.Errorf("%s is not as approved (%q): %w", account.Principal, seen.Findings, nhi.ErrForeign)
	case seen.State != connector.Active:
		return connector.Credential{}, fmt.Errorf("%s is not active (%s): %w", account.Principal, seen.State, nhi.ErrEnded)
	case !end.After(now):
		return connector.Credential{}, fmt.Errorf("the term of %s ended %s: %w", account.Principal, nhi.FormatTime(end), nhi.ErrEnded)
	}
	from := now
	if account.NotBefore.After(now) {
		from = account.NotBefore
	}
	certificate, err := sign(signer, account, from.Add(-skew), end)
	if err != nil {
		return connector.Credential{}, err
	}
	return connector.Credential{
		Handle:    fmt.Sprintf("%s/%d", seen.ID, certificate.ValidBefore),
		Values:    map[string]nhi.Secret{fieldCertificate: nhi.NewSecret(oneLine(certificate))},
		ExpiresAt: end,
	}, nil
}

// Withdraw does nothing: a certificate cannot be taken back alone. It ends by
// itself, at the time that it was issued for, and revoking the account revokes
// all of its certificates, because they share one serial.
func (s *system) Withdraw(ctx context.Context, _ connector.Account, _ string) error { return ctx.Err() }
