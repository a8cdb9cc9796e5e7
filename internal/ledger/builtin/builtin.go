// Package builtin lists the kinds of store that this release has.
package builtin

import (
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/s3"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/vault"
)

// All returns the kinds of store, in the order in which the docs list them.
func All() []ledger.Kind {
	return []ledger.Kind{local.Kind(), s3.Kind(), postgres.Kind(), vault.Kind()}
}
