package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxFound bounds what is kept of a role that is taken over, in bytes. It
// leaves room for the rest of connector.MaxEvidence.
const maxFound = 4 << 10

// evidence is what is kept of an account, as JSON: how a role that was taken
// over was found, and where the approved roles led at activation.
type evidence struct {
	Found *found `json:"found,omitempty"`
	Reach reach  `json:"reach,omitempty"`
}

// found is a role as it was before it was taken over: what Release puts back.
// There is no password in it: that one is never read or changed.
type found struct {
	// New says that it was taken over just then, and not renewed.
	New        bool     `json:"new,omitempty"`
	Comment    string   `json:"comment,omitempty"`
	Attributes []string `json:"attributes,omitempty"`
	ValidUntil string   `json:"valid_until"`
	Roles      []tie    `json:"roles,omitempty"`
	Members    []tie    `json:"members,omitempty"`
	Owned      int      `json:"owned,omitempty"`
	Direct     int      `json:"direct,omitempty"`
}

// tie is a membership, seen from one of its ends.
type tie struct {
	Name    string `json:"name"`
	Admin   bool   `json:"admin,omitempty"`
	Inherit bool   `json:"inherit,omitempty"`
	Set     bool   `json:"set,omitempty"`
}

// recorded reads an account's evidence. What cannot be read counts as nothing:
// an account is never kept because of it.
func recorded(account connector.Account) evidence {
	var e evidence
	if json.Unmarshal([]byte(account.Evidence), &e) != nil {
		return evidence{}
	}
	return e
}

func (e evidence) text() (string, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("write evidence: %w", err)
	}
	return string(text), nil
}

// The names of attributes that are kept and given back.
const (
	attributeLogin   = "LOGIN"
	attributeInherit = "INHERIT"
)

// attributesOn names the attributes that a role has.
func attributesOn(r *role) []string {
	var on []string
	for name, has := range map[string]bool{
		attributeLogin: r.login, attributeInherit: r.inherit, "SUPERUSER": r.superuser, "CREATEROLE": r.createRole,
		"CREATEDB": r.createDB, "REPLICATION": r.replication, "BYPASSRLS": r.bypassRLS,
	} {
		if has {
			on = append(on, name)
		}
	}
	slices.Sort(on)
	return on
}

func (f *found) had(attribute string) bool { return slices.Contains(f.Attributes, attribute) }

// asFound describes a role before anything is changed. nhi.ErrInvalid where it
// is more than can be kept, so that nothing is taken away that could not be
// put back.
func (s *snapshot) asFound(r *role, isNew bool) (*found, error) {
	f := &found{
		New: isNew, Attributes: attributesOn(r), ValidUntil: endWord(r.validUntil), Owned: r.owned, Direct: r.direct,
		Roles: ties(s.holds[r.oid], func(m membership) string { return m.roleName }),
		Members: ties(s.members[r.oid], func(m membership) string {
			if member := s.roles[m.member]; m.memberName == s.self || member != nil && isMarked(member.comment) {
				return "" // ours: a login role, or the role that we connect as
			}
			return m.memberName
		}),
	}
	if !isMarked(r.comment) {
		f.Comment = r.comment
	}
	text, err := evidence{Found: f}.text()
	if err != nil {
		return nil, err
	}
	if len(text) > maxFound || !utf8.ValidString(f.Comment) {
		return nil, fmt.Errorf("role %s cannot be taken over: its comment, roles and members take %d bytes to record, and %d is the most: %w",
			shown(r.name), len(text), maxFound, nhi.ErrInvalid)
	}
	return f, nil
}

// ties merges the memberships of several grantors, by the name of the other
// end; those without a name are left out.
func ties(memberships []membership, other func(membership) string) []tie {
	byName := map[string]tie{}
	for _, m := range memberships {
		if name := other(m); name != "" {
			t := byName[name]
			byName[name] = tie{name, t.Admin || m.admin, t.Inherit || m.inherit, t.Set || m.set}
		}
	}
	var list []tie
	for _, t := range byName {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b tie) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// endWord writes a VALID UNTIL as a statement takes it. None and infinity are
// the same to the server, and none cannot be set.
func endWord(end pgtype.Timestamptz) string {
	switch {
	case end.Valid && end.InfinityModifier == pgtype.NegativeInfinity:
		return "-infinity"
	case end.Valid && end.InfinityModifier == pgtype.Finite:
		return end.Time.UTC().Format(time.RFC3339Nano)
	}
	return "infinity"
}
