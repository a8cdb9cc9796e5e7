package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Revoke takes the memberships and every way to log in, ends the sessions,
// drops the login roles and the role, reads back and tries to log in. Roles
// that own something, or hold privileges on something, cannot be dropped:
// these stay, without any power, and the outcome is nhi.ErrUnconfirmed with
// findings that list what is in the way.
func (s *system) Revoke(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return each(ctx, poolSize, accounts, s.revokeOne)
}

func (s *system) revokeOne(ctx context.Context, account connector.Account) (connector.Observation, error) {
	if adopts(account.Access).Disable {
		return s.shut(ctx, account)
	}
	one := []connector.Account{account}
	seen, err := s.change(ctx, one, disarm(account))
	if err != nil {
		return connector.Observation{}, err
	}
	names := []string{account.Principal}
	for _, login := range seen.loginsOf(account) {
		names = append(names, login.name)
	}
	ours, _ := seen.find(account)
	if ours != nil {
		account = withOID(account, ours)
		one[0] = account
		names = append(names, ours.name)
	}
	before := seen
	all := func(seen *snapshot) []*role { return seen.owned(account) }
	if err := s.clear(ctx, one, all(seen), all); err != nil {
		return unconfirmed(before.Of(account), err)
	}
	if seen, err = s.look(ctx, one); err != nil {
		return unconfirmed(before.Of(account), err)
	}
	after := seen.Of(account)
	switch after.State {
	case connector.Absent:
		slices.Sort(names)
		if after, err = s.refused(ctx, after, slices.Compact(names)); err != nil {
			return unconfirmed(after, err)
		}
		return after, nil
	case connector.Foreign:
		_, foreign := seen.find(account)
		return after, foreignError(foreign)
	default:
		return unconfirmed(after, errors.New("the role was made again while it was removed"))
	}
}

// unconfirmed says that the removal was ordered and how far it came.
func unconfirmed(seen connector.Observation, err error) (connector.Observation, error) {
	if finding := "removal not finished: " + err.Error(); !slices.Contains(seen.Findings, finding) {
		seen.Findings = append(seen.Findings, finding)
	}
	seen.Verified = false
	if !errors.Is(err, nhi.ErrUnconfirmed) {
		err = fmt.Errorf("%w: %w", nhi.ErrUnconfirmed, err)
	}
	return seen, err
}

// disarm decides what takes all privileges and logins from what is ours. What
// else may have the account's name is left alone.
func disarm(account connector.Account) decision {
	return func(_ context.Context, _ pgx.Tx, seen *snapshot) ([]string, error) {
		nothing := shape{leaving: true, shut: adopts(account.Access).Disable}
		if ours, _ := seen.find(account); ours != nil {
			return seen.reshape(account, ours, nothing), nil
		}
		var statements []string
		for _, login := range seen.loginsOf(account) {
			statements = append(statements, seen.reshapeLogin(nil, login, nothing)...)
		}
		return statements, nil
	}
}

// clear ends the sessions of disarmed roles, and drops the roles that pick
// finds, the accounts' own role last.
func (s *system) clear(ctx context.Context, accounts []connector.Account, disarmed []*role, pick func(*snapshot) []*role) error {
	if len(disarmed) == 0 {
		return nil
	}
	var oids []uint32
	for _, r := range disarmed {
		oids = append(oids, r.oid)
	}
	if err := s.endSessions(ctx, oids); err != nil {
		return err
	}
	var reasons []string
	var over handover
	_, err := s.change(ctx, accounts, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		var statements []string
		var err error
		statements, reasons, err = s.drops(ctx, tx, seen, pick(seen), &over)
		return statements, err
	})
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		return staysError(accounts[0], reasons)
	}
	// A login that was let in just before it was disabled may have shown up late.
	return s.endSessions(ctx, oids)
}

// owned returns the account's login roles and then its role, as far as they
// are there and ours.
func (s *snapshot) owned(account connector.Account) []*role {
	roles := s.loginsOf(account)
	if ours, _ := s.find(account); ours != nil {
		roles = append(roles, ours)
	}
	return roles
}

// drops returns the statements that drop what can be dropped, and the reasons
// why the rest cannot. What they own here goes to the heir, where there is one.
// The last role stays as long as one before it stays: it
// is the account that the others are login roles of.
func (s *system) drops(ctx context.Context, tx pgx.Tx, seen *snapshot, roles []*role, over *handover) (statements, reasons []string, err error) {
	if len(roles) == 0 {
		return nil, nil, nil
	}
	blocked, err := dependents(ctx, tx, roles)
	if err != nil {
		return nil, nil, err
	}
	if s.heir != "" {
		if statements, err = over.statements(ctx, tx, s, seen, slices.DeleteFunc(slices.Clone(roles), func(r *role) bool {
			return !slices.ContainsFunc(blocked[r.oid], func(d dependent) bool { return d.here })
		})); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range roles {
		left := 0
		for _, d := range blocked[r.oid] {
			if s.heir == "" || !d.here {
				reasons = append(reasons, d.text)
				left++
			}
		}
		isLogin := strings.HasSuffix(r.comment, loginSuffix)
		if left == 0 && (isLogin || len(reasons) == 0) {
			statements = append(statements, "DROP ROLE "+quoted(r.name))
		}
	}
	return statements, reasons, nil
}

// withOID pins the account to the very object that was found.
func withOID(account connector.Account, r *role) connector.Account {
	account.ID = strconv.FormatUint(uint64(r.oid), 10)
	return account
}
