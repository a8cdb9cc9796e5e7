package connector

import (
	"context"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Type is the form of a field.
type Type int

// The types of a field, and how each is written as an nhi.Value.
const (
	String   Type = iota // one line
	Strings              // a set of lines
	Bool                 // true or false
	Duration             // as nhi.FormatTTL writes it
	Map                  // a set of key=value
)

// Field describes one setting of a system, of an access or of a credential.
// The provider's schema, nhi.hcl, the docs and the request text follow from it.
type Field struct {
	Name        string
	Type        Type
	Description string // for the docs: one or two sentences
	Required    bool
	Secret      bool // never shown, never in a request text, an error or a log
	// Late is a field that came after texts without it had been signed: where it
	// is not set, it is left out, so that those texts stay as they are. It has
	// no Default.
	Late      bool
	Privilege bool // a Strings field of which fewer items is less access
	// Default is the canonical text of the value when it is not set; of a set,
	// its items joined by commas. Empty text is the empty line or set.
	Default string
	// Check holds for one value, or for each item of a set. It is called with
	// known values alone and returns nhi.ErrInvalid with what is wrong.
	Check func(value string) error
	// Canonical writes a value that people may write in several ways in the one
	// way that is signed (a public key without its comment). Nil keeps it.
	Canonical func(value string) (string, error)
}

// Settings are a system's settings: plain ones and secret ones.
type Settings struct {
	Values  nhi.Values
	Secrets map[string]nhi.Secret
}

// Kind is one kind of target system, as data and two doors: Endpoint and Open.
type Kind struct {
	Name        string // the name of the block: "postgres"
	Description string
	Settings    []Field // of a system in the provider block
	Access      []Field // of an access in an approval
	Credential  []Field // of what nhi_credential issues; empty where it issues nothing
	Options     []Field // of how it is to be issued; none of them Required

	// CheckSettings and CheckAccess hold across fields that passed their own
	// checks. Nil where there is nothing to check. Errors are nhi.ErrInvalid.
	CheckSettings func(Settings) error
	CheckAccess   func(nhi.Values) error
	// Endpoint names the place that the settings lead to. It follows from the
	// settings (and a key file that they name) alone: no network, no
	// environment, no client's defaults. Policy compares it as a string.
	Endpoint func(Settings) (string, error)
	// Privileges says in words what an access gives ("role orders_ro"), sorted.
	Privileges func(nhi.Values) []string
	// Adopts says which existing account an access takes over. Nil where the
	// kind can take nothing over.
	Adopts func(nhi.Values) Adoption
	// Open prepares a connector. It does not wait for the system: what is
	// unreachable shows at first use.
	Open func(context.Context, Settings) (Connector, error)
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
