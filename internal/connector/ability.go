package connector

import (
	"context"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Adoption says that an access takes over an account that exists already.
type Adoption struct {
	Name    string // of the account on its system; empty where nothing is taken over
	Disable bool   // at the end it is shut and kept; else it is removed
}

// Adopter is implemented by connectors whose Kind.Adopts is set. Prepare of an
// account that is taken over puts our mark on it, and only where the id is the
// one that approvers saw (Account.ID) and no other mark is there; it takes
// nothing away yet. Enable strips what is not approved. Name and password stay.
type Adopter interface {
	// Appraise says what an account that is to be taken over is and holds now.
	// nhi.ErrInvalid where there is none of that name, or where it may not be
	// taken over (nhi.ErrForeign: it carries a mark). It changes nothing.
	Appraise(ctx context.Context, name string) (Sighting, error)
	// Release gives accounts that were taken over back as they were found, as
	// far as Account.Evidence and the target allow, and takes our mark away:
	// that is how a failed activation is undone. One that never carried our
	// mark is left in peace. Each ends as Released, or as Absent where it is
	// gone; what could not be put back is in Findings.
	Release(ctx context.Context, accounts []Account) []Outcome
}

// Sighting is an account on a system, whoever's it is.
type Sighting struct {
	Principal  string
	ID         string
	Mark       nhi.Mark  // the zero Mark where it carries none
	Owner      string    // who answers for it, where the system knows
	LastUsed   time.Time // zero where the system does not know, or it never was
	Privileges []string  // in the words of Kind.Privileges, and others, sorted
	// Machine says that it looks like a machine's and not like a person's or
	// the system's own.
	Machine bool
	// Access is the access that would take it over as it is; nil where none can.
	Access nhi.Values
}

// Surveyor is implemented by connectors that can list what a system holds,
// whoever made it.
type Surveyor interface {
	// Survey lists every account that carries a mark of any ledger, and every
	// account that looks like a machine identity, sorted by name. It changes
	// nothing. nhi.ErrUnreachable where the list is not whole.
	Survey(ctx context.Context) ([]Sighting, error)
}

// Directory is implemented by connectors of systems that know people.
type Directory interface {
	// Knows says whether a person is known and enabled there, by the name that
	// identities have as their owner. False is a positive answer: the system
	// was asked, and has nobody of that name or has shut them out.
	Knows(ctx context.Context, person string) (bool, error)
}

// Timekeeper is implemented by connectors whose target says what time it is
// there.
type Timekeeper interface {
	// Time returns the target's time. It asks each time, and changes nothing.
	Time(ctx context.Context) (time.Time, error)
}
