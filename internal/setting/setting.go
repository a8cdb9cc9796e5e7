// Package setting describes what people may set as data: the settings of a
// system, of an access, of a credential and of a ledger. The provider's schema,
// nhi.hcl, the docs and the request text follow from it.
package setting

import "github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"

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

// Field describes one setting.
type Field struct {
	Name        string
	Type        Type
	Description string // for the docs: one or two sentences
	Required    bool
	Secret      bool // never shown, never in a request text, an error or a log
	// Path is a place on this machine. In nhi.hcl, one that is relative is
	// relative to that file. So is every field whose name ends in _file.
	Path bool
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

// Settings are the values of fields: plain ones and secret ones.
type Settings struct {
	Values  nhi.Values
	Secrets map[string]nhi.Secret
}
