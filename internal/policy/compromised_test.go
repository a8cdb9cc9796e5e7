package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// lost is a block for a key that somebody else may have.
func lost(name, since string) string {
	return "compromised \"" + keyOf(name) + "\" {\n    since = \"" + since + "\"\n  }"
}

func TestParseCompromised(t *testing.T) {
	t.Parallel()
	const since = "2030-01-01T00:00:00Z"
	good := strings.Replace(source(), `, "`+keyOf("ana's token")+`"]`, "]\n  "+lost("ana's token", since), 1)
	document, err := policy.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	person, found, ok := document.Compromised(signerOf("ana's token").PublicKey())
	if !ok || person.Name != "ana@example.com" || nhi.FormatTime(found.Since) != since {
		t.Errorf("%v, %v, %v", person.Name, found, ok)
	}
	if _, known := document.Person(signerOf("ana's token").PublicKey()); known {
		t.Error("a compromised key is a person's")
	}
	for _, name := range []string{"ana", "mallory"} {
		if _, _, ok := document.Compromised(signerOf(name).PublicKey()); ok {
			t.Errorf("the key of %s is compromised", name)
		}
	}
	// Who has lost the only key keeps the name until there is a new one.
	alone := strings.Replace(source(), `keys = ["`+keyOf("eve")+`"]`, "keys = []\n  "+lost("eve", since), 1)
	if _, err := policy.Parse([]byte(alone)); err != nil {
		t.Error(err)
	}
	for words, bad := range map[string]string{
		"is also a key of":          strings.Replace(source(), "  groups = [\"security\"]", "  groups = [\"security\"]\n  "+lost("ana", since), 1),
		"must not be empty":         strings.Replace(source(), `keys = ["`+keyOf("eve")+`"]`, "keys = []", 1),
		`"since" is missing`:        strings.Replace(good, `since = "2030-01-01T00:00:00Z"`, "", 1),
		"since: ":                   strings.Replace(good, since, "yesterday", 1),
		`unknown attribute "until"`: strings.Replace(good, "since =", "until =", 1),
		"must start with one of":    strings.Replace(good, `compromised "ssh-ed25519`, `compromised "* ssh-ed25519`, 1),
		"must have 1 label":         strings.Replace(good, `compromised "`+keyOf("ana's token")+`"`, "compromised", 1),
	} {
		if _, err := policy.Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("want %q: %v", words, err)
		}
	}
}

// Neither a yes nor a denial of a compromised key counts, nor its word on who asked.
func TestCompromisedKeyHasNoVote(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]time.Time{"since before": now.Add(-time.Hour), "since later": now.Add(time.Hour)} {
		text := strings.Replace(source(), `, "`+keyOf("ana's token")+`"]`, "]\n  "+lost("ana's token", nhi.FormatTime(since)), 1)
		document := parse(t, text)
		for _, verdict := range []nhi.Verdict{nhi.VerdictApprove, nhi.VerdictDeny} {
			got := document.Evaluate(input(t, orders(), yes("ben"), no("ana's token", verdict, 0)))
			if got.Status != policy.StatusPending {
				t.Errorf("%s, %s: %s, %v", name, verdict, got.Status, got.Reasons)
			}
			wantReason(t, got, "it was a key of ana@example.com, and is compromised since")
		}
	}
}

// After a ledger was restored, what was signed up to then counts for nothing
// new; a no still holds.
func TestSince(t *testing.T) {
	t.Parallel()
	in := input(t, orders(), no("ana", nhi.VerdictApprove, time.Hour), no("ben", nhi.VerdictApprove, 0))
	document := parse(t, source())
	in.Since = now.Add(-time.Hour)
	got := document.Evaluate(in)
	wantStatus(t, got, policy.StatusPending)
	wantReason(t, got, "the approval by ana@example.com does not count: it was signed before the ledger was restored")
	in.Since = now.Add(-time.Hour - time.Second)
	wantStatus(t, document.Evaluate(in), policy.StatusApproved)
	in = input(t, orders(), no("cleo", nhi.VerdictDeny, time.Hour), yes("ana"), yes("ben"))
	in.Since = now.Add(-time.Minute)
	wantStatus(t, document.Evaluate(in), policy.StatusDenied)
}
