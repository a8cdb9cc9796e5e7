package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
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

// TestBadLedger: a ledger block that leads nowhere is an error at validate, on
// the attribute that is wrong.
func TestBadLedger(t *testing.T) {
	t.Parallel()
	w := paper(t)
	good := w.read("main.tf")
	for _, c := range []struct{ bad, says, at string }{
		{`{}`, "exactly one kind", "ledger"},
		{`{ local = {} }`, "is required", "ledger"},
		{`{ local = { path = "" } }`, "must not be empty", "ledger"},
	} {
		w.Write(t, "main.tf", strings.Replace(good, `{ local = { path = ".nhi" } }`, c.bad, 1))
		wants(t, w.Plan(t), 1, "Invalid ledger", c.says, c.at)
	}
}
