package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// The published policies are read, and their examples run, as they are printed.
func TestPublishedPolicies(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, folder := range []string{"policy", "policy-writing", "break-glass", "proof", "hcp-terraform"} {
		dir := filepath.Join("..", "..", "examples", folder)
		source, err := os.ReadFile(filepath.Join(dir, "policy.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		document := parse(t, string(source))
		for _, warning := range document.Warnings() {
			t.Errorf("%s: %s", folder, warning)
		}
		source, err = os.ReadFile(filepath.Join(dir, "policy_test.hcl"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		examples, err := policy.ParseExamples(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, example := range examples {
			ran++
			if result := example.Run(document); !result.Passed {
				t.Errorf("%s: %q: %q\n%+v", folder, example.Name, result.Problems, result.Explanation)
			}
		}
	}
	key, err := os.ReadFile(filepath.Join("..", "..", "examples", "proof", "key.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if issuer, _ := parse(t, source()+string(key)).Issuer("https://gitlab.internal"); issuer.Keys == "" {
		t.Error("the published key pins nothing")
	}
	if ran < 10 {
		t.Errorf("only %d examples were run", ran)
	}
}
