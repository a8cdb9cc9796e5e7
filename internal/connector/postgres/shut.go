package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
)

// shut makes a role that was taken over useless, and leaves it standing without
// our mark: no login, no password, an end in the past, no roles, no members. A
// role that was never taken over, because its intent was not carried out, is
// left in peace. One of ours whose mark was edited by hand is shut as well; so
// is one that was shut and opened again, if it is revoked once more.
func (s *system) shut(ctx context.Context, account connector.Account) (connector.Observation, error) {
	one := []connector.Account{account}
	seen, err := s.change(ctx, one, disarm(account))
	if err != nil {
		return connector.Observation{}, err
	}
	logins := func(seen *snapshot) []*role { return seen.loginsOf(account) }
	ours, foreign := seen.find(account)
	switch {
	case ours == nil && foreign != nil && !account.Enabled && withOID(account, foreign).ID == account.ID:
		return released(account, foreign), nil
	case ours == nil && foreign != nil:
		return seen.Of(account), foreignError(foreign)
	case ours != nil:
		account = withOID(account, ours)
		one[0] = account
	}
	names := []string{account.Principal}
	for _, r := range seen.owned(account) {
		names = append(names, r.name)
	}
	before := seen.Of(account)
	if err := s.clear(ctx, one, seen.owned(account), logins); err != nil {
		return unconfirmed(before, err)
	}
	if err := s.unmark(ctx, account); err != nil {
		return unconfirmed(before, err)
	}
	if seen, err = s.look(ctx, one); err != nil {
		return unconfirmed(before, err)
	}
	after := seen.Of(account)
	oid, _ := accountOID(account) // it was found by it
	if stays := seen.roles[oid]; stays != nil && oid != 0 {
		if !seen.isShut(stays) || stays.comment == account.Mark.String() {
			return unconfirmed(after, errors.New("the role was changed again while it was shut"))
		}
		after = released(account, stays)
	} else if after.State != connector.Absent {
		return unconfirmed(after, errors.New("what is left of the role was changed again while it was shut"))
	}
	slices.Sort(names)
	if after, err = s.refused(ctx, after, slices.Compact(names)); err != nil {
		return unconfirmed(after, err)
	}
	return after, nil
}

// unmark puts back the comment that a role had before it was taken over.
func (s *system) unmark(ctx context.Context, account connector.Account) error {
	comment := ""
	if found := recorded(account).Found; found != nil {
		comment = found.Comment
	}
	_, err := s.change(ctx, []connector.Account{account}, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		ours, _ := seen.find(account)
		if ours == nil || ours.comment != account.Mark.String() {
			return nil, nil
		}
		statement, err := commentOn(ctx, tx, ours.name, comment)
		return []string{statement}, err
	})
	return err
}

// commentOn returns the statement that sets a role's comment, which may hold
// anything: the server itself quotes it.
func commentOn(ctx context.Context, tx pgx.Tx, name, comment string) (string, error) {
	if comment == "" {
		return "COMMENT ON ROLE " + quoted(name) + " IS NULL", nil
	}
	var statement string
	const format = "SELECT pg_catalog.format('COMMENT ON ROLE %I IS %L', $1::text, $2::text)"
	err := tx.QueryRow(ctx, format, name, comment).Scan(&statement)
	return statement, err
}

// isShut says whether a role is of no use to anybody. Privileges on objects and
// what it owns stay with it.
func (s *snapshot) isShut(r *role) bool {
	return !r.login && r.endedLongAgo() && len(repairs(powersOf(r))) == 0 && len(s.holds[r.oid]) == 0 && len(s.intruders(r, nil)) == 0
}

// released says that a role stands and is not ours.
func released(account connector.Account, r *role) connector.Observation {
	return connector.Observation{
		Principal: account.Principal, ID: strconv.FormatUint(uint64(r.oid), 10), State: connector.Released,
		EnforcedBy: connector.EnforcedByApply, Verified: true,
	}
}
