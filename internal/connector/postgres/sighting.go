package postgres

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Appraise says what a role that is to be taken over is and holds. PostgreSQL
// does not record logins, so LastUsed is now where it has a session, else zero.
// The owner is the first e-mail address in its comment. Whether it has a
// password is not said: only a superuser may look.
func (s *system) Appraise(ctx context.Context, name string) (connector.Sighting, error) {
	if err := checkOwnName(name); err != nil {
		return connector.Sighting{}, err
	}
	var busy map[uint32]bool
	seen, err := s.lookFurther(ctx, []connector.Account{{Principal: name}}, func(tx pgx.Tx, seen *snapshot) (err error) {
		r := seen.byName[name]
		if r == nil {
			return fmt.Errorf("the server has no role %s: %w", shown(name), nhi.ErrInvalid)
		}
		if err := s.checkTakeable(seen, r); err != nil {
			return err
		}
		busy, err = inUse(ctx, tx)
		return err
	})
	if err != nil {
		return connector.Sighting{}, err
	}
	return s.sighting(seen, seen.byName[name], busy), nil
}

// inUse returns the OIDs of the roles that have a session.
func inUse(ctx context.Context, tx pgx.Tx) (map[uint32]bool, error) {
	rows, err := tx.Query(ctx, "SELECT DISTINCT usesysid FROM pg_catalog.pg_stat_activity WHERE usesysid IS NOT NULL")
	if err != nil {
		return nil, err
	}
	busy := map[uint32]bool{}
	var oid uint32
	_, err = pgx.ForEachRow(rows, []any{&oid}, func() error { busy[oid] = true; return nil })
	return busy, err
}

func (s *system) sighting(seen *snapshot, r *role, busy map[uint32]bool) connector.Sighting {
	sighting := connector.Sighting{
		Principal: r.name, ID: strconv.FormatUint(uint64(r.oid), 10), Owner: ownerIn(r.comment),
		Privileges: seen.powers(r), Machine: isMachine(seen, r),
	}
	if busy[r.oid] {
		sighting.LastUsed = seen.now.UTC()
	}
	if s.checkTakeable(seen, r) == nil {
		sighting.Access = seen.takeoverAccess(r)
	}
	return sighting
}

// powers says in words what a role can do, sorted.
func (s *snapshot) powers(r *role) []string {
	var words []string
	for _, m := range s.holds[r.oid] {
		words = append(words, rolePrivilege(m.roleName))
		if m.admin {
			words = append(words, "ADMIN OPTION on role "+shown(m.roleName))
		}
	}
	for _, m := range s.intruders(r, nil) {
		words = append(words, "member: role "+shown(m.memberName))
	}
	for _, attribute := range attributesOn(r) {
		if attribute != attributeInherit {
			words = append(words, attribute)
		}
	}
	if r.owned > 0 {
		words = append(words, fmt.Sprintf("owns %d objects", r.owned))
	}
	if r.direct > 0 {
		words = append(words, fmt.Sprintf("privileges on %d objects", r.direct))
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// takeoverAccess is the access that takes a role over with those of its roles
// that an approval can give; nil where there is none.
func (s *snapshot) takeoverAccess(r *role) nhi.Values {
	var roles []string
	for _, m := range s.holds[r.oid] {
		if approved := s.roles[m.role]; approved != nil && checkRole(m.roleName) == nil && !s.leadsAstray(approved, r) {
			roles = append(roles, m.roleName)
		}
	}
	access := nhi.Values{settingRoles: nhi.List(roles...), settingAdopt: nhi.Text(r.name), settingEnd: nhi.Text(endDisable)}
	if checkAccess(access) != nil {
		return nil
	}
	return access
}

// leadsAstray says whether a role leads to what no approval can give.
func (s *snapshot) leadsAstray(approved, account *role) bool {
	return slices.ContainsFunc(s.reached(approved), func(r *role) bool {
		return r == account || refusedRole(r.name, r.superuser, r.name == s.self, isMarked(r.comment)) != ""
	})
}

// isMachine says whether a role looks like a machine's: it can log in, it is
// neither PostgreSQL's own, nor the superuser of initdb, nor the role that we
// connect as, and its name is not written like a person's (ana@example.com,
// ana.lee). It is a guess: PostgreSQL knows no people.
func isMachine(seen *snapshot, r *role) bool {
	if !r.login || reserved(r.name) || r.oid == bootstrap || r.name == seen.self {
		return false
	}
	first, last, dotted := strings.Cut(r.name, ".")
	return !strings.Contains(r.name, "@") && (!dotted || !isWord(first) || !isWord(last))
}

func isWord(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return strings.ContainsRune("_-.0123456789 ", r) })
}

// ownerIn returns the first e-mail address in a comment that is no mark.
func ownerIn(comment string) string {
	if isMarked(comment) {
		return ""
	}
	for _, word := range strings.Fields(comment) {
		word = strings.Trim(word, "<>()[]{},;:.\"'")
		if address, err := mail.ParseAddress(word); err == nil && address.Address == word && nhi.CheckText(word) == nil {
			return word
		}
	}
	return ""
}
