package external_test

import (
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/connectortest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/external"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestConnector(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, connectortest.Setup{
		Kind: external.Kind(),
		Access: func(*testing.T) nhi.Values {
			return nhi.Values{"description": nhi.Text("read the export bucket")}
		},
		Works:       func(*testing.T, connector.Account, connector.Credential) bool { return false },
		Fingerprint: func(*testing.T) string { return "there is no target" },
		FreeText:    map[string]string{"description": "a person reads it, and no program"},
	})
}
