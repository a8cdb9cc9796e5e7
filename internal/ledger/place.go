package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Place is where a ledger is: a kind of store, and its settings. It holds
// secrets: it is never printed.
type Place struct {
	Kind     Kind
	Settings setting.Settings
}

// NewPlace checks the plain values of a block of this kind, as a configuration
// has them, and writes out the defaults. It is the one way from a block of the
// provider or of nhi.hcl to a ledger. Errors are *setting.FieldError where they
// are about one of the values, else nhi.ErrInvalid.
func NewPlace(kind Kind, values nhi.Values) (Place, []error) {
	complete, wrong := setting.Complete(kind.Settings, values)
	errs := make([]error, 0, len(wrong))
	for _, err := range wrong {
		errs = append(errs, fmt.Errorf("ledger %s: %w", kind.Name, err))
	}
	if len(errs) > 0 {
		return Place{}, errs
	}
	place := Place{Kind: kind, Settings: setting.Split(kind.Settings, complete)}
	if kind.CheckSettings != nil {
		if err := kind.CheckSettings(place.Settings); err != nil {
			return Place{}, []error{fmt.Errorf("ledger %s: %w", kind.Name, err)}
		}
	}
	return place, nil
}

// Store opens the store that is there. ErrNoLedger where there is none.
func (p Place) Store(ctx context.Context, now func() time.Time) (Store, error) {
	return p.Kind.Open(ctx, p.Settings, OpenOptions{Now: now})
}

// NewStore opens the store, and makes it where it is missing.
func (p Place) NewStore(ctx context.Context, now func() time.Time) (Store, error) {
	return p.Kind.Open(ctx, p.Settings, OpenOptions{Now: now, Create: true})
}

// Open opens the ledger that is there, as Open does. Ledger.Close releases it.
func (p Place) Open(ctx context.Context, writer string, now func() time.Time) (*Ledger, error) {
	store, err := p.Store(ctx, now)
	if err != nil {
		return nil, err
	}
	book, err := Open(ctx, store, writer)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return book, nil
}
