package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// paper is a world whose systems exist on paper only: nothing listens there.
func paper(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.people["ca"] = w.newKey("ca")
	w.newKey("machine")
	w.policy(1, w.paperPolicy(), twoOfSecurity)
	w.Write(t, "main.tf", w.paperConfig())
	return w
}

func (w *world) paperPolicy() string {
	return fmt.Sprintf("  system \"orders\" { postgres = \"127.0.0.1:1/orders\" }\n  system \"bastion\" { ssh = %q }\n", ssh.FingerprintSHA256(w.people["ca"].PublicKey()))
}

// paperConfig is a whole configuration over the systems of a paper world.
func (w *world) paperConfig() string {
	systems := fmt.Sprintf(`    orders  = { postgres = { url = "postgres://admin:secret@127.0.0.1:1/orders" } }
    bastion = { ssh = { ca_key_file = %q, krl_file = "revoked.krl" } }
`, w.keyFile("ca"))
	access := fmt.Sprintf(`    db  = { system = "orders", postgres = { roles = ["orders_ro"] } }
    box = { system = "bastion", ssh = { principals = ["deploy"], public_key = file(%q) } }
`, w.keyFile("machine")+".pub")
	return w.providerBlock(systems) + grantOf("720h", access)
}

// TestBadInput: bad input is a clear error at validate or plan, on the
// attribute that it is about.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := paper(t)
	good := w.read("main.tf")
	wants(t, w.Plan(t), 2, `+ status = "pending"`)
	bidi, nul, long := `orders\u202eetl`, `a\u0000b`, strings.Repeat("x", 500)
	cases := []struct {
		name, old, bad string
		says           []string // the second is the attribute that Terraform points at
	}{
		{"bad duration", `"720h"`, `"a month"`, []string{"is not a duration", "ttl ="}},
		{"negative duration", `"720h"`, `"-1h"`, []string{"must be whole seconds", "ttl ="}},
		{"ttl over the policy's longest", `"720h"`, `"721h"`, []string{"720h", "ttl ="}},
		{"unknown system", `system = "orders"`, `system = "elsewhere"`, []string{`"elsewhere" is not in the provider's systems`, "elsewhere"}},
		{"system of another kind", `system = "orders"`, `system = "bastion"`, []string{"is of kind ssh, not postgres", "bastion"}},
		{"two kinds in one access", `postgres = { roles = ["orders_ro"] }`, `postgres = { roles = ["orders_ro"] }, external = { description = "x" }`, []string{"exactly one kind", "access"}},
		{"no kind in an access", `system = "orders", postgres = { roles = ["orders_ro"] }`, `system = "orders"`, []string{"exactly one kind", "access"}},
		{"no system", `system = "orders", postgres`, `postgres`, []string{"needs the name of a system", "access"}},
		{"empty roles", `roles = ["orders_ro"]`, `roles = []`, []string{"must not be empty", "access"}},
		{"hostile role", `["orders_ro"]`, `["a` + `\u0000` + `b"]`, []string{"U+0000", "access"}},
		{"line break in a role", `["orders_ro"]`, `["a\nkind: x"]`, []string{"U+000A", "access"}},
		{"malformed public key", `public_key = file(`, `public_key = "ssh-ed25519 nonsense" # file(`, []string{"public_key", "access"}},
		{"quotes in the name", `"orders-etl"`, `"orders'; DROP"`, []string{"may hold only a-z", "name ="}},
		{"path in the name", `"orders-etl"`, `"../etl"`, []string{"may hold only a-z", "name ="}},
		{"over-long name", `"orders-etl"`, `"` + long + `"`, []string{"is the longest allowed", "name ="}},
		{"bidirectional mark", `"Nightly export of orders"`, `"` + bidi + `"`, []string{"U+202E", "purpose ="}},
		{"NUL", `"Nightly export of orders"`, `"` + nul + `"`, []string{"U+0000", "purpose ="}},
		{"line break in the purpose", `"Nightly export of orders"`, `"Export\nttl: 1h"`, []string{"U+000A", "purpose ="}},
		{"line break in the justification", `"CHG-1234"`, `"CHG\nverdict: approve"`, []string{"U+000A", "justification ="}},
		{"over-long purpose", `"Nightly export of orders"`, `"` + long + `"`, []string{"is the longest allowed", "purpose ="}},
		{"no end", `ttl     = "2160h"`, ``, []string{"Every identity ends", "nhi_identity"}},
		{"two ends", `ttl     = "2160h"`, "ttl = \"2160h\"\n  expires_at = \"2031-01-01T00:00:00Z\"", []string{"Set either ttl or expires_at", "expires_at"}},
		{"malformed end", `ttl     = "2160h"`, `expires_at = "tomorrow"`, []string{"is not an RFC 3339 time", "expires_at"}},
		{"unknown kind of identity", `name    = "orders-etl"`, "name = \"orders-etl\"\n  kind = \"human\"", []string{"is none of service", "kind ="}},
		{"bad environment", `environment = "production"`, `environment = "Prod/1"`, []string{"may hold only a-z", "environment"}},
		{"two kinds of one system", `orders  = { postgres = {`, `orders  = { ssh = { ca_key_file = "a", krl_file = "b" }, postgres = {`, []string{"exactly one kind", "orders  ="}},
		{"two hosts in a URL", `@127.0.0.1:1/orders`, `@127.0.0.1:1,127.0.0.2:1/orders`, []string{"one host", `"orders": url`}},
		{"bad on_pending", `justification =`, "on_pending = \"hope\"\n  justification =", []string{"is neither", "on_pending"}},
	}
	for _, c := range cases {
		if strings.Count(good, c.old) == 0 {
			t.Fatalf("%s: %q is not in the configuration", c.name, c.old)
		}
		w.Write(t, "main.tf", strings.Replace(good, c.old, c.bad, 1))
		result := w.Plan(t)
		t.Run(c.name, func(t *testing.T) {
			wants(t, result, 1, c.says...)
			refuses(t, result, "This is a bug", "panic")
		})
	}
	w.Write(t, "main.tf", strings.Replace(good, "access = {", "access = {}\n  other = {", 1))
	wants(t, w.Plan(t), 1)
	w.Write(t, "main.tf", replaceAccess(good, "access = {}"))
	wants(t, w.Plan(t), 1, "at least one access", "access = {}")
}

// replaceAccess replaces the access map of a configuration.
func replaceAccess(config, access string) string {
	start := strings.Index(config, "  access = {")
	end := start + strings.Index(config[start:], "\n  }\n") + len("\n  }\n")
	return config[:start] + "  " + access + "\n" + config[end:]
}

// TestTicketOfAnother: a ticket of another identity or scope is refused at
// plan, on the attribute.
func TestTicketOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	other := strings.Replace(w.read("main.tf"), w.scope, "payments/other", 1)
	w.Write(t, "main.tf", other+`
resource "nhi_grant" "stolen" {
  ticket = { request = "`+requestOf(t, w)+`", standing = "open", identity_status = "active", text = <<-EOT
`+textOf(t, w)+`EOT
  }
}
`)
	wants(t, w.Plan(t, "-target=nhi_grant.stolen"), 1, "is not of production/payments/other", `resource "nhi_grant" "stolen"`)
}

func requestOf(t testing.TB, w *world) string { return stateOf(t, w, "nhi_approval", "request") }

func textOf(t testing.TB, w *world) string {
	ticket := attributes(t, w, "nhi_approval")["ticket"].(map[string]any)
	return ticket["text"].(string)
}

// stateOf returns a string attribute of the one resource of a type.
func stateOf(t testing.TB, w *world, kind, name string) string {
	value, _ := attributes(t, w, kind)[name].(string)
	return value
}

// attributes returns the attributes of the one resource of a type in state.
func attributes(t testing.TB, w *world, kind string) map[string]any {
	t.Helper()
	module, _ := w.Show(t, "")["values"].(map[string]any)["root_module"].(map[string]any)
	resources, _ := module["resources"].([]any)
	for _, r := range resources {
		resource, _ := r.(map[string]any)
		if resource["type"] == kind {
			values, _ := resource["values"].(map[string]any)
			return values
		}
	}
	t.Fatalf("no %s in state", kind)
	return nil
}

// TestUnknownValues: a system's URL that another resource of the same run
// makes: no crash, no false error, no effect on a guess.
func TestUnknownValues(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	unknownURL := strings.Replace(l.providerBlock(l.systems()), "var.orders_url", "terraform_data.url.output", 1)
	made := fmt.Sprintf("resource \"terraform_data\" \"url\" {\n  input = %q\n}\n", l.db.URL(""))
	l.Write(t, "main.tf", unknownURL+made+grantOf("720h", l.access()))
	check := l.untouched()
	planned := l.Plan(t, "-out=plan")
	wants(t, planned, 2, `+ status = "pending"`, "+ active = false")
	wants(t, l.applySaved("plan"), 0, "active = false")
	check("unknown at plan")
	l.decide("approve", l.etl, ana, ben)
	wants(t, l.Plan(t), 2, `"approved" -> "active"`)
	wants(t, l.Apply(t), 0, "active = true")
	// The URL is made anew: the grant stays, and nothing is concluded.
	l.Write(t, "main.tf", unknownURL+strings.Replace(made, "input", "triggers_replace = \"again\"\n  input", 1)+grantOf("720h", l.access()))
	wants(t, l.Plan(t), 2, "terraform_data.url must be replaced")
	refuses(t, l.Plan(t), "nhi_grant.etl will be destroyed", `-> "revoked"`, "drifted")
	wants(t, l.Apply(t), 0, "active = true")
	if len(l.roles()) != 1 {
		t.Errorf("roles: %v", l.roles())
	}
}

// TestUnknownAndAssured: access that would be active at once must be known at
// plan; what would have to be guessed is a clear error.
func TestUnknownAndAssured(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	l.Write(t, "main.tf", strings.Replace(l.providerBlock(l.systems()), "var.orders_url", "terraform_data.url.output", 1)+
		fmt.Sprintf("resource \"terraform_data\" \"url\" {\n  input = %q\n}\n", l.db.URL(""))+
		strings.Replace(grantOf("720h", l.access()), "justification =", "on_pending = \"error\"\n  justification =", 1))
	planned := l.Plan(t)
	wants(t, planned, 1, "Access not known yet", "access = {")
	refuses(t, planned, "This is a bug")
}

// TestTroubleAtRunTime: what only apply can find is said clearly, and nothing
// is lost.
func TestTroubleAtRunTime(t *testing.T) {
	t.Parallel()
	t.Run("no ledger", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.policy(1, "", twoOfSecurity)
		w.Write(t, "main.tf", strings.Replace(w.providerBlock(""), `".nhi"`, `"nowhere"`, 1)+grantOf("720h", externalAccess))
		wants(t, w.Apply(t), 1, "nhi init")
		if w.read("nowhere/ledger.db") != "" {
			t.Error("the provider made a ledger")
		}
	})
	t.Run("wrong credentials", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, false)
		good := l.Env
		l.Env = append(l.Env, "TF_VAR_orders_url="+strings.Replace(l.db.URL(""), l.db.Password(), "wrong-password", 1))
		failed := l.Apply(t)
		wants(t, failed, 1, "Access not granted", "orders", "password authentication failed")
		refuses(t, failed, "wrong-password")
		l.Env = good
		wants(t, l.Apply(t), 0, "active = true")
	})
	t.Run("system unreachable", func(t *testing.T) {
		t.Parallel()
		l := approvedLandscape(t, true)
		l.db.Stop()
		wants(t, l.Apply(t), 1, "Access not granted", "orders")
		l.db.Start()
		wants(t, l.Apply(t), 0, "active = true")
	})
}

// TestCredential: null and a warning when the grant is not active, an error
// for those who want that, and never for a lease that is not in force.
func TestCredential(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	credential := `
ephemeral "nhi_credential" "db" {
  lease       = nhi_grant.etl.lease
  target      = "db"
  on_inactive = "error"
}
`
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+strings.Replace(credential, `"error"`, `"warn"`, 1))
	wants(t, l.Apply(t), 0, "No credential", "the grant is not active")
	l.decide("approve", l.etl, ana, ben)
	wants(t, l.Apply(t), 0, "active = true")
	wants(t, l.Plan(t), 0, "ephemeral.nhi_credential.db: Opening complete")
	refuses(t, l.Plan(t), "No credential")
	forged := strings.Replace(credential, "nhi_grant.etl.lease", fmt.Sprintf("%q", string(l.etl)+"#2"), 1)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+grantOf("720h", l.access())+forged)
	wants(t, l.Plan(t), 1, "the lease is for activation 2, and activation 1 is in force")
	if roles := l.roles(); len(roles) != 1 {
		t.Errorf("login roles were left: %v", roles)
	}
}

// TestIdentity: disabled takes its grants along in the same plan, and it
// cannot go while a grant of its is live in another workspace.
func TestIdentity(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	active := l.read("main.tf")
	l.Write(t, "main.tf", strings.Replace(active, "  ttl     = \"2160h\"", "  ttl     = \"2160h\"\n  enabled = false", 1))
	wants(t, l.Plan(t, "-out=plan"), 2, `~ enabled = true -> false`, `~ status = "active" -> "revoked"`, `~ identity_status = "active" -> "disabled"`)
	wants(t, l.applySaved("plan"), 0, "active = false")
	if roles := l.roles(); len(roles) > 0 || l.sshWorks(l.certificates()[0]) {
		t.Errorf("after disabling: roles %v", roles)
	}
	wants(t, l.Plan(t), 0, "No changes")

	other := activeLandscape(t, false)
	wants(t, other.Run(t, "state", "rm", "nhi_grant.etl", "nhi_approval.etl"), 0)
	wants(t, other.Destroy(t), 1, "still holds access", string(other.etl))
}

// TestDrift: what was changed by hand is shown, and put back.
func TestDrift(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	principal, admin := nhi.Principal(l.etl, "db"), l.db.Prefix()+"admin"
	l.db.Exec(fmt.Sprintf(`CREATE ROLE %s; GRANT %s TO "%s"`, admin, admin, principal))
	planned := l.Plan(t)
	wants(t, planned, 2, `~ status = "drifted" -> "active"`, "role "+admin+" was added by hand", `- "role `+admin+`"`)
	t.Log(planned.Stdout)
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "No changes")
	l.db.Exec(fmt.Sprintf(`DROP ROLE "%s"`, principal))
	wants(t, l.Plan(t), 2, `"drifted" -> "active"`, "it was removed by hand")
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "No changes")
	if roles := l.roles(); len(roles) != 1 {
		t.Errorf("roles: %v", roles)
	}
}
