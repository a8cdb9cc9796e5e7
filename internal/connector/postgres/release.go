package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Release gives roles that were taken over back as they were found: roles,
// members, attributes, end and comment. What was handed over, and privileges on
// objects, do not come back; that is a finding. A role without our very mark is
// left in peace; one that may have been enabled, and of which nobody says how it
// was found, stays unconfirmed. The password was never touched.
func (s *system) Release(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return each(ctx, 1, accounts, s.release)
}

func (s *system) release(ctx context.Context, account connector.Account) (connector.Observation, error) {
	if !adopted(account) {
		return connector.Observation{}, fmt.Errorf("role %s was not taken over: %w", shown(account.Principal), nhi.ErrInvalid)
	}
	one := []connector.Account{account}
	logins := func(seen *snapshot) []*role { return seen.loginsOf(account) }
	seen, err := s.change(ctx, one, func(_ context.Context, _ pgx.Tx, seen *snapshot) ([]string, error) {
		var statements []string
		ours := seen.carrier(account)
		for _, login := range logins(seen) {
			statements = append(statements, seen.reshapeLogin(ours, login, shape{leaving: true})...)
		}
		return statements, nil
	})
	if err == nil {
		err = s.clear(ctx, one, logins(seen), logins)
	}
	if err != nil {
		return unconfirmed(connector.Observation{}, err)
	}
	found := recorded(account).Found
	if found == nil && account.Enabled { // it was stripped, or given what was approved
		if seen, err = s.look(ctx, one); err != nil {
			return unconfirmed(connector.Observation{}, err)
		}
		if seen.carrier(account) != nil {
			return unconfirmed(seen.Of(account), errors.New("how it was found is not known here; the ledger holds it"))
		}
	}
	var oid uint32
	var lost []string
	_, err = s.change(ctx, one, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		ours := seen.carrier(account)
		if ours == nil {
			return nil, nil // not ours, or the second look
		}
		oid = ours.oid
		var statements []string
		statements, lost, err = seen.restore(ctx, tx, account, ours, found)
		return statements, err
	})
	if err != nil {
		return unconfirmed(connector.Observation{}, err)
	}
	return s.gaveBack(ctx, account, oid, found, lost)
}

// gaveBack reads a role back and says what could not be put back.
func (s *system) gaveBack(ctx context.Context, account connector.Account, oid uint32, found *found, lost []string) (connector.Observation, error) {
	ours := oid != 0
	if !ours {
		oid, _ = accountOID(account) // checked before anything was read
	} else {
		account.ID = fmt.Sprint(oid)
	}
	seen, err := s.look(ctx, []connector.Account{account})
	if err != nil {
		return unconfirmed(connector.Observation{}, err)
	}
	r := seen.roles[oid]
	if r == nil || oid == 0 {
		absent := connector.Observation{Principal: account.Principal, State: connector.Absent, EnforcedBy: connector.EnforcedByApply, Verified: true}
		return absent, nil
	}
	after := released(account, r)
	if !ours {
		return after, nil
	}
	if r.comment == account.Mark.String() {
		return unconfirmed(seen.Of(account), fmt.Errorf("role %s carries our mark again: %w", shown(r.name), errStays))
	}
	after.Findings = slices.Concat(lost, seen.missing(r, found))
	slices.Sort(after.Findings)
	after.Findings = slices.Compact(after.Findings)
	return after, nil
}

// carrier returns the role that carries the account's very mark, and is ours.
func (s *snapshot) carrier(account connector.Account) *role {
	if ours, _ := s.find(account); ours != nil && ours.comment == account.Mark.String() {
		return ours
	}
	return nil
}

// restore returns the statements that make a role what it was, and what cannot
// be put back.
func (s *snapshot) restore(ctx context.Context, tx pgx.Tx, account connector.Account, r *role, f *found) (statements, lost []string, err error) {
	if f == nil {
		statement, err := commentOn(ctx, tx, r.name, "")
		return []string{statement}, []string{"how it was found is not known: it stays as it is"}, err
	}
	name := quoted(r.name)
	if r.name != account.Principal {
		name = quoted(account.Principal)
		statements = append(statements, "ALTER ROLE "+quoted(r.name)+" RENAME TO "+name)
	}
	options, err := s.restoredOptions(r, f)
	if err != nil {
		return nil, nil, err
	}
	statements = append(statements, alter(name, options)...)
	roles := reconcile(f.Roles, ties(s.holds[r.oid], func(m membership) string { return m.roleName }))
	for _, m := range s.holds[r.oid] {
		if slices.ContainsFunc(roles.less, func(t tie) bool { return t.Name == m.roleName }) {
			statements = append(statements, s.revoke(quoted(m.roleName), name, m))
		}
	}
	there, err := existing(ctx, tx, append(slices.Clone(f.Roles), f.Members...))
	if err != nil {
		return nil, nil, err
	}
	for _, t := range roles.more {
		if there[t.Name] {
			statements = append(statements, s.grant(quoted(t.Name), name, t))
		} else {
			lost = append(lost, "role "+shown(t.Name)+" is gone")
		}
	}
	members := reconcile(f.Members, ties(s.members[r.oid], func(m membership) string { return m.memberName }))
	for _, t := range members.more {
		if there[t.Name] {
			statements = append(statements, s.grant(name, quoted(t.Name), t))
		} else {
			lost = append(lost, "role "+shown(t.Name)+", which was a member, is gone")
		}
	}
	comment, err := commentOn(ctx, tx, account.Principal, f.Comment)
	return append(statements, comment), lost, err
}

// restoredOptions returns the options of ALTER ROLE that make attributes and
// end what they were.
func (s *snapshot) restoredOptions(r *role, f *found) ([]string, error) {
	var options []string
	on := attributesOn(r)
	for _, attribute := range []string{attributeLogin, attributeInherit, "SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"} {
		switch now := slices.Contains(on, attribute); {
		case f.had(attribute) && !now:
			options = append(options, attribute)
		case !f.had(attribute) && now:
			options = append(options, "NO"+attribute)
		}
	}
	if endWord(r.validUntil) == f.ValidUntil {
		return options, nil
	}
	end, err := literal(f.ValidUntil)
	return append(options, "VALID UNTIL "+end), err
}

// difference is what to give and what to take to get from one list to another.
type difference struct{ more, less []tie }

func reconcile(want, have []tie) difference {
	var d difference
	for _, t := range want {
		if !slices.Contains(have, t) {
			d.more = append(d.more, t)
		}
	}
	for _, t := range have {
		if !slices.Contains(want, t) {
			d.less = append(d.less, t)
		}
	}
	return d
}

// grant gives a membership as it was.
func (s *snapshot) grant(role, member string, t tie) string {
	statement := "GRANT " + role + " TO " + member
	switch {
	case s.version >= perGrantor:
		return statement + fmt.Sprintf(" WITH ADMIN %t, INHERIT %t, SET %t", t.Admin, t.Inherit, t.Set)
	case t.Admin:
		return statement + " WITH ADMIN OPTION"
	}
	return statement
}

// existing says which of the roles are there.
func existing(ctx context.Context, tx pgx.Tx, roles []tie) (map[string]bool, error) {
	var names []string
	for _, t := range roles {
		names = append(names, t.Name)
	}
	rows, err := tx.Query(ctx, "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname::text = ANY ($1::text[])", names)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	var name string
	_, err = pgx.ForEachRow(rows, []any{&name}, func() error { there[name] = true; return nil })
	return there, err
}

// missing says what a role that was given back does not have any more.
func (s *snapshot) missing(r *role, f *found) []string {
	if f == nil {
		return nil
	}
	var findings []string
	now, err := s.asFound(r, f.New)
	if err != nil {
		return []string{err.Error()}
	}
	for _, t := range reconcile(f.Roles, now.Roles).more {
		findings = append(findings, "role "+shown(t.Name)+" could not be given back")
	}
	for _, t := range reconcile(f.Members, now.Members).more {
		findings = append(findings, "its member role "+shown(t.Name)+" could not be given back")
	}
	if now.Owned < f.Owned {
		findings = append(findings, fmt.Sprintf("%d objects that it owned belong to another role now", f.Owned-now.Owned))
	}
	if now.Direct < f.Direct {
		findings = append(findings, fmt.Sprintf("privileges on %d objects were taken away", f.Direct-now.Direct))
	}
	return findings
}
