package postgres

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Probe asks the server again. There is no password to try an active account
// with, so Active is what the server says of the role and its memberships.
// Absent is more: the server refused a login under the account's name, and
// under its login roles' names, as it was tried.
func (s *system) Probe(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return each(ctx, poolSize, accounts, s.probe)
}

func (s *system) probe(ctx context.Context, account connector.Account) (connector.Observation, error) {
	seen, err := s.look(ctx, []connector.Account{account})
	if err != nil {
		return connector.Observation{}, err
	}
	now := seen.Of(account)
	switch now.State {
	case connector.Active:
		return now, nil
	case connector.Foreign:
		_, foreign := seen.find(account)
		return now, foreignError(foreign)
	}
	names := []string{account.Principal}
	for _, r := range seen.owned(account) {
		if r.name != account.Principal {
			names = append(names, r.name)
		}
	}
	now.State = connector.Absent
	return s.refused(ctx, now, names)
}

// refused returns the observation if the server refuses a login under each of
// the names; otherwise nhi.ErrUnconfirmed (it let one in) or nhi.ErrUnreachable
// (it gave no clear answer).
func (s *system) refused(ctx context.Context, seen connector.Observation, names []string) (connector.Observation, error) {
	for _, name := range names {
		accepted, err := s.tryLogin(ctx, name)
		if err != nil {
			seen.Verified = false
			return seen, unreachable(ctx, "try to log in as "+shown(name), err)
		}
		if accepted {
			seen.Verified = false
			return seen, fmt.Errorf("the server lets %s in without its password (a trust line in pg_hba.conf?): %w",
				shown(name), nhi.ErrUnconfirmed)
		}
	}
	return seen, nil
}

// tryLogin tries to log in with a password that nobody has. Refused is only
// what the server itself says about the login; that the database or a free
// place is missing, is said to those who are let in as well.
func (s *system) tryLogin(ctx context.Context, name string) (accepted bool, err error) {
	config, err := s.at.LoginConfig(name, rand.Text())
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.at.Timeout())
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		_ = conn.Close(ctx) // it is the answer that counts
		return true, nil
	}
	switch codeOf(err) {
	case codeInvalidPassword, codeInvalidAuthorization:
		return false, nil
	case codePermission:
		return true, nil // let in, and then not allowed to CONNECT to this database
	}
	return false, err
}
