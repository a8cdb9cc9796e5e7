package policy_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func TestEmergencySignatures(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("../nhi/testdata/emergency.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := string(golden)
	by := func(name string) string {
		t.Helper()
		block, err := policy.SignEmergency(text, signerOf(name))
		if err != nil {
			t.Fatal(err)
		}
		return block
	}
	elsewhere, err := signature.Sign(signerOf("ben"), signature.NamespacePolicy, text)
	if err != nil {
		t.Fatal(err)
	}
	other, err := signature.Sign(signerOf("ben"), signature.NamespaceEmergency, text+"x")
	if err != nil {
		t.Fatal(err)
	}
	two := rootOf(2, "ana", "ben", "cleo")
	for name, c := range map[string]struct {
		signatures string
		root       nhi.Root
		say        string // "" where it holds
	}{
		"both":                     {by("ana") + by("ben"), two, ""},
		"all three":                {by("ana") + by("ben") + by("cleo"), two, ""},
		"both and a stranger":      {by("mallory") + by("ana") + by("ben"), two, ""},
		"none":                     {"", two, "signed by 0 of the 2"},
		"one of two":               {by("ana"), two, "signed by 1 of the 2"},
		"the same key twice":       {by("ana") + by("ana"), two, "signed by 1 of the 2"},
		"one and a stranger":       {by("ana") + by("mallory"), two, "is not in the trust root"},
		"one, and over other text": {by("ana") + other, two, "does not match the text"},
		"one, and for a policy":    {by("ana") + elsewhere, two, "nhi-policy@v1"},
		"empty root":               {by("ana"), nhi.Root{}, "trust root"},
		"over-long":                {strings.Repeat("x", 1<<20), two, "too long"},
	} {
		err := policy.VerifyEmergency(text, c.signatures, c.root)
		if c.say == "" && err != nil || c.say != "" && (!errors.Is(err, nhi.ErrDenied) || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: err = %v, want %q", name, err, c.say)
		}
	}
	if _, err := policy.SignEmergency("nhi emergency 1\n", signerOf("ana")); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("signed what is no emergency: %v", err)
	}
}
