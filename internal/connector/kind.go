package connector

import (
	"context"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Kind is one kind of target system, as data and two doors: Endpoint and Open.
type Kind struct {
	Name        string // the name of the block: "postgres"
	Description string
	Settings    []setting.Field // of a system in the provider block
	Access      []setting.Field // of an access in an approval
	Credential  []setting.Field // of what nhi_credential issues; empty where it issues nothing
	Options     []setting.Field // of how it is to be issued; none of them Required

	// CheckSettings and CheckAccess hold across fields that passed their own
	// checks. Nil where there is nothing to check. Errors are nhi.ErrInvalid.
	CheckSettings func(setting.Settings) error
	CheckAccess   func(nhi.Values) error
	// Endpoint names the place that the settings lead to. It follows from the
	// settings (and a key file that they name) alone: no network, no
	// environment, no client's defaults. Policy compares it as a string.
	Endpoint func(setting.Settings) (string, error)
	// Privileges says in words what an access gives ("role orders_ro"), sorted.
	Privileges func(nhi.Values) []string
	// Weak says in words how settings authenticate insecurely, although they are
	// allowed. Nil where the kind has no such settings.
	Weak func(setting.Settings) []string
	// Adopts says which existing account an access takes over. Nil where the
	// kind can take nothing over.
	Adopts func(nhi.Values) Adoption
	// Open prepares a connector. It does not wait for the system: what is
	// unreachable shows at first use.
	Open func(context.Context, setting.Settings) (Connector, error)
	// EnforcedBy says who ends the access at the end of its term:
	// EnforcedByTarget or EnforcedByApply.
	EnforcedBy string
	// Unobservable says that nothing can be seen of the access, so that it
	// rests as revoked with verified = false.
	Unobservable bool
	// Fixed says that an account of this kind cannot be changed: another access
	// or another end is another account, and the old one is removed after.
	Fixed bool
	// Unfenced says that the target cannot check an effect against the mark
	// in the same step. The docs and nhi show repeat it.
	Unfenced bool
}

// Adoption returns what an access of this kind takes over; the zero Adoption
// where it has an account of its own.
func (k Kind) Adoption(access nhi.Values) Adoption {
	if k.Adopts == nil {
		return Adoption{}
	}
	return k.Adopts(access)
}

// Principal returns the name of a grant's account on a target of this kind:
// that of the account which is taken over, else nhi.Principal.
func (k Kind) Principal(grant nhi.ApprovalID, target string, access nhi.Values) string {
	if adoption := k.Adoption(access); adoption.Name != "" {
		return adoption.Name
	}
	return nhi.Principal(grant, target)
}
