package ledger_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// A golden file is written once. To change one is to void every ledger that
// was ever written: add a new version of the type instead.
var golden = flag.Bool("golden", false, "write the golden files that are missing")

const ledgerID = "00112233445566778899aabbccddeeff"

var (
	noon    = time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	someone = nhi.Identity{
		ID: "production/payments/etl/orders-etl", Owner: "ana@example.com", Purpose: "Nightly export of orders <&> \"more\"",
		Kind: nhi.KindService, Status: nhi.IdentityActive, ExpiresAt: noon,
	}
	target = ledger.Target{
		System: "orders", Kind: "postgres", Endpoint: "db.example.com:5432/orders", Principal: "orders-etl-k3x9ab",
		Nonce: "ffeeddccbbaa99887766554433221100", ID: "16385", Evidence: "pg_roles", NotBefore: noon, NotAfter: noon.Add(time.Hour),
		Access: nhi.Values{"roles": nhi.List("orders_ro", "audit_ro"), "connection_limit": nhi.Text("5"), "none": nhi.List()},
	}
)

// samples has an entry of every type with every field set, and one with none.
func samples(t testing.TB) map[string]ledger.Body {
	digest := nhi.DigestOf("a text\n")
	head := nhi.Head{Seq: 3, Hash: nhi.DigestOf("an entry")}
	lost := target
	lost.Ledger = "ffeeddccbbaa99887766554433221100"
	full := []ledger.Body{
		ledger.RootBody{Root: storetest.Root(t).Root, Signatures: []string{"-----BEGIN SSH SIGNATURE-----\n"}},
		ledger.BaseBody{Base: "nhi base 1\n", Signatures: []string{"-----BEGIN SSH SIGNATURE-----\n"}},
		ledger.PolicyBody{Version: 7, Digest: digest, Document: "version = 7\n", Signatures: "-----BEGIN SSH SIGNATURE-----\n"},
		ledger.IdentityBody{Identity: someone},
		ledger.RequestBody{Text: "nhi request 1\n", Justification: "CHG-1234", Signature: "-----BEGIN SSH SIGNATURE-----\n"},
		ledger.RequestBody{
			Text: "nhi request 1\n", Justification: "CHG-1234", Signature: "", Token: "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2NpLmV4YW1wbGUuY29tIn0", Proof: "AAEC",
			Issuer: "https://vault.internal:8200", Claims: map[string]string{"entity_id": "5b3f", "path": "auth/approle/login"},
		},
		ledger.DecisionBody{SignedDecision: nhi.SignedDecision{Text: "nhi decision 1\n", List: string(digest) + " a/b/c:d\n", Signature: "sig"}},
		ledger.IntentBody{
			Verb: ledger.VerbActivate, Activation: 2, Request: digest, Text: "nhi request 1\n", Reason: "approved", StartedAt: noon,
			ExpiresAt: noon.Add(time.Hour), Targets: map[string]ledger.Target{"db": target, "box": target}, Heads: map[string]nhi.Head{ledger.PolicyChain: head},
		},
		ledger.EffectBody{Epoch: 4, Step: "enable", Targets: map[string]ledger.Target{"db": target}},
		ledger.VerificationBody{Epoch: 4, Targets: map[string]ledger.Verified{"db": {
			State: "active", Verified: true, Privileges: []string{"orders_ro"}, UsableUntil: noon, Open: "connection refused",
		}}},
		ledger.UseBody{Epoch: 4, Activation: 2, Request: digest},
		ledger.BlockBody{Reason: "left the company", By: "ben@example.com"},
		ledger.LiftBody{Reason: "came back", By: "ben@example.com"},
		ledger.WithdrawalBody{Request: digest},
		ledger.ObservationBody{Request: digest, Targets: map[string]ledger.Observed{"db": {
			Principal: "svc_orders", ID: "16385", Owner: "ana@example.com", Privileges: []string{"role orders_rw", "LOGIN"}, LastUsed: noon,
		}}},
		ledger.HolderBody{Holder: "ffeeddccbbaa99887766554433221100", Activation: 2},
		ledger.ConfirmationBody{Request: digest, Channel: "hcp_terraform", Person: "ana@example.com",
			Account: ledger.Account{Host: "app.terraform.io", ID: "user-V3R563qtJNcExAkN", Name: "ana"}, Run: "run-X3n1AUXNGWbfECsJ",
			URL: "https://app.terraform.io/app/acme/workspaces/etl/runs/run-X3n1AUXNGWbfECsJ", At: noon, Unproven: "who pushed is not told",
			Others:        []ledger.Involved{{Account: ledger.Account{Host: "github.com", ID: "rae", Name: "rae"}, Role: "pushed the commit", Sole: true}},
			PolicyVersion: 7, PolicyDigest: digest},
		ledger.EmergencyBody{Text: "nhi emergency 1\n", Signatures: "-----BEGIN SSH SIGNATURE-----\n", Root: digest},
		ledger.IntentBody{
			Verb: ledger.VerbActivate, Activation: 3, Request: digest, Text: "nhi request 1\n", Reason: "approved", StartedAt: noon,
			ExpiresAt: noon.Add(time.Hour), Targets: map[string]ledger.Target{"db": target}, Heads: map[string]nhi.Head{ledger.PolicyChain: head},
			Trigger: "run-42", Holder: "ffeeddccbbaa99887766554433221100",
		},
		ledger.IntentBody{
			Verb: ledger.VerbRevoke, Reason: "rebuilt", StartedAt: noon, ExpiresAt: noon, Targets: map[string]ledger.Target{"db": lost},
			Heads: map[string]nhi.Head{ledger.PolicyChain: head},
		},
	}
	all := map[string]ledger.Body{}
	for _, body := range full {
		all[body.Type()] = body
		empty, _ := reflect.Zero(reflect.TypeOf(body)).Interface().(ledger.Body)
		all[empty.Type()+" empty"] = empty
	}
	return all
}

func sample(body ledger.Body) ledger.Entry {
	return ledger.Entry{
		Ledger: ledgerID, Chain: ledger.GrantChain("production/payments/etl/orders-etl:default"), Seq: 5, Prev: nhi.DigestOf("before"),
		Time: noon.Add(123 * time.Millisecond), Writer: "terraform-provider-nhi 0.1.0", Body: body,
	}
}

func encode(t testing.TB, entry ledger.Entry) []byte {
	t.Helper()
	data, err := entry.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGoldenEntries(t *testing.T) {
	t.Parallel()
	types := map[string]bool{}
	for name, body := range samples(t) {
		types[body.Type()] = true
		got := encode(t, sample(body))
		path := filepath.Join("testdata", "entries", strings.ReplaceAll(name, " ", "_")+".json")
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *golden {
			want, err = got, os.WriteFile(path, got, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes changed:\n got %s\nwant %s", name, got, want)
		}
		read, err := ledger.DecodeEntry(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again := encode(t, read); !bytes.Equal(again, want) {
			t.Errorf("%s: read and written again:\n got %s\nwant %s", name, again, want)
		}
		if read.Hash() != nhi.DigestOf(string(want)) {
			t.Errorf("%s: the hash is not over the stored bytes", name)
		}
		if bytes.Contains(want, []byte("null")) {
			t.Errorf("%s: null is a second way to write what is empty: %s", name, want)
		}
	}
	for _, name := range ledger.Types() {
		if !types[name] {
			t.Errorf("no sample of type %s", name)
		}
	}
	if len(types) != len(ledger.Types()) {
		t.Errorf("%d types of samples, %d types", len(types), len(ledger.Types()))
	}
}

func TestEntryRoundTrip(t *testing.T) {
	t.Parallel()
	for name, body := range samples(t) {
		if strings.HasSuffix(name, "empty") {
			continue
		}
		entry := sample(body)
		read, err := ledger.DecodeEntry(encode(t, entry))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(entry, read); diff != "" {
			t.Errorf("%s: (-written +read)\n%s", name, diff)
		}
	}
}

// Every time in an entry is written in UTC, whatever the writer's time zone:
// also those of a field that somebody adds later.
func TestTimesAreUTC(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 2*60*60)
	for name, body := range samples(t) {
		moved := inZone(reflect.ValueOf(body), zone).Interface()
		shifted, ok := moved.(ledger.Body)
		if !ok {
			t.Fatalf("%T", moved)
		}
		entry := sample(shifted)
		entry.Time = entry.Time.In(zone)
		if got, want := encode(t, entry), encode(t, sample(body)); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// inZone returns a copy of v with every time in it moved to zone.
func inZone(v reflect.Value, zone *time.Location) reflect.Value {
	if at, ok := v.Interface().(time.Time); ok {
		return reflect.ValueOf(at.In(zone))
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch {
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[nhi.Value]():
		for i := range v.NumField() {
			out.Field(i).Set(inZone(v.Field(i), zone))
		}
	case v.Kind() == reflect.Map && !v.IsNil():
		out.Set(reflect.MakeMap(v.Type()))
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, inZone(v.MapIndex(key), zone))
		}
	}
	return out
}
