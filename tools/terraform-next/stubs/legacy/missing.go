// Package legacy stands in for a module that Terraform itself needs in its own
// tests only. It holds what the stubs of the remote-state backends share:
// another place would not be allowed to import Terraform's internal packages.
package legacy

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/hashicorp/terraform/internal/backend"
	"github.com/hashicorp/terraform/internal/configs/configschema"
	"github.com/hashicorp/terraform/internal/states/statemgr"
	"github.com/hashicorp/terraform/internal/tfdiags"
)

// Missing returns the backend of that name, which this build does not have.
func Missing(name string) backend.Backend { return missing{name} }

type missing struct{ name string }

func (m missing) diagnostics() tfdiags.Diagnostics {
	return tfdiags.Diagnostics{}.Append(m.err())
}

func (m missing) err() error {
	return fmt.Errorf("this Terraform was built for tests, without the backend %q", m.name)
}

func (missing) ConfigSchema() *configschema.Block { return &configschema.Block{} }

func (m missing) PrepareConfig(value cty.Value) (cty.Value, tfdiags.Diagnostics) {
	return value, m.diagnostics()
}

func (m missing) Configure(cty.Value) tfdiags.Diagnostics { return m.diagnostics() }

func (m missing) StateMgr(string) (statemgr.Full, tfdiags.Diagnostics) { return nil, m.diagnostics() }

func (m missing) DeleteWorkspace(string, bool) tfdiags.Diagnostics { return m.diagnostics() }

func (m missing) Workspaces() ([]string, tfdiags.Diagnostics) { return nil, m.diagnostics() }
