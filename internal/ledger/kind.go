package ledger

import (
	"context"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Kind is one kind of store, as data and one door.
type Kind struct {
	Name        string // the name of the block: "local"
	Description string
	Settings    []setting.Field
	// CheckSettings holds across fields that passed their own checks. Nil where
	// there is nothing to check. Errors are nhi.ErrInvalid.
	CheckSettings func(setting.Settings) error
	// Open opens the store at the place that the settings name. It may read, and
	// writes nothing but what Create asks for. ErrNoLedger where there is no such
	// place; anything else that went wrong means that the store did not answer.
	Open func(context.Context, setting.Settings, OpenOptions) (Store, error)
	// Guard says, in the words of the store's own administrator, what makes the
	// place append-only: a policy, grants, a trigger. Nil where nothing can.
	Guard func(setting.Settings) string
	// MachineClock says that the store has no clock but this machine's.
	MachineClock bool
}

// OpenOptions are how a store is opened.
type OpenOptions struct {
	// Now is this machine's clock, for stores that have none of their own.
	Now func() time.Time
	// Create makes the place where it is missing, for `nhi init`.
	Create bool
}
