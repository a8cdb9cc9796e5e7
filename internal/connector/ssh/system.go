package ssh

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

var (
	_ connector.Connector = (*system)(nil)
	_ connector.Issuer    = (*system)(nil)
)

// system is one open certificate authority.
type system struct {
	config
	now         func() time.Time
	revocations revocations
}

// open prepares a system. Files are read at first use.
func open(settings setting.Settings, now func() time.Time) (connector.Connector, error) {
	read, err := readConfig(settings)
	if err != nil {
		return nil, err
	}
	return &system{config: read, now: now, revocations: revocations{read.krlFile}}, nil
}

// Close implements connector.Connector. Nothing is held open.
func (s *system) Close() error { return nil }

// holdings is one read of the revocation list, at one time.
type holdings struct {
	list held
	ca   ssh.PublicKey
	now  time.Time
}

// Read reads the revocation list, which answers for every account there is:
// what was issued is in the account's own evidence. It does not ask the probed
// hosts, so a revoked certificate is Absent and not verified until its end.
func (s *system) Read(ctx context.Context, _ []connector.Account) (connector.Holdings, error) {
	ca, err := caPublicKey(s.caKeyFile)
	if err != nil {
		return nil, err
	}
	list, err := s.revocations.read(ctx)
	if err != nil {
		return nil, err
	}
	return holdings{list: list, ca: ca, now: s.now()}, nil
}

// Of implements connector.Holdings.
func (h holdings) Of(account connector.Account) connector.Observation {
	seen := connector.Observation{Principal: account.Principal, ID: idOf(account), EnforcedBy: connector.EnforcedByTarget}
	certificate, err := parseEvidence(account)
	switch {
	case err != nil:
		seen.State, seen.Findings = connector.Foreign, []string{err.Error()}
		return seen
	case certificate == nil:
		return h.withoutEvidence(account, seen)
	}
	seen.Evidence, seen.NotAfter = account.Evidence, endOf(certificate)
	switch {
	case !h.now.Before(seen.NotAfter):
		seen.State, seen.Verified = connector.Absent, true
		seen.Findings = []string{"the certificate ended " + nhi.FormatTime(seen.NotAfter)}
	case h.list.Revokes(certificate):
		seen.State, seen.UsableUntil = connector.Absent, seen.NotAfter
		seen.Findings = []string{fmt.Sprintf("the certificate (serial %d) is in the revocation list", certificate.Serial)}
	default:
		seen.State, seen.UsableUntil, seen.Verified = connector.Active, seen.NotAfter, true
		seen.Privileges = heldBy(certificate)
		seen.Findings = differences(certificate, account, h.ca)
		if h.list.missing {
			seen.Findings = append(seen.Findings, "there is no revocation list, so sshd refuses everybody")
		}
	}
	return seen
}

// withoutEvidence observes an account of which no certificate is known. One
// may have been signed and lost, where Enable has begun: Revoke knows that.
func (h holdings) withoutEvidence(account connector.Account, seen connector.Observation) connector.Observation {
	seen.State, seen.Verified = connector.Inert, true
	if h.list.RevokesSerial(h.ca, serialOf(account.Mark)) {
		seen.State, seen.Verified = connector.Absent, !h.now.Before(account.NotAfter)
		if !seen.Verified {
			seen.UsableUntil = account.NotAfter
		}
	}
	return seen
}

// Prepare makes the revocation list, where there is none yet: without one,
// sshd refuses everybody. The CA itself knows no accounts, so one that was
// never enabled is inert as it is, and one that was stays as it is.
func (s *system) Prepare(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	ca, err := caPublicKey(s.caKeyFile)
	var list held
	if err == nil {
		list, err = s.revocations.update(ctx, s.now(), func(held) (bool, error) { return false, nil })
	}
	return each(accounts, func(account connector.Account) (connector.Observation, error) {
		if err != nil {
			return connector.Observation{}, err
		}
		seen := holdings{list: list, ca: ca, now: s.now()}.Of(account)
		return seen, usable(seen)
	})
}

// usable holds for an account that is inert or active: what was revoked or has
// ended does not come back.
func usable(seen connector.Observation) error {
	switch seen.State {
	case connector.Absent:
		return fmt.Errorf("%s was revoked or has ended, and needs a new activation: %w", seen.Principal, nhi.ErrEnded)
	case connector.Foreign:
		return fmt.Errorf("%s: %q: %w", seen.Principal, seen.Findings, nhi.ErrForeign)
	default:
		return nil
	}
}

// Enable signs a certificate and returns it as evidence. It holds the lock of
// the revocation list while it does, so that nothing is signed for an account
// that somebody revokes meanwhile. A certificate that is there already is kept.
func (s *system) Enable(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	var outcomes []connector.Outcome
	signer, err := caSigner(s.caKeyFile)
	if err == nil {
		_, err = s.revocations.update(ctx, s.now(), func(list held) (bool, error) {
			list.missing = false // it is made when this returns
			found := holdings{list: list, ca: signer.PublicKey(), now: s.now()}
			outcomes = each(accounts, func(account connector.Account) (connector.Observation, error) {
				return enable(signer, found, account)
			})
			return false, nil
		})
	}
	if err != nil {
		return each(accounts, func(connector.Account) (connector.Observation, error) { return connector.Observation{}, err })
	}
	return outcomes
}

func enable(signer ssh.Signer, found holdings, account connector.Account) (connector.Observation, error) {
	seen := found.Of(account)
	if err := usable(seen); err != nil {
		return seen, err
	}
	if seen.State == connector.Active {
		if len(seen.Findings) > 0 {
			return seen, fmt.Errorf("a certificate cannot be changed (%q), only revoked and signed anew: %w", seen.Findings, nhi.ErrInvalid)
		}
		return seen, nil
	}
	if !found.now.Before(account.NotAfter) {
		return seen, fmt.Errorf("the term ended %s: %w", nhi.FormatTime(account.NotAfter), nhi.ErrEnded)
	}
	certificate, err := sign(signer, account, account.NotBefore.Add(-skew), account.NotAfter)
	if err != nil {
		return seen, err
	}
	account.Evidence = oneLine(certificate)
	return found.Of(account), nil
}

// heldBy returns what a certificate gives, in the words of privileges.
func heldBy(certificate *ssh.Certificate) []string {
	extensions := make([]string, 0, len(certificate.Extensions))
	for extension := range certificate.Extensions {
		extensions = append(extensions, extension)
	}
	return privilegesOf(slices.Clone(certificate.ValidPrincipals), extensions)
}

// each runs do for every account and puts its error beside what it observed.
func each(accounts []connector.Account, do func(connector.Account) (connector.Observation, error)) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(accounts))
	for i, account := range accounts {
		seen, err := do(account)
		if seen.Principal == "" {
			seen.Principal, seen.ID = account.Principal, idOf(account)
		}
		outcomes[i] = connector.Outcome{Observation: seen, Err: err}
	}
	return outcomes
}
