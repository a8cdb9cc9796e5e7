package hcp

import (
	"strings"
	"testing"
)

// FuzzPlan: whatever comes as a plan, nothing is read out of it that does not
// stand there, and only where it is a plan.
func FuzzPlan(f *testing.F) {
	good := `{"format_version":"1.2","resource_changes":[{"mode":"managed","type":"nhi_grant","provider_name":"registry.terraform.io/nhi-terraform/nhi",
"change":{"actions":["delete","create"],"after":{"ticket":{"request":"sha256:aa"}}}}]}`
	for _, seed := range []string{good, strings.Replace(good, "nhi_grant", "nhi_approval", 1), "", "[]", "{}", `{"format_version":1}`,
		strings.Replace(good, `["delete","create"]`, `["delete"]`, 1), strings.Replace(good, `{"request":"sha256:aa"}`, "null", 1),
		strings.Replace(good, `"after":`, `"after":null,"x":`, 1), strings.Repeat("[", 20_000)} {
		f.Add([]byte(seed))
	}
	if requests, err := requestsIn([]byte(good)); err != nil || len(requests) != 1 || !requests["sha256:aa"] {
		f.Fatalf("%v %v", requests, err)
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		requests, err := requestsIn(plan)
		if err != nil && requests != nil {
			t.Fatalf("%v beside %v", requests, err)
		}
		if len(requests) > 0 && !strings.Contains(strings.ToLower(string(plan)), "nhi-terraform") {
			t.Fatalf("%v of no plan of ours", requests)
		}
	})
}
