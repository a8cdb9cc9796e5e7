package postgres

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

const (
	// loginSeparator stands between an account's name and what tells its login roles apart.
	loginSeparator = "-"
	passwordBytes  = 24 // 192 bits
)

// loginEncoding has no capital letters, which people would have to quote.
var loginEncoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// Issue makes a login role that is a member of the account and ends at
// notAfter or with the account, whichever is first. The password leaves this
// process in the credential alone: the server gets a verifier of it.
//
// There is no connection limit: how many a client's pool takes is not for us
// to say, and the limit of the database holds.
func (s *system) Issue(ctx context.Context, account connector.Account, notAfter time.Time, _ nhi.Values) (connector.Credential, error) {
	if err := errors.Join(checkAccount(account), checkAccess(account.Access)); err != nil {
		return connector.Credential{}, err
	}
	name, password, err := newLogin(account)
	if err != nil {
		return connector.Credential{}, err
	}
	end := nhi.Earliest(notAfter, account.NotAfter).Truncate(time.Second)
	if end.IsZero() {
		return connector.Credential{}, fmt.Errorf("a credential needs an end: %w", nhi.ErrInvalid)
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return connector.Credential{}, err
	}
	_, err = s.change(ctx, []connector.Account{account}, func(_ context.Context, _ pgx.Tx, seen *snapshot) ([]string, error) {
		if err := seen.checkIssuable(account, end); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(seen.loginsOf(account), func(login *role) bool { return login.name == name }) {
			return nil, nil // the second look: it is there
		}
		return createLogin(account, name, verifier, end)
	})
	if err != nil {
		return connector.Credential{}, err
	}
	return s.credential(name, password, end), nil
}

func newLogin(account connector.Account) (name, password string, err error) {
	random := make([]byte, 5+passwordBytes)
	if _, err := rand.Read(random); err != nil {
		return "", "", fmt.Errorf("random: %w", err)
	}
	name = account.Principal + loginSeparator + loginEncoding.EncodeToString(random[:5])
	return name, base64.RawURLEncoding.EncodeToString(random[5:]), checkRoleName(name)
}

// checkIssuable holds for an account that is as it was approved, right now,
// and for an end that is still to come by the server's clock.
func (s *snapshot) checkIssuable(account connector.Account, end time.Time) error {
	seen := s.Of(account)
	if seen.State == connector.Foreign {
		_, foreign := s.find(account)
		return foreignError(foreign)
	}
	ours, _ := s.find(account)
	prepared := adopted(account) && !account.Enabled
	if seen.State != connector.Active || ours == nil || !ours.enabled() || prepared || !slices.Equal(seen.Privileges, privileges(account.Access)) {
		return fmt.Errorf("role %s is %s on the server and does not hold the approved roles: %w",
			shown(account.Principal), seen.State, nhi.ErrEnded)
	}
	if len(seen.Findings) > 0 {
		return fmt.Errorf("role %s is not as it was approved (%s): %w",
			shown(account.Principal), strings.Join(seen.Findings, "; "), nhi.ErrEnded)
	}
	if !end.After(s.now) {
		return fmt.Errorf("role %s ended %s: %w", shown(account.Principal), nhi.FormatTime(end), nhi.ErrEnded)
	}
	return nil
}

// createLogin returns the statements for a login role. Its sessions start as
// the account (role = …), so that what they create belongs to the account and
// the login role can be dropped when the credential is closed.
func createLogin(account connector.Account, name, verifier string, end time.Time) ([]string, error) {
	mark, err := literal(account.Mark.String() + loginSuffix)
	if err != nil {
		return nil, err
	}
	secret, err := literal(verifier)
	if err != nil {
		return nil, err
	}
	login, owner := quoted(name), quoted(account.Principal)
	return []string{
		"CREATE ROLE " + login + " LOGIN INHERIT PASSWORD " + secret + " " + validUntil(end),
		"COMMENT ON ROLE " + login + " IS " + mark,
		"GRANT " + owner + " TO " + login,
		"ALTER ROLE " + login + " SET role TO " + owner,
	}, nil
}

func (s *system) credential(name, password string, end time.Time) connector.Credential {
	return connector.Credential{
		Handle: name,
		Values: map[string]nhi.Secret{
			fieldUsername: nhi.NewSecret(name),
			fieldPassword: nhi.NewSecret(password),
			fieldHost:     nhi.NewSecret(s.at.Host()),
			fieldPort:     nhi.NewSecret(strconv.FormatUint(uint64(s.at.Port()), 10)),
			fieldDatabase: nhi.NewSecret(s.at.Database()),
			settingURL:    nhi.NewSecret(s.at.WithLogin(name, password)),
		},
		ExpiresAt: end,
	}
}

// Withdraw disables the login role, ends its sessions and drops it. The role
// is ours if it has the account's name before its own and carries the whole
// mark; anything else under the handle is nhi.ErrForeign. One that cannot be
// dropped, since it owns something, is nhi.ErrUnconfirmed and stays disabled.
func (s *system) Withdraw(ctx context.Context, account connector.Account, handle string) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	if err := checkRoleName(handle); err != nil {
		return err
	}
	if !strings.HasPrefix(handle, account.Principal+loginSeparator) {
		return fmt.Errorf("credential %s is not one of %s: %w", shown(handle), shown(account.Principal), nhi.ErrForeign)
	}
	chosen := func(seen *snapshot) []*role {
		return slices.DeleteFunc(seen.loginsOf(account), func(login *role) bool { return login.name != handle })
	}
	both := []connector.Account{account, {Principal: handle, Mark: account.Mark}}
	seen, err := s.change(ctx, both, func(_ context.Context, _ pgx.Tx, seen *snapshot) ([]string, error) {
		if found := chosen(seen); len(found) > 0 {
			ours, _ := seen.find(account)
			return seen.reshapeLogin(ours, found[0], shape{leaving: true}), nil
		}
		if found := seen.byName[handle]; found != nil {
			return nil, foreignError(found)
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	if err := s.clear(ctx, both, chosen(seen), chosen); err != nil {
		_, err = unconfirmed(connector.Observation{}, err)
		return err
	}
	return nil
}
