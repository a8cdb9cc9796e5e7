package postgres_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
)

// A login that goes over a network in clear text is said to be weak; one to this
// machine, or over TLS, is not.
func TestClearTextIsWeak(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"db.internal": true, "10.0.0.1": true, "[2001:db8::1]": true, "localhost.example.com": true,
		"127.0.0.1": false, "127.1.2.3": false, "[::1]": false, "localhost": false, "[::ffff:127.0.0.1]": false,
	} {
		for mode, open := range map[string]bool{"": false, "?sslmode=require": false, "?sslmode=verify-full": false, "?sslmode=disable": true} {
			weak := postgres.Kind().Weak(settings("postgres://admin:secret-word@" + host + ":5432/orders" + mode))
			if (len(weak) > 0) != (want && open) || strings.Contains(strings.Join(weak, ""), "secret-word") {
				t.Errorf("%s%s: %q", host, mode, weak)
			}
		}
	}
	if weak := postgres.Kind().Weak(settings("no URL")); len(weak) > 0 {
		t.Errorf("of no URL: %q", weak)
	}
}
