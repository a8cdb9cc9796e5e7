package nhi_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// update writes the golden files anew. A changed byte in one of them voids
// every approval that was ever given: it is never right after a release.
var update = flag.Bool("update", false, "write the golden files")

const sampleLedger = "0123456789abcdef0123456789abcdef"

var (
	sampleSigned = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
	sampleNonce  = strings.Repeat("5f", 16)
)

func sampleRequest() nhi.Request {
	return nhi.Request{
		Ledger:   sampleLedger,
		Approval: "production/payments/etl/orders-etl:default",
		Term:     1,
		Owner:    "ana@example.com",
		Kind:     nhi.KindService,
		Purpose:  "Nightly export of orders",
		TTL:      720 * time.Hour,
		Access: nhi.Accesses{
			"aws": {Kind: nhi.KindExternal, Settings: nhi.Values{"description": nhi.Text("read the export bucket")}},
			"box": {System: "bastion", Kind: "ssh", Endpoint: "SHA256:W1FqTLsFKOZ9sJgZlGSpdAAAAbbbbccccddddeeee00", Settings: nhi.Values{
				"principals": nhi.List("deploy"), "public_key": nhi.Text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"), "source_address": nhi.Text(""),
			}},
			"db": {System: "orders", Kind: "postgres", Endpoint: "db.internal:5432/orders", Settings: nhi.Values{
				"roles": nhi.List("orders_ro", "audit_ro"), "schemas": nhi.List(),
			}},
		},
	}
}

func reusableRequest() nhi.Request {
	request := sampleRequest()
	request.Term, request.TTL = 12, 90*time.Minute
	request.ReusableUntil = time.Date(2030, 6, 30, 0, 0, 0, 0, time.UTC)
	request.Purpose = "Überweisungen prüfen – 毎晩"
	return request
}

func sampleDecision(t testing.TB) nhi.Decision {
	t.Helper()
	request := sampleRequest()
	before := sampleSigned.Add(168 * time.Hour)
	return nhi.Decision{
		Verdict: nhi.VerdictApprove, Justification: "CHG-1234", Requester: "ben@example.com",
		PolicyVersion: 3, PolicyDigest: nhi.DigestOf("a policy"),
		SignedAt: sampleSigned, ActivateBefore: before, NotAfter: before.Add(request.TTL),
		Head: nhi.Head{Seq: 1, Hash: nhi.DigestOf("an entry")}, Request: text(t)(request.Text()),
	}
}

func sampleRoot() nhi.Root {
	return nhi.Root{Version: 1, Threshold: 2, Keys: []string{
		"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB",
	}}
}

func sampleBase() nhi.Base {
	return nhi.Base{Ledger: sampleLedger, Number: 1, Time: sampleSigned, Reason: "disk lost, back-up of the night before",
		Root: nhi.Head{Seq: 1, Hash: nhi.DigestOf("a root entry")}, Heads: map[string]nhi.Head{
			"root": {Seq: 1, Hash: nhi.DigestOf("a root entry")}, "policy": {Seq: 3, Hash: nhi.DigestOf("a policy entry")},
			"grant/production%2Fpayments%2Fetl%2Forders-etl:default": {Seq: 12, Hash: nhi.DigestOf("an entry")},
		}}
}

func sampleEmergency(t testing.TB) nhi.Emergency {
	t.Helper()
	return nhi.Emergency{
		Ledger: sampleLedger, Grant: "production/payments/etl/orders-etl:emergency", Owner: "ana@example.com",
		Purpose: "Nightly export of orders", Reason: "INC-4711: orders are stuck, and the ledger is down", Nonce: sampleNonce,
		MadeAt: sampleSigned, NotAfter: sampleSigned.Add(4 * time.Hour), Access: sampleRequest().Access, Root: text(t)(sampleRoot().Text()),
	}
}

func sampleKit(t testing.TB) nhi.EmergencyKit {
	return nhi.EmergencyKit{Ledger: sampleLedger, Root: text(t)(sampleRoot().Text())}
}

func sampleFile(t testing.TB) nhi.SignedDecision {
	t.Helper()
	decision := sampleDecision(t)
	written := text(t)(decision.Text())
	deny := decision
	deny.Verdict, deny.Requester, deny.Justification = nhi.VerdictDeny, "", ""
	list := text(t)(nhi.DecisionList([]string{written, text(t)(deny.Text())}))
	return nhi.SignedDecision{Text: written, List: list,
		Signature: "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"}
}

// text returns a function that fails the test on an error.
func text(t testing.TB) func(string, error) string {
	return func(text string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

func TestCanonicalTextsAreFixedForEver(t *testing.T) {
	t.Parallel()
	decision, deny := sampleDecision(t), sampleDecision(t)
	deny.Verdict, deny.Requester, deny.Justification = nhi.VerdictDeny, "", ""
	early := sampleDecision(t)
	early.Requester, early.Head = "", nhi.Unrecorded(early.Request)
	file := sampleFile(t)
	mark := nhi.Mark{Ledger: sampleLedger, Grant: sampleRequest().Approval, Target: "db", Nonce: sampleNonce}
	for name, got := range map[string]string{
		"request.txt":             text(t)(sampleRequest().Text()),
		"request_reusable.txt":    text(t)(reusableRequest().Text()),
		"decision.txt":            text(t)(decision.Text()),
		"decision_unproven.txt":   text(t)(deny.Text()),
		"decision_unrecorded.txt": text(t)(early.Text()),
		"root.txt":                text(t)(sampleRoot().Text()),
		"base.txt":                text(t)(sampleBase().Text()),
		"decision_file.txt":       file.File(),
		"emergency.txt":           text(t)(sampleEmergency(t).Text()),
		"emergency_kit.txt":       text(t)(sampleKit(t).Text()),
		"list.txt":                file.List,
		"mark.txt":                mark.String() + "\n",
		"principal.txt":           nhi.Principal(mark.Grant, "db") + "\n" + nhi.Principal(mark.Grant, "box") + "\n",
		"digest.txt":              string(nhi.DigestOf(text(t)(sampleRequest().Text()))) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the bytes of %s changed, which voids every approval given so far:\n%s\nwant\n%s", name, got, want)
			}
		})
	}
}

func TestGoldenFilesReadBackAsWhatWroteThem(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, name := range []string{"request.txt", "request_reusable.txt"} {
		request, err := nhi.ParseRequest(read(name))
		if err != nil || text(t)(request.Text()) != read(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"decision.txt", "decision_unproven.txt", "decision_unrecorded.txt"} {
		decision, err := nhi.ParseDecision(read(name))
		if err != nil || text(t)(decision.Text()) != read(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	root, err := nhi.ParseRoot(read("root.txt"))
	if err != nil || text(t)(root.Text()) != read("root.txt") {
		t.Errorf("root: %v", err)
	}
	base, err := nhi.ParseBase(read("base.txt"))
	if err != nil || text(t)(base.Text()) != read("base.txt") {
		t.Errorf("base: %v", err)
	}
	emergency, err := nhi.ParseEmergency(read("emergency.txt"))
	if err != nil || text(t)(emergency.Text()) != read("emergency.txt") {
		t.Errorf("emergency: %v", err)
	}
	kit, err := nhi.ParseEmergencyKit(read("emergency_kit.txt"))
	if err != nil || kit != sampleKit(t) {
		t.Errorf("emergency kit: %v", err)
	}
	file, err := nhi.ParseDecisionFile([]byte(read("decision_file.txt")))
	if err != nil || file != sampleFile(t) {
		t.Errorf("decision file: %v", err)
	}
	mark, err := nhi.ParseMark(strings.TrimSuffix(read("mark.txt"), "\n"))
	if err != nil || mark.Nonce != sampleNonce {
		t.Errorf("mark: %v", err)
	}
}

// TestOneWayToWriteEachThing changes good texts in ways that a lenient reader
// would take for the same.
func TestOneWayToWriteEachThing(t *testing.T) {
	t.Parallel()
	request, decision := text(t)(sampleRequest().Text()), text(t)(sampleDecision(t).Text())
	root := text(t)(sampleRoot().Text())
	requestOf := func(s string) error { _, err := nhi.ParseRequest(s); return err }
	decisionOf := func(s string) error { _, err := nhi.ParseDecision(s); return err }
	rootOf := func(s string) error { _, err := nhi.ParseRoot(s); return err }
	base := text(t)(sampleBase().Text())
	baseOf := func(s string) error { _, err := nhi.ParseBase(s); return err }
	for name, c := range map[string]struct {
		parse     func(string) error
		text      string
		old, next string
	}{
		"ttl in minutes":               {requestOf, request, "ttl: 720h", "ttl: 43200m"},
		"term with zero":               {requestOf, request, "term: 1", "term: 01"},
		"term with plus":               {requestOf, request, "term: 1", "term: +1"},
		"other environment":            {requestOf, request, "environment: production", "environment: sandbox"},
		"other scope":                  {requestOf, request, "scope: payments/etl", "scope: payments"},
		"other identity":               {requestOf, request, "identity: orders-etl", "identity: other"},
		"two spaces":                   {requestOf, request, "kind: service", "kind:  service"},
		"space at the end":             {requestOf, request, "kind: service", "kind: service "},
		"empty with space":             {requestOf, request, "system:\n", "system: \n"},
		"CRLF":                         {requestOf, request, "\n", "\r\n"},
		"no last line break":           {requestOf, request, "audit_ro\n    - orders_ro\n  schemas (0):\n", "audit_ro\n    - orders_ro\n  schemas (0):"},
		"line too many":                {requestOf, request, "schemas (0):\n", "schemas (0):\n\n"},
		"items not sorted":             {requestOf, request, "- audit_ro\n    - orders_ro", "- orders_ro\n    - audit_ro"},
		"item twice":                   {requestOf, request, "roles (2):\n    - audit_ro\n    - orders_ro", "roles (2):\n    - audit_ro\n    - audit_ro"},
		"fewer items than said":        {requestOf, request, "roles (2)", "roles (3)"},
		"more items than said":         {requestOf, request, "roles (2)", "roles (1)"},
		"words after a list":           {requestOf, request, "roles (2):", "roles (2): all"},
		"count with plus":              {requestOf, request, "roles (2)", "roles (+2)"},
		"setting twice":                {requestOf, request, "  schemas (0):\n", "  schemas (0):\n  schemas (0):\n"},
		"accesses not sorted":          {requestOf, request, "access: aws", "access: zoo"},
		"access twice":                 {requestOf, request, "access: box", "access: aws"},
		"unknown heading":              {requestOf, request, "nhi request 1", "nhi request 2"},
		"line out of order":            {requestOf, request, "owner: ana@example.com\nkind: service", "kind: service\nowner: ana@example.com"},
		"reusable with fraction":       {requestOf, request, "until: no", "until: 2030-01-01T00:00:00.5Z"},
		"reusable in local time":       {requestOf, request, "until: no", "until: 2030-01-01T00:00:00+01:00"},
		"setting with a reserved name": {requestOf, request, "  schemas (0):\n", "  system: other\n"},
		"other request digest":         {decisionOf, decision, "request: sha256:", "request: sha256:0"},
		"changed request":              {decisionOf, decision, "- orders_ro", "- orders_rw"},
		"policy version":               {decisionOf, decision, "policy: 3", "policy: 03"},
		"head with zero":               {decisionOf, decision, "head: 1", "head: 01"},
		"later end":                    {decisionOf, decision, "not after: 2030-02-07", "not after: 2030-03-07"},
		"empty requester":              {decisionOf, decision, "requester: ben@example.com", "requester:"},
		"unknown verdict":              {decisionOf, decision, "verdict: approve", "verdict: Approve"},
		"activate before signed":       {decisionOf, decision, "signed at: 2030-01-01", "signed at: 2031-01-01"},
		"capital digest":               {decisionOf, decision, "head: 1 sha256:", "head: 1 SHA256:"},
		"keys not sorted":              {rootOf, root, "key: ecdsa", "key: zz"},
		"threshold over keys":          {rootOf, root, "threshold: 2", "threshold: 4"},
		"threshold of none":            {rootOf, root, "threshold: 2", "threshold: 0"},
		"base number with zero":        {baseOf, base, "number: 1", "number: 01"},
		"base without a reason":        {baseOf, base, "reason: disk lost, back-up of the night before", "reason:"},
		"changed end of a chain":       {baseOf, base, "policy 3", "policy 4"},
		"chains not sorted":            {baseOf, base, "\npolicy 3", "\nzpolicy 3"},
		"chain with a space":           {baseOf, base, "\npolicy 3", "\npol icy 3"},
		"base in local time":           {baseOf, base, "09:00:00Z", "09:00:00+01:00"},
		"no chain":                     {baseOf, base, base[max(0, strings.Index(base, "grant/")):], ""},
		"empty key":                    {rootOf, root, "key: ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY", "key:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.ReplaceAll(c.text, c.old, c.next)
			if changed == c.text {
				t.Fatalf("the edit does not apply any more: %q", c.old)
			}
			if err := c.parse(changed); !errors.Is(err, nhi.ErrInvalid) && !errors.Is(err, nhi.ErrNotCanonical) {
				t.Errorf("err = %v, want ErrInvalid or ErrNotCanonical", err)
			}
		})
	}
}

func TestNothingMalformedIsWritten(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*nhi.Decision){
		"policy digest that forges a line": func(d *nhi.Decision) { d.PolicyDigest = "sha256:\nverdict: approve" },
		"no policy digest":                 func(d *nhi.Decision) { d.PolicyDigest = "" },
		"no head":                          func(d *nhi.Decision) { d.Head = nhi.Head{} },
		"head that forges a line":          func(d *nhi.Decision) { d.Head.Hash = "x\ny" },
		"head over the bound":              func(d *nhi.Decision) { d.Head.Seq = 1 << 63 },
		"policy version":                   func(d *nhi.Decision) { d.PolicyVersion = 0 },
		"justification with a line break":  func(d *nhi.Decision) { d.Justification = "a\nb" },
		"requester called unproven":        func(d *nhi.Decision) { d.Requester = "unproven" },
		"not after":                        func(d *nhi.Decision) { d.NotAfter = d.NotAfter.Add(time.Second) },
		"year with five digits": func(d *nhi.Decision) {
			d.ActivateBefore = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
			d.NotAfter = d.ActivateBefore.Add(720 * time.Hour)
		},
		"request": func(d *nhi.Decision) { d.Request += "x" },
		"verdict": func(d *nhi.Decision) { d.Verdict = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decision := sampleDecision(t)
			spoil(&decision)
			if _, err := decision.Text(); !errors.Is(err, nhi.ErrInvalid) && !errors.Is(err, nhi.ErrNotCanonical) {
				t.Errorf("err = %v, want ErrInvalid", err)
			}
		})
	}
}
