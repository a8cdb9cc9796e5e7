package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func rootOf(threshold int, names ...string) nhi.Root {
	root := nhi.Root{Version: 1, Threshold: threshold}
	for _, name := range names {
		root.Keys = append(root.Keys, keyOf(name))
	}
	slices.Sort(root.Keys)
	return root
}

func blockBy(t *testing.T, src, name string) string {
	t.Helper()
	block, err := policy.SignDocument([]byte(src), signerOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func TestPolicySignatures(t *testing.T) {
	t.Parallel()
	src := source()
	ana, ben, mallory := blockBy(t, src, "ana"), blockBy(t, src, "ben"), blockBy(t, src, "mallory")
	other := blockBy(t, src+"\n", "ben")
	elsewhere, err := signature.Sign(signerOf("ben"), signature.NamespaceDecision, src)
	if err != nil {
		t.Fatal(err)
	}
	// The same signature, broken into lines elsewhere.
	rewrapped := strings.Replace(ana, "\n", "", 3)
	rewrapped = strings.Replace(rewrapped, "SIGNATURE-----", "SIGNATURE-----\n", 1)
	if _, err := signature.Verify(rewrapped, signature.NamespacePolicy, src); err != nil || rewrapped == ana {
		t.Fatal(err)
	}
	two := rootOf(2, "ana", "ben", "cleo")
	for name, c := range map[string]struct {
		signatures string
		root       nhi.Root
		say        string // "" where it holds
	}{
		"both":                     {ana + ben, two, ""},
		"both and words":           {"# ana\n" + ana + "\n# ben\n" + ben, two, ""},
		"both and a stranger":      {mallory + ana + ben, two, ""},
		"both and a broken one":    {"-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n" + ana + ben, two, ""},
		"one is enough":            {ana, rootOf(1, "ana", "ben"), ""},
		"none":                     {"", two, "signed by 0 of the 2"},
		"one of two":               {ana, two, "signed by 1 of the 2"},
		"the same twice":           {ana + ana, two, "signed by 1 of the 2"},
		"the same in other lines":  {ana + rewrapped, two, "signed by 1 of the 2"},
		"one and a stranger":       {ana + mallory, two, "is not in the trust root"},
		"one, and over other text": {ana + other, two, "does not match the text"},
		"one, and for decisions":   {ana + elsewhere, two, "nhi-decision@v1"},
		"one cut off":              {ana + ben[:len(ben)-30], two, "signed by 1 of the 2"},
		"empty root":               {ana + ben, nhi.Root{}, "trust root"},
		"threshold of none":        {"", rootOf(0, "ana"), "trust root"},
		"key of the root unknown":  {ana, nhi.Root{Version: 1, Threshold: 1, Keys: []string{"ssh-rsa AAAA"}}, "trust root"},
		"over-long":                {strings.Repeat("x", 1<<20), two, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := policy.VerifySignatures([]byte(src), []byte(c.signatures), c.root)
			if c.say == "" {
				if err != nil {
					t.Errorf("err = %v", err)
				}
				return
			}
			if !errors.Is(err, nhi.ErrDenied) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("err = %v, want ErrDenied that says %q", err, c.say)
			}
		})
	}
	if err := policy.VerifySignatures([]byte(src+" "), []byte(ana+ben), two); !errors.Is(err, nhi.ErrDenied) {
		t.Errorf("changed bytes: %v", err)
	}
}

func TestABadDocumentIsNotSigned(t *testing.T) {
	t.Parallel()
	if block, err := policy.SignDocument([]byte("x = 1"), signerOf("ana")); !errors.Is(err, nhi.ErrInvalid) || block != "" {
		t.Errorf("got %q, %v", block, err)
	}
}
