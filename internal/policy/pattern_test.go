package policy_test

import (
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestScopePatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, scope string
		want           bool
	}{
		{"payments", "payments", true},
		{"payments", "payments/etl", false},
		{"payments/*", "payments/etl", true},
		{"payments/*", "payments", false},
		{"payments/*", "payments/etl/nightly", false},
		{"payments/etl-*", "payments/etl-a", true},
		{"payments/etl-*", "payments/other", false},
		{"*", "payments", true},
		{"*", "payments/etl", false},
		{"**", "payments/etl/nightly", true},
		{"payments/**", "payments", true},
		{"payments/**", "payments/a/b/c", true},
		{"payments/**", "paymentsx", false},
		{"payments/**/nightly", "payments/nightly", true},
		{"payments/**/nightly", "payments/a/b/nightly", true},
		{"payments/**/nightly", "payments/a/b", false},
		{"**/etl/**", "a/etl/b", true},
		{"**/**/**", "a", true},
		{"p*s", "payments", true},
		{"pay", "payments", false},
		{"payments/*", "payments/../admin", false},
		{"payments/[a-z]", "payments/a", false},
		{"payments/?", "payments/a", false},
		{"", "payments", false},
		{"**", "", false},
	} {
		if got := policy.MatchScope(c.pattern, c.scope); got != c.want {
			t.Errorf("MatchScope(%q, %q) = %v, want %v", c.pattern, c.scope, got, c.want)
		}
	}
}
