package provider_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/provider"
)

// inProcess serves the provider inside the test, on the world's clock, and
// beside it a provider that echoes ephemeral values into state.
func (w *world) inProcess() map[string]func() (tfprotov6.ProviderServer, error) {
	pin := ""
	for _, variable := range w.Env {
		if value, ok := strings.CutPrefix(variable, "NHI_TRUST_ROOT="); ok {
			pin = value
		}
	}
	return map[string]func() (tfprotov6.ProviderServer, error){
		"nhi": providerserver.NewProtocol6WithError(provider.New("test", provider.Options{
			Now: w.now, SpoolDir: filepath.Join(w.Dir, "spool"),
			Pins: func() ([]nhi.Digest, error) { return []nhi.Digest{nhi.Digest(pin)}, nil },
		})()),
		"echo": echoprovider.NewProviderServer(),
	}
}

// config is the configuration for an in-process provider: no source, and
// paths that do not depend on the working folder.
func (w *world) config(systems, rest string) string {
	block := w.providerBlock(systems)
	_, block, _ = strings.Cut(block, "provider \"nhi\"")
	return "provider \"nhi\"" + strings.NewReplacer(`".nhi"`, fmt.Sprintf("%q", filepath.Join(w.Dir, ".nhi")),
		`"policy.hcl"`, fmt.Sprintf("%q", filepath.Join(w.Dir, "policy.hcl"))).Replace(block) + rest
}

// TestSchema: the framework finds nothing wrong with the schema of the
// provider and of all that it holds.
func TestSchema(t *testing.T) {
	t.Parallel()
	server, err := providerserver.NewProtocol6WithError(provider.New("test", provider.Options{})())()
	must(t, err)
	response, err := server.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	must(t, err)
	for _, diagnostic := range response.Diagnostics {
		t.Errorf("%s: %s", diagnostic.Summary, diagnostic.Detail)
	}
	if len(response.ResourceSchemas) != 3 || len(response.DataSourceSchemas) != 4 || len(response.EphemeralResourceSchemas) != 1 {
		t.Errorf("%d resources, %d data sources, %d ephemeral resources", len(response.ResourceSchemas), len(response.DataSourceSchemas), len(response.EphemeralResourceSchemas))
	}
}

// TestGrantInProcess walks a grant through its life inside the test process,
// with checks on plan and state as values.
func TestGrantInProcess(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	config := l.config(strings.NewReplacer("var.orders_url", fmt.Sprintf("%q", l.db.URL("")), "var.vault_token", fmt.Sprintf("%q", l.vault.Token())).Replace(l.systems()), grantOf("720h", l.access())+`
ephemeral "nhi_credential" "db" {
  lease  = nhi_grant.etl.lease
  target = "db"
}
provider "echo" {
  data = ephemeral.nhi_credential.db.postgres == null ? "none" : ephemeral.nhi_credential.db.postgres.username
}
resource "echo" "db" {}
`)
	status := tfjsonpath.New("status")
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: l.inProcess(),
		Steps: []resource.TestStep{
			{
				Config: config,
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("nhi_identity.etl", status, knownvalue.StringExact("active")),
					statecheck.ExpectKnownValue("nhi_approval.etl", status, knownvalue.StringExact("pending")),
					statecheck.ExpectKnownValue("nhi_approval.etl", tfjsonpath.New("required"), knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(`2 of security (rule "production access")`)})),
					statecheck.ExpectKnownValue("nhi_grant.etl", status, knownvalue.StringExact("pending")),
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("lease"), knownvalue.Null()),
					statecheck.ExpectKnownValue("echo.db", tfjsonpath.New("data"), knownvalue.StringExact("none")),
				},
			},
			{
				PreConfig: func() { l.decide(nhi.VerdictApprove, l.etl, ana, ben) },
				Config:    config,
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction("nhi_grant.etl", plancheck.ResourceActionUpdate),
					plancheck.ExpectResourceAction("nhi_identity.etl", plancheck.ResourceActionNoop),
					plancheck.ExpectResourceAction("nhi_approval.etl", plancheck.ResourceActionNoop),
					plancheck.ExpectKnownValue("nhi_grant.etl", status, knownvalue.StringExact("active")),
					plancheck.ExpectUnknownValue("nhi_grant.etl", tfjsonpath.New("lease")),
				}},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("active"), knownvalue.Bool(true)),
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("lease"), knownvalue.StringExact(string(l.etl)+"#1")),
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("targets").AtMapKey("db").AtMapKey("verified"), knownvalue.Bool(true)),
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("targets").AtMapKey("box").AtMapKey("enforced_by"), knownvalue.StringExact("target")),
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("targets").AtMapKey("aws").AtMapKey("verified"), knownvalue.Bool(false)),
				},
			},
			{
				PreConfig: func() { l.advance(721 * time.Hour) },
				Config:    config,
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction("nhi_grant.etl", plancheck.ResourceActionUpdate),
					plancheck.ExpectKnownValue("nhi_grant.etl", status, knownvalue.StringExact("revoked")),
				}},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("nhi_grant.etl", tfjsonpath.New("active"), knownvalue.Bool(false)),
				},
			},
		},
	})
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("roles at the end: %v", roles)
	}
}
