package local

import (
	"context"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Kind describes a ledger in a folder of this machine.
func Kind() ledger.Kind {
	return ledger.Kind{
		Name:        "local",
		Description: "A ledger in a folder of this machine.", MachineClock: true,
		Settings: []setting.Field{
			{Name: "path", Required: true, Path: true, Description: "The folder, such as `.nhi`. Never keep it in Git."},
		},
		Open: func(_ context.Context, settings setting.Settings, options ledger.OpenOptions) (ledger.Store, error) {
			return Open(settings.Values["path"].Text(), options.Now, !options.Create)
		},
	}
}
