package provider_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

// TestPrivateState: what was issued for an access is not even in the part of
// the state that Terraform does not show.
func TestPrivateState(t *testing.T) {
	t.Parallel()
	l := activeLandscape(t, false)
	private := decoded(l.read("terraform.tfstate"), 2)
	if !strings.Contains(private, `"record"`) {
		t.Fatalf("nothing is remembered beside the state:\n%s", private)
	}
	certificate := strings.Fields(l.certificates()[0])[1]
	if strings.Contains(private, certificate) {
		t.Error("a certificate is in private state")
	}
}

var base64Text = regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}`)

// decoded returns a text together with all that is in it as base64, and in
// that again.
func decoded(text string, depth int) string {
	if depth == 0 {
		return text
	}
	var all strings.Builder
	all.WriteString(text)
	for _, found := range base64Text.FindAllString(text, -1) {
		if data, err := base64.StdEncoding.DecodeString(found); err == nil {
			all.WriteString(decoded(string(data), depth-1))
		}
	}
	return all.String()
}
