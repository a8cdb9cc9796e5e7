package postgres

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Utility statements take no parameters. Names are quoted by the driver;
// literals are never escaped at all, but made of characters that need no
// escape, or refused.

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal quotes text that is made of harmless characters alone: a mark, a
// time, a SCRAM verifier. Anything else is nhi.ErrInvalid.
func literal(text string) (string, error) {
	for _, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune(" :/+_.=$-", rune(c)) {
			return "", fmt.Errorf("%.80q cannot be written into a statement: %w", text, nhi.ErrInvalid)
		}
	}
	return "'" + text + "'", nil
}

// validUntil writes an end date; the zero time stands for "at no time".
func validUntil(end time.Time) string {
	if end.IsZero() {
		return "VALID UNTIL '-infinity'"
	}
	return "VALID UNTIL '" + nhi.FormatTime(end) + "'"
}

// shape is what an account of ours should be: the roles it is a member of,
// its end, and whether its login roles may log in. The zero shape is inert.
type shape struct {
	roles   []string
	end     time.Time
	logins  bool
	leaving bool // it will be dropped, or is shut: its name and mark do not matter any more
	shut    bool // it stays behind, and must be of no use to anybody
	cut     bool // taken over, and without LOGIN for as long as a change takes
}

// reshape returns the statements that make an account of ours what it should
// be, and none where it is that already. It never touches another role's
// attributes: of those, only the membership in ours is taken away.
func (s *snapshot) reshape(account connector.Account, r *role, want shape) []string {
	logins := s.loginsOf(account)
	name := quoted(r.name)
	var statements []string
	if r.name != account.Principal && !want.leaving {
		name = quoted(account.Principal)
		statements = append(statements, "ALTER ROLE "+quoted(r.name)+" RENAME TO "+name)
	}
	if mark, err := literal(account.Mark.String()); err == nil && r.comment != account.Mark.String() && !want.leaving {
		statements = append(statements, "COMMENT ON ROLE "+name+" IS "+mark)
	}
	options := repairs(want.attributes(account, r))
	switch {
	case want.shut && (r.login || !r.endedLongAgo()):
		// The password is not to be seen, so it goes together with the end date.
		options = append(options, "PASSWORD NULL", validUntil(time.Time{}))
	case want.shut:
	case want.logins && (!r.enabled() || !sameEnd(r.end(), want.end)) || !want.logins && r.enabled():
		options = append(options, validUntil(want.end))
	}
	statements = append(statements, alter(name, options)...)
	statements = append(statements, s.memberships(r, name, want.roles)...)
	for _, m := range s.intruders(r, logins) {
		statements = append(statements, s.revoke(name, quoted(m.memberName), m))
	}
	for _, login := range logins {
		statements = append(statements, s.reshapeLogin(r, login, want)...)
	}
	return statements
}

// memberships gives the missing roles and takes the others away.
func (s *snapshot) memberships(r *role, name string, roles []string) []string {
	var statements []string
	kept := map[string]bool{}
	for _, m := range s.holds[r.oid] {
		if slices.Contains(roles, m.roleName) && !m.admin && m.usable() {
			kept[m.roleName] = true
			continue
		}
		statements = append(statements, s.revoke(quoted(m.roleName), name, m))
	}
	for _, role := range roles {
		if !kept[role] {
			statements = append(statements, "GRANT "+quoted(role)+" TO "+name)
		}
	}
	return statements
}

func (s *snapshot) reshapeLogin(r, login *role, want shape) []string {
	name := quoted(login.name)
	options := repairs(attributesOf(login, want.logins))
	if want.logins && outlives(login, want.end) {
		options = append(options, validUntil(want.end))
	}
	statements := alter(name, options)
	for _, m := range s.holds[login.oid] {
		if r == nil || m.role != r.oid {
			statements = append(statements, s.revoke(quoted(m.roleName), name, m))
		}
	}
	for _, m := range s.intruders(login, nil) {
		statements = append(statements, s.revoke(name, quoted(m.memberName), m))
	}
	return statements
}

// repairs names only attributes that are wrong: to name SUPERUSER or
// REPLICATION at all takes a superuser.
func repairs(attributes []attribute) []string {
	var options []string
	for _, a := range attributes {
		if a.wrong {
			options = append(options, a.repair)
		}
	}
	return options
}

func alter(name string, options []string) []string {
	if len(options) == 0 {
		return nil
	}
	return []string{"ALTER ROLE " + name + " " + strings.Join(options, " ")}
}

// perGrantor is the first version in which a membership belongs to its
// grantor, and is taken away only where the statement names that one.
const perGrantor = 160000

func (s *snapshot) revoke(role, member string, m membership) string {
	statement := "REVOKE " + role + " FROM " + member
	if s.version >= perGrantor && m.grantor != "" {
		return statement + " GRANTED BY " + quoted(m.grantor) + " CASCADE"
	}
	return statement
}
