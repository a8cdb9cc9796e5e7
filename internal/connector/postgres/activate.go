package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Prepare makes each account exist as a role that can do nothing. Of a role of
// ours from an unfinished intent it takes the memberships, ends the sessions
// and drops the login roles. The changes queue on one lock, so they run one
// after another.
func (s *system) Prepare(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return each(ctx, 1, accounts, s.prepare)
}

func (s *system) prepare(ctx context.Context, account connector.Account) (connector.Observation, error) {
	if err := checkAccess(account.Access); err != nil {
		return connector.Observation{}, err
	}
	if adopted(account) {
		return s.takeOver(ctx, account)
	}
	created := false
	seen, err := s.change(ctx, []connector.Account{account}, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		ours, foreign := seen.find(account)
		switch {
		case foreign != nil:
			return nil, foreignError(foreign)
		case ours == nil && account.ID != "":
			// It was there and is gone: another one under its name is not it.
			return nil, fmt.Errorf("role %s (OID %s) is gone: %w", shown(account.Principal), account.ID, errStays)
		}
		if err := checkApproved(ctx, tx, account); err != nil {
			return nil, err
		}
		if ours != nil {
			return seen.reshape(account, ours, shape{}), nil
		}
		created = true
		return create(account)
	})
	if err != nil {
		return connector.Observation{}, err
	}
	ours, _ := seen.find(account)
	if created && len(seen.loginsOf(account)) == 0 {
		return seen.Of(account), nil
	}
	return s.strip(ctx, withOID(account, ours), seen.owned(account))
}

// strip ends the sessions of an account that is inert by now, and drops its
// login roles.
func (s *system) strip(ctx context.Context, account connector.Account, disarmed []*role) (connector.Observation, error) {
	one := []connector.Account{account}
	logins := func(seen *snapshot) []*role { return seen.loginsOf(account) }
	if err := s.clear(ctx, one, disarmed, logins); err != nil {
		return connector.Observation{}, err
	}
	seen, err := s.look(ctx, one)
	if err != nil {
		return connector.Observation{}, err
	}
	ours, _ := seen.find(account)
	if ours == nil {
		return seen.Of(account), fmt.Errorf("role %s went away while it was prepared: %w", shown(account.Principal), errStays)
	}
	return seen.Of(account), seen.checkDirect(account, ours)
}

// create returns the statements for a new account. All attributes other than
// these are off by default. The mark comes in the same transaction, so there
// is no role of ours without one.
func create(account connector.Account) ([]string, error) {
	mark, err := literal(account.Mark.String())
	if err != nil {
		return nil, err
	}
	name := quoted(account.Principal)
	return []string{"CREATE ROLE " + name + " NOLOGIN INHERIT", "COMMENT ON ROLE " + name + " IS " + mark}, nil
}

// Enable makes each account a member of exactly the approved roles, until
// NotAfter, and takes back whatever was changed by hand. A privilege on an
// object that was given to the role directly cannot be taken back from here
// (it may be in another database): that is an error that says so.
func (s *system) Enable(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return each(ctx, 1, accounts, s.enable)
}

func (s *system) enable(ctx context.Context, account connector.Account) (connector.Observation, error) {
	want := shape{roles: account.Access.Items(settingRoles), end: account.NotAfter, logins: true}
	if err := checkAccess(account.Access); err != nil {
		return connector.Observation{}, err
	}
	if want.end.IsZero() {
		return connector.Observation{}, fmt.Errorf("role %s has no end: %w", shown(account.Principal), nhi.ErrInvalid)
	}
	if adopted(account) {
		return s.enableTaken(ctx, account, want)
	}
	var loggedIn []uint32 // the account itself, where its LOGIN was switched on by hand
	seen, err := s.change(ctx, []connector.Account{account}, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		ours, foreign := seen.find(account)
		switch {
		case foreign != nil:
			return nil, foreignError(foreign)
		case ours == nil:
			return nil, fmt.Errorf("role %s is not there to be enabled: prepare it first: %w", shown(account.Principal), errStays)
		}
		if err := checkApproved(ctx, tx, account); err != nil {
			return nil, err
		}
		if ours.login {
			loggedIn = []uint32{ours.oid}
		}
		return seen.reshape(account, ours, want), seen.checkDirect(account, ours)
	})
	if err != nil {
		return connector.Observation{}, err
	}
	if len(loggedIn) > 0 {
		if err := s.endSessions(ctx, loggedIn); err != nil {
			return seen.Of(account), err
		}
	}
	return seen.enabled(account)
}

// enabled observes an account that was just enabled, with its evidence.
func (s *snapshot) enabled(account connector.Account) (connector.Observation, error) {
	kept := recorded(account)
	kept.Reach = s.reachOf(account, kept.Reach)
	text, err := kept.text()
	if err != nil {
		return connector.Observation{}, err
	}
	account.Enabled, account.Evidence = true, text
	seen := s.Of(account)
	seen.Evidence = text
	return seen, nil
}

// checkDirect refuses to go on with an account that was given privileges on
// objects.
func (s *snapshot) checkDirect(account connector.Account, r *role) error {
	for _, one := range append(s.loginsOf(account), r) {
		if one.direct > 0 {
			return fmt.Errorf("role %s: %s: take them away (REVOKE … FROM %s) first: %w",
				shown(one.name), directText("", one), quoted(one.name), errStays)
		}
	}
	return nil
}

// reachQuery follows each role ($1) to all roles that its members can become.
const reachQuery = `
WITH RECURSIVE reach (asked, oid) AS (
  SELECT r.rolname::text, r.oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = ANY ($1::text[])
  UNION SELECT reach.asked, m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
)
SELECT reach.asked, r.rolname::text, r.rolsuper, r.rolname = current_user,
  coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), '') LIKE 'nhi:1 %'
FROM reach JOIN pg_catalog.pg_roles r ON r.oid = reach.oid`

// checkApproved holds where every approved role exists and leads nowhere that
// no approval can allow: to a superuser, to the server's files and programs,
// to the role that we connect as, or to another grant's account.
func checkApproved(ctx context.Context, tx pgx.Tx, account connector.Account) error {
	return checkReach(ctx, tx, account.Access.Items(settingRoles), account.Principal)
}

// checkReach is checkApproved for any roles; none of them may lead to the
// principal either.
func checkReach(ctx context.Context, tx pgx.Tx, names []string, principal string) error {
	rows, err := tx.Query(ctx, reachQuery, names)
	if err != nil {
		return err
	}
	missing := slices.Clone(names)
	var refusal error
	var asked, reached string
	var superuser, self, marked bool
	_, err = pgx.ForEachRow(rows, []any{&asked, &reached, &superuser, &self, &marked}, func() error {
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == asked })
		reason := refusedRole(reached, superuser, self, marked)
		if reached == principal {
			reason = "is the account itself"
		}
		if reason != "" && refusal == nil {
			refusal = fmt.Errorf("role %s leads to role %s, which %s: %w", shown(asked), shown(reached), reason, nhi.ErrInvalid)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		for i, name := range missing {
			missing[i] = shown(name)
		}
		return fmt.Errorf("the server has no role %s: %w", strings.Join(missing, ", "), nhi.ErrInvalid)
	}
	return refusal
}

func refusedRole(name string, superuser, self, marked bool) string {
	switch {
	case superuser:
		return "is a superuser"
	case reserved(name) && !slices.Contains(grantable, name):
		return "reaches the server's own files, programs or replication"
	case self:
		return "this system itself connects as"
	case marked:
		return "is the account of a grant"
	}
	return ""
}
