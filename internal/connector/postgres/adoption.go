package postgres

import (
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// What on_revoke can say.
const (
	endDisable = "disable"
	endDelete  = "delete"
)

// adopts says which existing role an access takes over.
func adopts(access nhi.Values) connector.Adoption {
	name := access.Text(settingAdopt)
	return connector.Adoption{Name: name, Disable: name != "" && access.Text(settingEnd) == endDisable}
}

// adopted says whether the account is a role that was taken over, or is to be.
func adopted(account connector.Account) bool { return adopts(account.Access).Name != "" }

func checkOnRevoke(value string) error {
	if value != endDisable && value != endDelete {
		return fmt.Errorf("%.80q is neither %s nor %s: %w", value, endDisable, endDelete, nhi.ErrInvalid)
	}
	return nil
}

func checkAdoption(access nhi.Values) error {
	name, named := access[settingAdopt]
	end, ends := access[settingEnd]
	switch {
	case !named && !ends:
		return nil
	case !named || name.Text() == "":
		return fmt.Errorf("on_revoke is for a role that is taken over, and adopt does not name it: %w", nhi.ErrInvalid)
	case !ends:
		return fmt.Errorf("on_revoke must say what becomes of role %s at the end: %s or %s: %w",
			shown(name.Text()), endDisable, endDelete, nhi.ErrInvalid)
	}
	if err := checkOwnName(name.Text()); err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	if err := checkOnRevoke(end.Text()); err != nil {
		return fmt.Errorf("on_revoke: %w", err)
	}
	return nil
}

// bootstrap is the OID of the superuser that initdb made. The server cannot do
// without it.
const bootstrap = 10

// checkTakeable holds for a role that may be taken over: not one that somebody
// manages already (nhi.ErrForeign), and none that cannot be stripped or that
// we ourselves need (nhi.ErrInvalid).
func (s *system) checkTakeable(seen *snapshot, r *role) error {
	if isMarked(r.comment) {
		return foreignError(r)
	}
	var reason string
	switch {
	case reserved(r.name):
		reason = "belongs to PostgreSQL"
	case r.oid == bootstrap:
		reason = "is the superuser that the server cannot do without"
	case r.name == seen.self:
		reason = "is what this system itself connects as"
	case r.name == s.heir:
		reason = "gets what other roles own (" + settingHeir + ")"
	case !seen.super && (r.superuser || r.replication || r.bypassRLS):
		reason = "is SUPERUSER, REPLICATION or BYPASSRLS, which only a superuser can take away"
	default:
		return nil
	}
	return fmt.Errorf("role %s cannot be taken over: it %s: %w", shown(r.name), reason, nhi.ErrInvalid)
}

// attributes compares a role's attributes with what it should have. One that
// was taken over keeps LOGIN and INHERIT as they were found.
func (want shape) attributes(account connector.Account, r *role) []attribute {
	if !adopted(account) || !want.logins {
		return attributesOf(r, false)
	}
	found := recorded(account).Found
	if found == nil {
		return powersOf(r)
	}
	login, inherit := found.had(attributeLogin) && !want.cut, found.had(attributeInherit)
	return append([]attribute{
		{r.login && !login, "LOGIN was switched on by hand", "NOLOGIN"},
		{!r.login && login, "LOGIN was switched off by hand", "LOGIN"},
		{!r.inherit && inherit, "INHERIT was switched off by hand", "INHERIT"},
		{r.inherit && !inherit, "INHERIT was switched on by hand", "NOINHERIT"},
	}, powersOf(r)...)
}
