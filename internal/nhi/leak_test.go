package nhi_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Secrets with a form of their own are told from other words, and what is said
// of them never holds them.
func TestLeak(t *testing.T) {
	t.Parallel()
	some := strings.Repeat("aB3", 20)
	for text, want := range map[string]string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nx":             "a private key",
		"-----BEGIN PRIVATE KEY-----":                        "a private key",
		"uses AGE-SECRET-KEY-1" + strings.ToUpper(some):      "an age secret key",
		"CHG-1 ghp_" + some[:36]:                             "a GitHub token",
		"github_pat_" + some:                                 "a GitHub token",
		"glpat-" + some[:20]:                                 "a GitLab token",
		"with hvs." + some:                                   "a Vault token",
		some[:14] + ".atlasv1." + some:                       "an HCP Terraform token",
		"xoxb-" + some:                                       "a Slack token",
		"npm_" + some[:36]:                                   "an npm token",
		"sk_live_" + some[:24]:                               "a Stripe key",
		"AIza" + some[:35]:                                   "a Google API key",
		"eyJ" + some + ".eyJ" + some + "." + some:            "a signed token (JWT)",
		"see https://app:hunter2@db.internal/x":              "a URL with a password",
		"postgres://app:hunter2@db.internal:5432/orders?a=b": "a URL with a password",
	} {
		if what, leaked := nhi.Leak(text); !leaked || what != want {
			t.Errorf("%q: %q, %v", text, what, leaked)
		}
	}
	for _, text := range []string{
		"", "Nightly export of orders", "CHG-1234", "AKIAIOSFODNN7EXAMPLE is rotated", "https://jira.internal/browse/CHG-1234",
		"https://ana@git.internal/x", "postgres://app@db.internal:5432/orders", "https://vault.internal:8200/auth/approle",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2rmQbzayMfdzujjNYCKpjBn4A4+9ijsp18Jt8KQzYl", "BEGIN PUBLIC KEY", "ghp_short",
		"see https://a.internal:8443 and mail ana@example.com", "glpat-", "moves from 10:00 to 12:00 @ office", "SHA256:" + some,
		"tasks_live_" + some, // no word of its own
		"moves postgres://etl:***@db/orders", "curl https://etl:$TOKEN@ci.internal/x", "https://etl:${TOKEN}@ci", "https://etl:<password>@ci", "https://etl:{{token}}@ci",
	} {
		if what, leaked := nhi.Leak(text); leaked {
			t.Errorf("%q is taken for %s", text, what)
		}
	}
}

// A secret is found in a text as it is; short ones and URLs without a password
// are not looked for.
func TestWritten(t *testing.T) {
	t.Parallel()
	const url, open, token = "postgres://app:hunter2@db/x", "postgres://app@db.internal/x", "a-long-enough-token"
	for _, c := range []struct {
		text, secret string
		want         bool
	}{
		{`url = "` + url + `"`, url, true},
		{`url = var.url`, url, false},
		{`url = "` + open + `"`, open, false},
		{`token = "` + token + `"`, token, true},
		{`token = "short"`, "short", false},
		{"", "", false},
	} {
		if got := nhi.Written(c.text, nhi.NewSecret(c.secret)); got != c.want {
			t.Errorf("%q in %q: %v", c.secret, c.text, got)
		}
	}
}

// Every risk has a name, a title and a page; nothing else is one.
func TestRisks(t *testing.T) {
	t.Parallel()
	if got := len(nhi.Risks()); got != 10 {
		t.Fatalf("%d risks", got)
	}
	for _, risk := range nhi.Risks() {
		read, err := nhi.ParseRisk(risk.Name())
		if err != nil || read != risk || !strings.HasPrefix(risk.Title(), risk.String()+" ") || !strings.HasSuffix(risk.Page(), "/guides/owasp-nhi#"+strings.ToLower(risk.Name())) {
			t.Errorf("%v: %v, %v, %q, %q", risk, read, err, risk.Title(), risk.Page())
		}
	}
	for _, name := range []string{"", "NHI0", "NHI11", "nhi1", "NHI1:2025"} {
		if risk, err := nhi.ParseRisk(name); err == nil {
			t.Errorf("%q is %v", name, risk)
		}
	}
}
