package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// find returns the account's role, or the role that is in its place. Ours is
// what carries the whole mark and, where an OID was recorded, that OID; under
// another name too, since the OID tells it. Where only the comment was edited,
// OID and name tell it, unless the comment is another grant's mark, the role is
// one that was to be taken over and may never have been, or the ledger does not
// vouch for the OID.
func (s *snapshot) find(account connector.Account) (ours, foreign *role) {
	mark := account.Mark.String()
	oid, _ := accountOID(account) // checked before anything was read
	named, recorded := s.byName[account.Principal], s.roles[oid]
	switch {
	case named != nil && named.comment == mark && (oid == 0 || named.oid == oid):
		return named, nil
	case oid != 0 && recorded != nil && recorded.comment == mark:
		return recorded, named
	case named != nil && oid != 0 && named.oid == oid && !isMark(named.comment) && !account.ByMark && (account.Enabled || !adopted(account)):
		return named, nil
	case named != nil:
		return nil, named
	case oid != 0 && recorded != nil:
		return nil, recorded
	case len(s.marked[mark]) > 0:
		// Neither its name nor its OID is ours: reported, and never touched.
		return nil, s.marked[mark][0]
	}
	return nil, nil
}

// isMark says whether a comment is a mark, whoever's it is.
func isMark(comment string) bool {
	_, err := nhi.ParseMark(comment)
	return err == nil
}

// isMarked says whether a comment is the mark of an account or of a login role,
// in this or any later form.
func isMarked(comment string) bool { return strings.HasPrefix(comment, "nhi:") }

// loginsOf returns the login roles that were issued for the account, by name.
// They are told by their mark, nonce included, and by their name; not by their
// membership, which somebody may have taken away and left the login.
func (s *snapshot) loginsOf(account connector.Account) []*role {
	var logins []*role
	for _, login := range s.marked[account.Mark.String()+loginSuffix] {
		if strings.HasPrefix(login.name, account.Principal+loginSeparator) {
			logins = append(logins, login)
		}
	}
	slices.SortFunc(logins, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return logins
}

// Of implements connector.Holdings.
func (s *snapshot) Of(account connector.Account) connector.Observation {
	seen := connector.Observation{Principal: account.Principal, EnforcedBy: connector.EnforcedByApply, Verified: true}
	ours, foreign := s.find(account)
	logins := s.loginsOf(account)
	switch {
	case ours != nil:
		s.describe(&seen, account, ours, logins)
		if foreign != nil {
			seen.Findings = append(seen.Findings, "its name belongs to another role now: "+foreignText(foreign))
		}
	case foreign != nil:
		seen.State, seen.ID = connector.Foreign, strconv.FormatUint(uint64(foreign.oid), 10)
		seen.Findings = []string{foreignText(foreign)}
	case len(logins) > 0:
		seen.State = connector.Active
		for _, login := range logins {
			seen.Findings = append(seen.Findings, "login role "+shown(login.name)+" is left without its account")
		}
	case s.all || s.asked[askedKey(account)]:
		seen.State = connector.Absent
	default:
		seen.State, seen.Verified = connector.Unknown, false
		seen.Findings = []string{"was not part of this read"}
	}
	return seen
}

// askedKey tells reads of an account with and without its OID apart: without
// it, a renamed role would not have been found.
func askedKey(account connector.Account) string { return account.ID + " " + account.Mark.String() }

func foreignText(r *role) string {
	what := "a comment that is no mark of ours"
	if r.comment == "" {
		what = "no mark"
	} else if mark, err := nhi.ParseMark(r.comment); err == nil {
		what = "the mark of " + string(mark.Grant) + ", but not with the nonce, OID and name that were recorded"
	}
	return fmt.Sprintf("role %s (OID %d) has %s", shown(r.name), r.oid, what)
}

// describe says what our role holds and how that differs from what was given.
func (s *snapshot) describe(seen *connector.Observation, account connector.Account, r *role, logins []*role) {
	seen.ID = strconv.FormatUint(uint64(r.oid), 10)
	seen.NotAfter = r.end()
	seen.State = connector.Inert
	if s.hasPower(r) || slices.ContainsFunc(logins, func(login *role) bool { return login.login }) {
		seen.State = connector.Active
	}
	if r.comment != account.Mark.String() {
		seen.Findings = append(seen.Findings, "its mark was edited by hand")
	}
	if r.name != account.Principal {
		seen.Findings = append(seen.Findings, "was renamed to "+shown(r.name)+" by hand")
	}
	for _, m := range s.holds[r.oid] {
		seen.Privileges = append(seen.Privileges, rolePrivilege(m.roleName))
	}
	slices.Sort(seen.Privileges)
	seen.Privileges = slices.Compact(seen.Privileges)
	if !adopted(account) || account.Enabled { // else nothing was taken away yet
		seen.Findings = append(seen.Findings, s.drift(account, r, logins)...)
	}
	for _, login := range logins {
		seen.Findings = append(seen.Findings, s.loginFindings(account, r, login)...)
	}
	slices.Sort(seen.Findings)
	seen.Warnings = s.reachWarnings(account)
}

// drift says how our role differs from what was given.
func (s *snapshot) drift(account connector.Account, r *role, logins []*role) []string {
	findings := s.roleFindings(account, r)
	findings = append(findings, attributeFindings("", shape{logins: true}.attributes(account, r))...)
	findings = append(findings, s.memberFindings(r, logins)...)
	powerful := s.hasPower(r) || slices.ContainsFunc(logins, func(login *role) bool { return login.login })
	due := !account.NotAfter.IsZero() && (powerful || r.enabled())
	if due && (!r.enabled() || !sameEnd(r.end(), account.NotAfter)) {
		findings = append(findings, "the end date was moved by hand to "+endText(r.validUntil))
	}
	return findings
}

// hasPower says whether a role of ours can do anything.
func (s *snapshot) hasPower(r *role) bool {
	return r.login || r.superuser || r.createRole || r.createDB || r.replication || r.bypassRLS ||
		r.direct > 0 || len(s.holds[r.oid]) > 0
}

// enabled says whether Enable set the role's end, so that its privileges are
// due; Prepare sets it to minus infinity.
func (r *role) enabled() bool {
	return r.validUntil.Valid && r.validUntil.InfinityModifier != pgtype.NegativeInfinity
}

// endedLongAgo says whether the role's end is minus infinity.
func (r *role) endedLongAgo() bool {
	return r.validUntil.Valid && r.validUntil.InfinityModifier == pgtype.NegativeInfinity
}

// roleFindings lists how the memberships differ from the approved ones.
func (s *snapshot) roleFindings(account connector.Account, r *role) []string {
	var findings []string
	approved := account.Access.Items(settingRoles)
	held := map[string]bool{} // the value: with ADMIN OPTION
	for _, m := range s.holds[r.oid] {
		// Since PostgreSQL 16 there is one membership for each grantor.
		held[m.roleName] = held[m.roleName] || m.admin
	}
	for name, admin := range held {
		switch {
		case !slices.Contains(approved, name):
			findings = append(findings, "role "+shown(name)+" was added by hand")
		case admin:
			findings = append(findings, "role "+shown(name)+" was given with ADMIN OPTION by hand")
		}
	}
	for _, name := range approved {
		if _, ok := held[name]; !ok && (r.enabled() || account.Enabled) {
			findings = append(findings, "role "+shown(name)+" was removed by hand")
		}
	}
	if r.direct > 0 {
		findings = append(findings, directText("", r))
	}
	return findings
}

func directText(prefix string, r *role) string {
	return fmt.Sprintf("%sprivileges on %d objects were given by hand", prefix, r.direct)
}

// attribute is a role attribute and how to say that it is not as it should be.
type attribute struct {
	wrong   bool
	finding string
	repair  string // the option of ALTER ROLE
}

// attributesOf compares the attributes with those of a role that can do
// nothing but be a member; canLogin leaves LOGIN as it is.
func attributesOf(r *role, canLogin bool) []attribute {
	return append([]attribute{
		{r.login && !canLogin, "LOGIN was switched on by hand", "NOLOGIN"},
		{!r.inherit, "INHERIT was switched off by hand", "INHERIT"},
	}, powersOf(r)...)
}

// powersOf are the attributes that no approval gives.
func powersOf(r *role) []attribute {
	return []attribute{
		{r.superuser, "SUPERUSER was switched on by hand", "NOSUPERUSER"},
		{r.createRole, "CREATEROLE was switched on by hand", "NOCREATEROLE"},
		{r.createDB, "CREATEDB was switched on by hand", "NOCREATEDB"},
		{r.replication, "REPLICATION was switched on by hand", "NOREPLICATION"},
		{r.bypassRLS, "BYPASSRLS was switched on by hand", "NOBYPASSRLS"},
	}
}

func attributeFindings(prefix string, attributes []attribute) []string {
	var findings []string
	for _, a := range attributes {
		if a.wrong {
			findings = append(findings, prefix+a.finding)
		}
	}
	return findings
}

// memberFindings lists who else can use the role's privileges.
func (s *snapshot) memberFindings(r *role, logins []*role) []string {
	var findings []string
	for _, m := range s.intruders(r, logins) {
		findings = append(findings, "role "+shown(m.memberName)+" was made a member of "+shown(r.name)+" by hand")
	}
	return findings
}

// intruders returns the members of a role of ours that are not its login
// roles. The role that we connect as does not count: since PostgreSQL 16 it is
// made an administrator of what it creates.
func (s *snapshot) intruders(r *role, logins []*role) []membership {
	var found []membership
	for _, m := range s.members[r.oid] {
		issued := slices.ContainsFunc(logins, func(login *role) bool { return login.oid == m.member })
		if m.usable() && !issued && m.memberName != s.self {
			found = append(found, m)
		}
	}
	return found
}

func (s *snapshot) loginFindings(account connector.Account, r, login *role) []string {
	prefix := "login role " + shown(login.name) + ": "
	findings := attributeFindings(prefix, attributesOf(login, true))
	for _, m := range s.holds[login.oid] {
		if m.role != r.oid {
			findings = append(findings, prefix+"role "+shown(m.roleName)+" was added by hand")
		}
	}
	for _, m := range s.intruders(login, nil) {
		findings = append(findings, prefix+"role "+shown(m.memberName)+" was made a member by hand")
	}
	if outlives(login, account.NotAfter) {
		findings = append(findings, prefix+"the end date was moved by hand to "+endText(login.validUntil))
	}
	if login.direct > 0 {
		findings = append(findings, directText(prefix, login))
	}
	return findings
}

// outlives says whether a login can be used after the end; a zero end is none.
func outlives(login *role, end time.Time) bool {
	if end.IsZero() || !login.login || login.validUntil.Valid && login.validUntil.InfinityModifier == pgtype.NegativeInfinity {
		return false
	}
	return login.end().IsZero() || login.end().After(end)
}

// sameEnd compares ends in whole seconds, which is how they are set.
func sameEnd(a, b time.Time) bool { return a.Truncate(time.Second).Equal(b.Truncate(time.Second)) }

func endText(end pgtype.Timestamptz) string {
	switch {
	case end.Valid && end.InfinityModifier == pgtype.NegativeInfinity:
		return "the past"
	case !end.Valid || end.InfinityModifier != pgtype.Finite:
		return "never"
	}
	return nhi.FormatTime(end.Time)
}
