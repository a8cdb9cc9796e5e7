package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestChangedRoleIsAWarning: what stands behind an approved role changed. That
// is no drift of the account, a repair does not bless it, and a new activation
// does.
func TestChangedRoleIsAWarning(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	p := b.Prefix()
	b.Exec("CREATE ROLE " + p + "inner; CREATE ROLE " + p + "outer; GRANT " + p + "inner TO " + b.readers)
	taken := b.take(b.existing("svc", ""))
	plain := b.active()
	outcome := b.enable(plain)
	plain.Evidence = outcome.Evidence
	for what, account := range map[string]connector.Account{"taken over": taken, "plain": plain} {
		wants := func(when string, want ...string) {
			t.Helper()
			seen := b.observe(account)
			if !slices.Equal(seen.Warnings, want) || len(seen.Findings) > 0 {
				t.Errorf("%s, %s: warnings %q, findings %q, want %q", what, when, seen.Warnings, seen.Findings, want)
			}
			holdings, err := b.system.Read(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if listed := holdings.Of(account); !slices.Equal(listed.Warnings, want) {
				t.Errorf("%s, %s: the list warns %q, want %q", what, when, listed.Warnings, want)
			}
		}
		wants("unchanged")
		b.Exec("GRANT " + p + "outer TO " + p + "inner; GRANT pg_write_all_data TO " + b.readers + "; ALTER ROLE " + p + "inner CREATEROLE")
		changed := "role " + b.readers + " leads to other roles than at activation: + CREATEROLE of role " + p + "inner, + role pg_write_all_data, + role " + p + "outer"
		wants("more", changed)
		if outcome := b.enable(account); outcome.Err != nil || outcome.Evidence != account.Evidence || !slices.Equal(outcome.Warnings, []string{changed}) {
			t.Errorf("%s: enable: warnings %q, %v", what, outcome.Warnings, outcome.Err)
		}
		b.Exec("REVOKE " + p + "outer FROM " + p + "inner; REVOKE pg_write_all_data FROM " + b.readers + "; ALTER ROLE " + p + "inner NOCREATEROLE")
		wants("as before")
		b.Exec("REVOKE " + p + "inner FROM " + b.readers)
		wants("less", "role "+b.readers+" leads to other roles than at activation: - role "+p+"inner")
		again := account
		again.Evidence = ""
		if outcome := b.enable(again); outcome.Err != nil || len(outcome.Warnings) > 0 {
			t.Errorf("%s: a new activation: warnings %q, %v", what, outcome.Warnings, outcome.Err)
		}
		b.Exec("GRANT " + p + "inner TO " + b.readers)
	}
}

// TestManyRolesBehindARole are kept as a digest, and many approved roles fit.
func TestManyRolesBehindARole(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	var sql strings.Builder
	approved := []string{b.readers}
	for i := range 60 {
		name := fmt.Sprintf("%s%s%d", b.Prefix(), strings.Repeat("x", 40), i)
		fmt.Fprintf(&sql, "CREATE ROLE %s; GRANT %s TO %s;", name, name, b.readers)
		if i < 40 {
			approved = append(approved, name)
		}
	}
	b.Exec(sql.String())
	account := b.active(approved...)
	outcome := b.enable(account)
	if outcome.Err != nil || len(outcome.Evidence) > 4<<10 || len(outcome.Warnings) > 0 && !strings.Contains(outcome.Warnings[0], "not recorded") {
		t.Fatalf("enable: %d bytes of evidence, warnings %q, %v", len(outcome.Evidence), outcome.Warnings, outcome.Err)
	}
	account = b.active()
	account.Evidence = b.enable(account).Evidence
	if !strings.Contains(account.Evidence, "sha256:") || len(b.observe(account).Warnings) > 0 {
		t.Errorf("evidence %s, warnings %q", account.Evidence, b.observe(account).Warnings)
	}
	b.Exec("GRANT pg_monitor TO " + b.readers)
	if seen := b.observe(account); len(seen.Warnings) != 1 || !strings.Contains(seen.Warnings[0], b.readers+" leads to other roles") {
		t.Errorf("warnings %q", seen.Warnings)
	}
}
