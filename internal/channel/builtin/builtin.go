// Package builtin lists the kinds of approval channel that this release has. A
// new one is one folder beside it and one line here.
package builtin

import (
	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel/hcp"
)

// All returns every kind, sorted by name. The caller may change the slice.
func All() []channel.Kind {
	return []channel.Kind{
		hcp.Kind(),
	}
}
