package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// On a real target, and with a credential: the lease is not known in a plan
// that leaves the approval open, so the credential is opened after the apply
// has told, and works; where nobody's yes came, there is no account and none.
func TestHCPConfirmedRunOpensACredential(t *testing.T) {
	t.Parallel()
	h := newHosted(t, 1)
	l := &landscape{world: h.world, db: testserver.Postgres(t)}
	l.db.Exec(fmt.Sprintf(`CREATE ROLE %[1]s; CREATE TABLE orders (id int); INSERT INTO orders VALUES (42); GRANT SELECT ON orders TO %[1]s`, l.role()))
	h.policy(2, fmt.Sprintf("  system \"orders\" { postgres = %q }\n", l.endpoint()), strings.Replace(twoOfSecurity, "count = 2 }", "\n    count = 1\n    run_confirmation = true\n  }", 1))
	h.env = append(h.env, "TF_VAR_orders_url="+l.db.URL(""))
	h.configure(l.dbAccess(), "  systems = {\n", "  systems = {\n"+l.postgresSystem())
	h.Write(t, "job.tf", `
variable "orders_url" {
  type      = string
  ephemeral = true
}
ephemeral "nhi_credential" "db" {
  lease  = nhi_grant.etl.lease
  target = "db"
  ttl    = "15m"
}
resource "terraform_data" "job" {
  triggers_replace = nhi_grant.etl.lease
  provisioner "local-exec" {
    quiet       = true
    command     = "if [ $ORDERS_URL = none ]; then echo none; else psql -At $ORDERS_URL -c 'SELECT id FROM orders'; fi > answer.txt"
    environment = { ORDERS_URL = try(ephemeral.nhi_credential.db.postgres.url, "none") }
  }
}
`)
	wants(t, h.run(rae, "bot"), 0, "which is a service account", "active = false")
	if roles := l.roles(); len(roles) > 0 || strings.TrimSpace(h.read("answer.txt")) != "none" {
		t.Fatalf("nobody said yes, and there is %v, and %q", roles, h.read("answer.txt"))
	}
	wants(t, h.run(rae, ana), 0, "active = true")
	if answer := strings.TrimSpace(h.read("answer.txt")); answer != "42" {
		t.Errorf("the credential of the run that was confirmed got %q", answer)
	}
	h.Env = h.env
	wants(t, h.Plan(t), 0, "No changes.")
	wants(t, h.Destroy(t), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("left over: %v", roles)
	}
}
