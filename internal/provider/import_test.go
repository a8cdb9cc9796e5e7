package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// loseState removes the state, as a lost disk would.
func (w *world) loseState() {
	w.t.Helper()
	for _, name := range []string{"terraform.tfstate", "terraform.tfstate.backup"} {
		if err := os.Remove(filepath.Join(w.Dir, name)); err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
	}
}

// ids are the ids of grantOf's resources, by address.
func (w *world) ids() map[string]string {
	return map[string]string{"nhi_identity.etl": string(w.etl.Identity()), "nhi_approval.etl": string(w.etl), "nhi_grant.etl": string(w.etl)}
}

// importAll imports grantOf's resources on the command line.
func (w *world) importAll() {
	w.t.Helper()
	for _, address := range []string{"nhi_identity.etl", "nhi_approval.etl", "nhi_grant.etl"} {
		wants(w.t, w.Run(w.t, "import", "-no-color", "-input=false", address, w.ids()[address]), 0, "Import successful!")
	}
}

// importBlocks are blocks that import grantOf's resources; each says what is to
// be imported in the given form, such as `id = %q`.
func (w *world) importBlocks(form string) string {
	var blocks strings.Builder
	for address, id := range w.ids() {
		fmt.Fprintf(&blocks, "import {\n  to = %s\n  "+form+"\n}\n", address, id)
	}
	return blocks.String()
}

// TestImport: after the whole state is lost, an import by id takes everything
// over as it is: no new approval, nothing done on any target, and a plan
// without changes but for the identity's ttl, which the ledger does not tell.
func TestImport(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.Write(t, "main.tf", strings.Replace(l.read("main.tf"), `ttl     = "2160h"`, `expires_at = "2031-01-01T00:00:00Z"`, 1))
	wants(t, l.Apply(t), 0)
	before := attributes(t, l.world, "nhi_grant")
	check, requests, uses := l.untouched(), len(l.chain(ledger.ApprovalChain(l.etl)).Entries), l.used()
	l.loseState()
	l.importAll()
	wants(t, l.Plan(t), 0, "No changes")
	check("import")
	after := attributes(t, l.world, "nhi_grant")
	for _, name := range []string{"status", "active", "lease", "activated_at", "expires_at", "active_request"} {
		if before[name] != after[name] {
			t.Errorf("%s was %v and is %v", name, before[name], after[name])
		}
	}
	if n := len(l.chain(ledger.ApprovalChain(l.etl)).Entries); n != requests || l.used() != uses {
		t.Errorf("%d entries on the approval's chain, %d uses", n, l.used())
	}
	wants(t, l.Destroy(t), 0)
	if roles := l.roles(); len(roles) > 0 {
		t.Errorf("after destroy: %v", roles)
	}
}

// TestImportBlock: import blocks do the same in a plan. An identity with a ttl
// gets it in place, and its end stays where it was.
func TestImportBlock(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	end := stateOf(t, l.world, "nhi_identity", "expires_at")
	l.loseState()
	config := l.read("main.tf")
	l.Write(t, "main.tf", config+l.importBlocks(`id = %q`))
	check := l.untouched()
	planned := l.Plan(t, "-out=plan")
	wants(t, planned, 2, "3 to import, 0 to add, 1 to change, 0 to destroy", `+ ttl = "2160h"`)
	refuses(t, planned, "expires_at = \""+end+"\" ->", "known after apply")
	t.Log(planned.Stdout)
	wants(t, l.applySaved("plan"), 0, "active = true")
	check("import blocks")
	l.Write(t, "main.tf", config)
	wants(t, l.Plan(t), 0, "No changes")
	if now := stateOf(t, l.world, "nhi_identity", "expires_at"); now != end {
		t.Errorf("the end was %s and is %s", end, now)
	}
}

// TestImportGenerates: Terraform can write the configuration of what is
// imported, and that configuration changes nothing.
func TestImportGenerates(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	l.loseState()
	bare := l.providerBlock(l.systems()) + variables
	l.Write(t, "main.tf", bare+l.importBlocks("provider = nhi\n  id = %q")) // newer Terraform does not find it otherwise
	check := l.untouched()
	planned := l.Plan(t, "-generate-config-out=generated.tf")
	wants(t, planned, 2, "3 to import, 0 to add, 0 to change, 0 to destroy")
	l.Write(t, "main.tf", bare+l.importBlocks(`id = %q`)) // and refuses it once there is a configuration
	wants(t, l.Apply(t), 0, "3 imported, 0 added, 0 changed, 0 destroyed")
	wants(t, l.Plan(t), 0, "No changes")
	check("generated configuration")
}

// TestImportByIdentity: Terraform since 1.12 imports by resource identity.
func TestImportByIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	requireResourceIdentity(t, w)
	w.policy(1, "", twoOfSecurity)
	config := w.providerBlock("") + grantOf("720h", externalAccess)
	w.Write(t, "main.tf", config)
	wants(t, w.Apply(t), 0)
	w.loseState()
	w.Write(t, "main.tf", config+w.importBlocks(`identity = { id = %q }`))
	wants(t, w.Apply(t), 0, "3 imported, 0 added, 1 changed, 0 destroyed")
	w.Write(t, "main.tf", config)
	wants(t, w.Plan(t), 0, "No changes")
}

// requireResourceIdentity skips a test where the CLI knows no resource identity.
func requireResourceIdentity(t *testing.T, w *world) {
	t.Helper()
	w.Write(t, "main.tf", w.providerBlock("")+"import {\n  to = nhi_identity.x\n  identity = { id = \"x\" }\n}\nresource \"nhi_identity\" \"x\" {\n  name = \"x\"\n  owner = \"x\"\n  purpose = \"x\"\n  ttl = \"1h\"\n}\n")
	if result := w.Run(t, "validate", "-no-color"); result.Code != 0 {
		t.Skipf("this CLI imports by id alone: %s", result.Text())
	}
}

// TestImportRefused: what cannot be imported says why.
func TestImportRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Apply(t), 0)
	w.loseState()
	refused := func(address, id string, texts ...string) {
		t.Helper()
		wants(t, w.Run(t, "import", "-no-color", "-input=false", address, id), 1, append(texts, "Nothing imported")...)
	}
	refused("nhi_identity.etl", "sandbox/"+w.scope+"/orders-etl", "is not of production/"+w.scope)
	refused("nhi_approval.etl", "production/payments/other/orders-etl:default", "is not of production/"+w.scope)
	refused("nhi_grant.etl", "production/payments/other/orders-etl:default", "is not of production/"+w.scope)
	refused("nhi_identity.etl", "orders-etl", "is not ENVIRONMENT/SCOPE/NAME")
	refused("nhi_grant.etl", string(w.etl.Identity()), "is not IDENTITY:NAME")
	refused("nhi_identity.etl", "production/"+w.scope+"/other", "The ledger does not know")
	refused("nhi_approval.etl", string(w.etl)+"s", "The ledger holds no request")
	refused("nhi_grant.etl", string(w.etl)+"s", "The ledger holds no request")

	w.importAll() // the rest, and its end
	wants(t, w.Destroy(t), 0)
	refused("nhi_identity.etl", string(w.etl.Identity()), "The ledger does not know")
	refused("nhi_approval.etl", string(w.etl), "Nobody asks for")
	refused("nhi_grant.etl", string(w.etl), "Nobody asks for")
	must(t, os.Rename(filepath.Join(w.Dir, ".nhi"), filepath.Join(w.Dir, "away")))
	refused("nhi_identity.etl", string(w.etl.Identity()), "ledger cannot be relied on")
}

// TestImportOfEveryForm: an approval comes back as it was asked for, with what
// is as by default left out, and a grant in whatever state it is.
func TestImportOfEveryForm(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	box := strings.Replace(l.boxAccess(), "principals", `extensions = [], source_addresses = ["127.0.0.0/8"], principals`, 1)
	config := l.providerBlock(l.systems()) + variables + strings.Replace(grantOf("43200m", l.dbAccess()+box+externalAccess), `ttl     = "2160h"`, `expires_at = "2031-01-01T00:00:00Z"`, 1)
	l.Write(t, "main.tf", config)
	wants(t, l.Apply(t), 0)
	again := func(what string, code int, texts ...string) testserver.Result {
		t.Helper()
		l.loseState()
		l.importAll()
		planned := l.Plan(t)
		t.Logf("%s:\n%s", what, planned.Text())
		wants(t, planned, code, texts...)
		return planned
	}
	again("pending", 0, "No changes", "Waiting for approval")
	l.decide(nhi.VerdictApprove, l.etl, ana, ben)
	again("approved", 2, `"approved" -> "active"`, "0 to add, 1 to change, 0 to destroy")
	wants(t, l.Apply(t), 0, "active = true")
	again("active", 0, "No changes")
	l.Write(t, "main.tf", strings.Replace(config, "orders_ro", "orders_ro\", \"pg_monitor", 1))
	wants(t, l.Apply(t), 0, "active = true")
	l.Write(t, "main.tf", strings.Replace(config, "orders_ro", "orders_ro\", \"pg_monitor", 1))
	again("wider", 0, "No changes", "Waiting for approval")
	wants(t, l.Plan(t, "-destroy"), 2)
	l.advance(721 * 3600e9)
	again("expired", 2, `"expired" -> "revoked"`)
	wants(t, l.Apply(t), 0, "active = false")
	again("revoked", 0, "No changes")
}

// TestImportOfTerms: a renewed approval asks for no other term, and a trigger
// does not fire again.
func TestImportOfTerms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	config := w.providerBlock("") + strings.NewReplacer(
		`ttl     = "2160h"`, `expires_at = "2031-01-01T00:00:00Z"`,
		"justification =", "renewal = 1\n  reusable_until = \""+nhi.FormatTime(w.now().Add(300*time.Hour))+"\"\n  justification =",
		"ticket =", "trigger = \"monday\"\n  ticket =").Replace(grantOf("1h", externalAccess))
	w.Write(t, "main.tf", config)
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	uses := w.used()
	w.loseState()
	w.importAll()
	wants(t, w.Plan(t), 0, "No changes")
	if w.used() != uses {
		t.Errorf("%d uses, and %d before", w.used(), uses)
	}
}

// TestSaidInOtherLetters: a configuration that means the same is no change.
func TestSaidInOtherLetters(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false)
	config := l.providerBlock(l.systems()) + variables + grantOf("720h", l.boxAccess())
	l.Write(t, "main.tf", config)
	wants(t, l.Apply(t), 0)
	wants(t, l.Plan(t), 0, "No changes")
	comment := strings.Replace(config, ".pub\")", ".pub\")} with another comment\"", 1)
	comment = strings.Replace(comment, "public_key = file(", "public_key = \"${chomp(file(", 1)
	comment = strings.Replace(comment, ".pub\")}", ".pub\"))}", 1)
	l.Write(t, "main.tf", strings.Replace(comment, `"720h"`, `"43200m"`, 1))
	wants(t, l.Plan(t), 0, "No changes")
	l.Write(t, "main.tf", strings.Replace(config, `"720h"`, `"719h"`, 1))
	wants(t, l.Plan(t), 2, `~ ttl = "720h" -> "719h"`)
}
