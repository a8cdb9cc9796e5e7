package nhi

import (
	"net/url"
	"regexp"
	"strings"
)

// leaks are forms of secrets that nothing else has: a fixed beginning and so
// many letters after it. An id of a key (such as AKIA…) is none.
var leaks = []struct {
	what string
	form *regexp.Regexp
}{
	{"a private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY`)},
	{"an age secret key", regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]{20}`)},
	{"a GitHub token", regexp.MustCompile(`\b(gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{22})`)},
	{"a GitLab token", regexp.MustCompile(`\bgl(pat|dt|rt|cbt|ptt|agent|soat)-[0-9A-Za-z_-]{20}`)},
	{"a Vault token", regexp.MustCompile(`\bhv[sbr]\.[0-9A-Za-z_-]{20}`)},
	{"an HCP Terraform token", regexp.MustCompile(`\b[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_-]{40}`)},
	{"a Slack token", regexp.MustCompile(`\bxox[abeoprs]-[0-9A-Za-z-]{10}`)},
	{"an npm token", regexp.MustCompile(`\bnpm_[0-9A-Za-z]{36}`)},
	{"a Stripe key", regexp.MustCompile(`\b[rs]k_live_[0-9A-Za-z]{16}`)},
	{"a Google API key", regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}`)},
	{"a signed token (JWT)", regexp.MustCompile(`\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10}`)},
	{"a URL with a password", regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://[^\s/:@]+:([^\s/@]+)@`)},
}

// stands is what people write in place of a secret: "***", $NAME, ${NAME}, <name>
// and {{name}}.
var stands = regexp.MustCompile(`^(\*+|\$\w+|\$?\{+[^{}]*\}+|<[^<>]*>)$`)

// Leak says what kind of secret a text holds, as "a Vault token"; false where
// it holds none that can be told from other words. It never returns the secret.
func Leak(text string) (what string, leaked bool) {
	for _, leak := range leaks {
		for _, found := range leak.form.FindAllStringSubmatch(text, -1) {
			if !stands.MatchString(found[len(found)-1]) {
				return leak.what, true
			}
		}
	}
	return "", false
}

// minWritten is the shortest secret that is looked for in files, in bytes: a
// shorter one may be a word of its own.
const minWritten = 12

// Written says whether a secret stands in a text as it is. A URL counts only
// where it holds a password.
func Written(text string, secret Secret) bool {
	value := secret.Reveal()
	if len(value) < minWritten {
		return false
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if password, set := u.User.Password(); !set || password == "" {
			return false
		}
	}
	return strings.Contains(text, value)
}
