// Package builtin lists the kinds of target system that this build knows. A
// new connector is one folder beside it and one line here.
package builtin

import (
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/external"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/vault"
)

// All returns every kind, sorted by name. The caller may change the slice.
func All() []connector.Kind { return AllAt(time.Now) }

// AllAt is All with another clock, for the connectors that have one.
func AllAt(now func() time.Time) []connector.Kind {
	return []connector.Kind{
		external.Kind(),
		postgres.Kind(),
		ssh.KindAt(now),
		vault.Kind(),
	}
}
