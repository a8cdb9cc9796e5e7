package lifecycle

import (
	"context"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Knows says whether the system called name knows a person and lets them in.
// False is the system's own clear answer. Errors: ErrNoSystem, ErrNotKnownYet,
// nhi.ErrInvalid where it is no system that knows people, and the connector's.
func (s *Systems) Knows(ctx context.Context, name, person string) (bool, error) {
	directory, err := s.directory(ctx, name)
	if err != nil {
		return false, err
	}
	return directory.Knows(ctx, person)
}

// HasPeople holds where the system called name knows people. It asks the
// system nothing; the errors are those of Knows.
func (s *Systems) HasPeople(ctx context.Context, name string) error {
	_, err := s.directory(ctx, name)
	return err
}

func (s *Systems) directory(ctx context.Context, name string) (connector.Directory, error) {
	target := ledger.Target{System: name}
	if entry, ok := s.entries[name]; ok {
		target.Kind = entry.kind.Name
	}
	endpoint, err := s.Endpoint(name, target.Kind)
	if err != nil {
		return nil, err
	}
	target.Endpoint = endpoint
	open, err := s.Connector(ctx, target)
	if err != nil {
		return nil, err
	}
	directory, ok := connector.DirectoryOf(open)
	if !ok {
		return nil, fmt.Errorf("system %q is of kind %s, which knows no people: %w", name, target.Kind, nhi.ErrInvalid)
	}
	return directory, nil
}
