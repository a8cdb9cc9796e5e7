package provider_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	stores "github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testserver.RemoveBinary()
	os.Exit(code)
}

// world is one company in a temporary folder: a ledger, a trust root, a signed
// policy, people with keys, and a Terraform workspace that belongs to them.
type world struct {
	*testserver.Workspace
	t      testing.TB
	people map[string]ssh.Signer
	ledger string
	// place is where the ledger is, and block what the configuration says of it.
	place ledger.Place
	block string
	scope string         // no other world has it: principals follow from it
	etl   nhi.ApprovalID // of grantOf
	ahead time.Duration
}

// worlds counts the worlds of this process.
var worlds atomic.Int64

// The people of every world. Rae asks; Ana, Ben and Cyd are of group security.
const (
	ana = "ana@example.com"
	ben = "ben@example.com"
	cyd = "cyd@example.com"
	rae = "rae@example.com"
)

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, func(w *world) (string, nhi.Values, string) {
		return "local", nhi.Values{"path": nhi.Text(filepath.Join(w.Dir, ".nhi"))}, `{ local = { path = ".nhi" } }`
	})
}

// newWorldOn is newWorld with its ledger where place says: the kind of store,
// its settings, and how the configuration writes them.
func newWorldOn(t testing.TB, place func(*world) (kind string, settings nhi.Values, block string)) *world {
	t.Helper()
	w := &world{Workspace: testserver.NewWorkspace(t), t: t, people: map[string]ssh.Signer{}}
	kind, settings, block := place(w)
	w.block = block
	for _, known := range stores.All() {
		if known.Name == kind {
			at, errs := ledger.NewPlace(known, settings)
			must(t, errors.Join(errs...))
			w.place = at
		}
	}
	w.scope = fmt.Sprintf("payments/etl-%d", worlds.Add(1))
	w.etl = nhi.ApprovalID("production/" + w.scope + "/orders-etl:default")
	for _, person := range []string{"root", ana, ben, cyd, rae} {
		w.people[person] = w.newKey(person)
	}
	w.Env = append(w.Env, "NHI_TRUST_ROOT="+string(nhi.DigestOf(w.found())))
	return w
}

// found makes an empty ledger with a new id, and returns the text of its root.
func (w *world) found() string {
	w.t.Helper()
	root := nhi.Root{Version: 1, Threshold: 1, Keys: []string{signature.Key(w.people["root"].PublicKey())}}
	text, err := root.Text()
	must(w.t, err)
	store, err := w.place.NewStore(context.Background(), w.now)
	must(w.t, err)
	book, err := ledger.Create(context.Background(), store, ledger.RootBody{Root: text}, "test")
	must(w.t, err)
	w.ledger = book.ID()
	must(w.t, book.Close())
	return text
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newKey makes a key pair; the private half is in the file that keyFile names.
func (w *world) newKey(person string) ssh.Signer {
	w.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(w.t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(w.t, err)
	must(w.t, os.WriteFile(w.keyFile(person), pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	must(w.t, err)
	must(w.t, os.WriteFile(w.keyFile(person)+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
	return signer
}

func (w *world) keyFile(person string) string {
	name, _, _ := strings.Cut(person, "@")
	return filepath.Join(w.Dir, "key-"+name)
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

// advance moves the clock of everything that is ours.
func (w *world) advance(by time.Duration) {
	w.t.Helper()
	w.ahead += by
	w.SetClock(w.t, w.ahead)
}

// approvers is the part of a policy that names the people.
func (w *world) approvers(names ...string) string {
	var text strings.Builder
	for _, name := range names {
		groups := `"security"`
		if name == rae {
			groups = ""
		}
		fmt.Fprintf(&text, "approver %q {\n  keys = [%q]\n  groups = [%s]\n}\n", name, signature.Key(w.people[name].PublicKey()), groups)
	}
	return text.String()
}

// policy signs and writes a policy: version, the systems of production, and
// the rules.
func (w *world) policy(version int, systems, rules string, names ...string) {
	w.t.Helper()
	if len(names) == 0 {
		names = []string{ana, ben, cyd, rae}
	}
	w.signPolicy(fmt.Sprintf(`ledger          = %q
version         = %d
expires         = %q
activate_within = "168h"
%s
environment "production" {
%s
}
%s
`, w.ledger, version, nhi.FormatTime(w.now().Add(365*24*time.Hour)), w.approvers(names...), systems, rules))
}

// signPolicy writes a policy file as it is, with the root's signature.
func (w *world) signPolicy(source string) {
	w.t.Helper()
	block, err := policy.SignDocument([]byte(source), w.people["root"])
	must(w.t, err)
	w.Write(w.t, "policy.hcl", source)
	w.Write(w.t, "policy.hcl.sig", block)
}

// signAnything is signPolicy for what is no policy.
func (w *world) signAnything(source string) {
	w.t.Helper()
	block, err := signature.Sign(w.people["root"], signature.NamespacePolicy, source)
	must(w.t, err)
	w.Write(w.t, "policy.hcl", source)
	w.Write(w.t, "policy.hcl.sig", block)
}

// twoOfSecurity is the rule of most worlds.
const twoOfSecurity = `
rule "production access" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["*"]
  max_ttl      = "720h"
  quorum "security" { count = 2 }
}
`

// providerBlock is the provider block of most worlds.
func (w *world) providerBlock(systems string) string {
	return fmt.Sprintf(`
terraform {
  required_providers {
    nhi = { source = "nhi-terraform/nhi" }
  }
}
provider "nhi" {
  environment = "production"
  scope       = %q
  ledger      = %s
  policy_file = "policy.hcl"
  requester   = { ssh_key_file = %q }
  systems = {
%s
  }
}
`, w.scope, w.block, w.keyFile(rae), systems)
}

// grantOf is an identity, an approval and a grant called etl.
func grantOf(ttl, access string) string {
	return fmt.Sprintf(`
resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}
resource "nhi_approval" "etl" {
  subject       = nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = %q
  access = {
%s
  }
}
resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}
output "active" { value = nhi_grant.etl.active }
`, ttl, access)
}

const externalAccess = `    aws = { external = { description = "read the export bucket" } }`

// book opens the ledger for a look or a decision.
func (w *world) book() *ledger.Ledger {
	w.t.Helper()
	book, err := w.place.Open(context.Background(), "test", w.now)
	must(w.t, err)
	w.t.Cleanup(func() { _ = book.Close() })
	return book
}

// chain reads one chain.
func (w *world) chain(name string) ledger.Chain {
	w.t.Helper()
	chain, err := w.book().Read(context.Background(), name)
	must(w.t, err)
	return chain
}

// decide signs verdicts on the newest request of an approval, as a person
// would with nhi approve, and appends them.
func (w *world) decide(verdict nhi.Verdict, id nhi.ApprovalID, people ...string) {
	w.t.Helper()
	for _, person := range people {
		signed := w.decision(verdict, id, person)
		book := w.book()
		chain, err := book.Read(context.Background(), ledger.ApprovalChain(id))
		must(w.t, err)
		_, err = book.Append(context.Background(), chain, ledger.DecisionBody{SignedDecision: signed})
		must(w.t, err)
	}
}

// decision makes a signed decision on the newest request of an approval.
func (w *world) decision(verdict nhi.Verdict, id nhi.ApprovalID, person string) nhi.SignedDecision {
	w.t.Helper()
	chain := w.chain(ledger.ApprovalChain(id))
	text := ""
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.RequestBody); ok {
			text = body.Text
		}
	}
	return w.decisionOn(text, chain.Head(), verdict, person)
}

// decisionOn makes a signed decision on a request, by somebody who saw the
// approval's chain up to head.
func (w *world) decisionOn(text string, head nhi.Head, verdict nhi.Verdict, person string) nhi.SignedDecision {
	w.t.Helper()
	if head.Seq == 0 {
		head = nhi.Unrecorded(text)
	}
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	source, err := os.ReadFile(filepath.Join(w.Dir, "policy.hcl"))
	must(w.t, err)
	document, err := policy.Parse(source)
	must(w.t, err)
	signedAt := w.now().UTC().Truncate(time.Second)
	before := document.Until(request, signedAt)
	decision := nhi.Decision{
		Verdict: verdict, Justification: "CHG-1234", Requester: rae, PolicyVersion: document.Version, PolicyDigest: document.Digest,
		SignedAt: signedAt, ActivateBefore: before, NotAfter: before.Add(request.TTL), Head: head, Request: text,
	}
	decisionText, err := decision.Text()
	must(w.t, err)
	list, err := nhi.DecisionList([]string{decisionText})
	must(w.t, err)
	armoured, err := signature.Sign(w.people[person], signature.NamespaceDecision, list)
	must(w.t, err)
	return nhi.SignedDecision{Text: decisionText, List: list, Signature: armoured}
}

// wants fails the test unless the result has the exit code and says every text.
func wants(t testing.TB, result testserver.Result, code int, texts ...string) {
	t.Helper()
	all := result.Text()
	if result.Code != code {
		t.Fatalf("exit code %d, want %d:\n%s\n%s", result.Code, code, result.Stdout, result.Stderr)
	}
	for _, text := range texts {
		if !strings.Contains(all, strings.Join(strings.Fields(text), " ")) {
			t.Fatalf("%q is missing in:\n%s\n%s", text, result.Stdout, result.Stderr)
		}
	}
}

// refuses fails the test where the result says any of the texts.
func refuses(t testing.TB, result testserver.Result, texts ...string) {
	t.Helper()
	all := result.Text()
	for _, text := range texts {
		if strings.Contains(all, text) {
			t.Fatalf("%q must not stand in:\n%s\n%s", text, result.Stdout, result.Stderr)
		}
	}
}
