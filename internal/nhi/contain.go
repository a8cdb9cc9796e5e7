package nhi

import "slices"

// PrivilegeFunc says whether the set called setting, of an access of kind, is
// a list of privileges, of which fewer is less access.
type PrivilegeFunc func(kind, setting string) bool

// Contains says whether whoever signed r has also signed other: the same
// approval and identity, with the same targets or fewer, the same privileges
// or fewer, and the same end or an earlier one.
func (r Request) Contains(other Request, privilege PrivilegeFunc) bool {
	same := r.Ledger == other.Ledger && r.Approval == other.Approval && r.Term == other.Term &&
		r.Owner == other.Owner && r.Kind == other.Kind && r.Purpose == other.Purpose &&
		r.ReusableUntil.Equal(other.ReusableUntil)
	if !same || other.TTL > r.TTL || len(other.Access) == 0 {
		return false
	}
	for key, asked := range other.Access {
		signed, ok := r.Access[key]
		if !ok || !signed.contains(asked, privilege) {
			return false
		}
	}
	return true
}

func (a Access) contains(other Access, privilege PrivilegeFunc) bool {
	if a.System != other.System || a.Kind != other.Kind || a.Endpoint != other.Endpoint ||
		len(a.Settings) != len(other.Settings) {
		return false
	}
	for name, signed := range a.Settings {
		asked, ok := other.Settings[name]
		if !ok {
			return false
		}
		if signed.Equal(asked) {
			continue
		}
		// An empty list may mean "all" to a connector, so it is not fewer.
		if !signed.IsList() || !asked.IsList() || !privilege(a.Kind, name) || len(asked.items) == 0 {
			return false
		}
		if slices.ContainsFunc(asked.items, func(item string) bool { return !slices.Contains(signed.items, item) }) {
			return false
		}
	}
	return true
}
