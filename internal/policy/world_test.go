package policy_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

const (
	ledgerID = "0123456789abcdef0123456789abcdef"
	approval = "production/payments/etl/orders-etl:default"
	within   = 168 * time.Hour
)

var now = time.Date(2030, 1, 10, 12, 0, 0, 0, time.UTC)

// signerOf returns a key that follows from its name, so that texts in tests do
// not change from run to run.
func signerOf(name string) ssh.Signer {
	seed := sha256.Sum256([]byte("nhi test key " + name))
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return signer
}

func keyOf(name string) string { return signature.Key(signerOf(name).PublicKey()) }

// source is the policy of the tests. Ana has two keys; dora is in two groups;
// eve is known, and in no group.
func source() string {
	return fmt.Sprintf(`# The policy of the tests.
ledger          = %q
version         = 3
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h"

approver "ana@example.com" {
  keys   = [%q, %q]
  groups = ["security"]
}
approver "ben@example.com" {
  keys   = [%q]
  groups = ["security"]
}
approver "cleo@example.com" {
  keys   = [%q]
  groups = ["security"]
}
approver "dora@example.com" {
  keys   = [%q]
  groups = ["security", "data"]
}
approver "eve@example.com" {
  keys = [%q]
}

environment "production" {
  system "orders" { postgres = "db.internal:5432/orders" }
  system "ledger" { postgres = "db.internal:5432/ledger" }
  system "bastion" { ssh = "SHA256:bastion" }
}
environment "sandbox" {
  system "orders" { postgres = "sandbox:5432/orders" }
}

rule "production databases" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["orders"]
  max_ttl      = "720h"
  quorum "security" { count = 2 }
}
rule "the books" {
  environments = ["production"]
  scopes       = ["payments/**"]
  systems      = ["ledger"]
  max_ttl      = "24h"
  quorum "security" { count = 1 }
  quorum "data" { count = 1 }
}
rule "machines" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["bastion", "external"]
  max_ttl      = "720h"
  quorum "security" { count = 1 }
}
rule "sandbox" {
  environments = ["sandbox"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "24h"
  approval     = "no approval needed"
}
`, ledgerID, keyOf("ana"), keyOf("ana's token"), keyOf("ben"), keyOf("cleo"), keyOf("dora"), keyOf("eve"))
}

func person(name string) string { return name + "@example.com" }

func parse(t testing.TB, src string) *policy.Document {
	t.Helper()
	document, err := policy.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// orders asks for what rule "production databases" decides: two of security.
func orders() nhi.Request {
	return nhi.Request{
		Ledger: ledgerID, Approval: approval, Term: 1, Owner: "ana@example.com", Kind: nhi.KindService,
		Purpose: "Nightly export of orders", TTL: 24 * time.Hour,
		Access: nhi.Accesses{"db": access("orders", "postgres", "db.internal:5432/orders")},
	}
}

func access(system, kind, endpoint string) nhi.Access {
	return nhi.Access{System: system, Kind: kind, Endpoint: endpoint, Settings: nhi.Values{"roles": nhi.List("x")}}
}

func external() nhi.Access {
	return nhi.Access{Kind: nhi.KindExternal, Settings: nhi.Values{"description": nhi.Text("x")}}
}

func textOf(t testing.TB, request nhi.Request) string {
	t.Helper()
	text, err := request.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func hashOf(seq uint64) nhi.Digest { return nhi.DigestOf(fmt.Sprintf("entry %d", seq)) }

// chain knows the heads from 0 to 9.
func chain(seq uint64) (nhi.Digest, bool) { return hashOf(seq), seq < 10 }

// vote is a decision to be signed; the zero fields are filled in.
type vote struct {
	key     string // name of the signing key
	verdict nhi.Verdict
	at      time.Duration // signed so long before now; may be negative
	window  time.Duration // from signing to activate before
	seq     uint64
	change  func(*nhi.Decision)
	request nhi.Request
}

func yes(key string) vote { return vote{key: key} }

func no(key string, verdict nhi.Verdict, at time.Duration) vote {
	return vote{key: key, verdict: verdict, at: at}
}

func (v vote) decision(t testing.TB) nhi.Decision {
	t.Helper()
	request := v.request
	if request.Ledger == "" {
		request = orders()
	}
	decision := nhi.Decision{
		Verdict: v.verdict, Justification: "CHG-1234", PolicyVersion: 3, PolicyDigest: nhi.DigestOf("policy"),
		SignedAt: now.Add(-v.at), Head: nhi.Head{Seq: v.seq, Hash: hashOf(v.seq)}, Request: textOf(t, request),
	}
	if v.verdict == "" {
		decision.Verdict = nhi.VerdictApprove
	}
	if v.window == 0 {
		v.window = within
	}
	decision.ActivateBefore = decision.SignedAt.Add(v.window)
	decision.NotAfter = decision.ActivateBefore.Add(request.TTL)
	if v.change != nil {
		v.change(&decision)
	}
	return decision
}

func (v vote) signed(t testing.TB) nhi.SignedDecision {
	t.Helper()
	text, err := v.decision(t).Text()
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, v.key, signature.NamespaceDecision, text)
}

// sign signs one decision text, as the only one of its list.
func sign(t testing.TB, key, namespace, text string) nhi.SignedDecision {
	t.Helper()
	list, err := nhi.DecisionList([]string{text})
	if err != nil {
		t.Fatal(err)
	}
	block, err := signature.Sign(signerOf(key), namespace, list)
	if err != nil {
		t.Fatal(err)
	}
	return nhi.SignedDecision{Text: text, List: list, Signature: block}
}

func signAll(t testing.TB, votes ...vote) []nhi.SignedDecision {
	t.Helper()
	var all []nhi.SignedDecision
	for _, v := range votes {
		all = append(all, v.signed(t))
	}
	return all
}

// askedBy is the record of who asked: a key's name, or "" for no proof.
func askedBy(t testing.TB, request nhi.Request, keys ...string) []policy.Asked {
	t.Helper()
	var asked []policy.Asked
	for _, key := range keys {
		if key == "" {
			asked = append(asked, policy.Asked{Justification: "CHG-1234"})
			continue
		}
		block, err := signature.Sign(signerOf(key), signature.NamespaceRequest, textOf(t, request))
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, policy.Asked{Justification: "CHG-1234", Signature: block})
	}
	return asked
}

// input is a request by eve, who is known and in no group.
func input(t testing.TB, request nhi.Request, votes ...vote) policy.Input {
	t.Helper()
	for i := range votes {
		if votes[i].request.Ledger == "" {
			votes[i].request = request
		}
	}
	return policy.Input{
		Request: request, Text: textOf(t, request), Asked: askedBy(t, request, "eve"),
		Decisions: signAll(t, votes...), HashAt: chain, Now: now,
	}
}

func wantStatus(t *testing.T, verdict policy.Verdict, want policy.Status) {
	t.Helper()
	if verdict.Status != want {
		t.Errorf("status = %s, want %s\ndenials %v\nneeds %v\nreasons %q", verdict.Status, want, verdict.Denials, verdict.Needs, verdict.Reasons)
	}
}

func wantReason(t *testing.T, verdict policy.Verdict, words string) {
	t.Helper()
	if !slices.ContainsFunc(verdict.Reasons, func(reason string) bool { return strings.Contains(reason, words) }) {
		t.Errorf("no reason says %q: %q", words, verdict.Reasons)
	}
}
