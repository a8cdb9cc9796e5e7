package postgres_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestDriftIsFoundAndRepaired: each change by hand is named, blocks issuing,
// and is taken back by Enable.
func TestDriftIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	for name, drift := range map[string]struct{ sql, finding string }{
		"role added":      {"GRANT {p}extra TO {a}", "role {p}extra was added by hand"},
		"role removed":    {"REVOKE {p}readers FROM {a}", "role {p}readers was removed by hand"},
		"admin option":    {"GRANT {p}readers TO {a} WITH ADMIN OPTION", "role {p}readers was given with ADMIN OPTION by hand"},
		"login":           {"ALTER ROLE {a} LOGIN PASSWORD 'x'", "LOGIN was switched on by hand"},
		"superuser":       {"ALTER ROLE {a} SUPERUSER", "SUPERUSER was switched on by hand"},
		"createrole":      {"ALTER ROLE {a} CREATEROLE", "CREATEROLE was switched on by hand"},
		"createdb":        {"ALTER ROLE {a} CREATEDB", "CREATEDB was switched on by hand"},
		"replication":     {"ALTER ROLE {a} REPLICATION", "REPLICATION was switched on by hand"},
		"bypassrls":       {"ALTER ROLE {a} BYPASSRLS", "BYPASSRLS was switched on by hand"},
		"noinherit":       {"ALTER ROLE {a} NOINHERIT", "INHERIT was switched off by hand"},
		"end":             {"ALTER ROLE {a} VALID UNTIL '2099-01-01T00:00:00Z'", "the end date was moved by hand to 2099-01-01T00:00:00Z"},
		"earlier end":     {"ALTER ROLE {a} VALID UNTIL '2001-01-01T00:00:00Z'", "the end date was moved by hand to 2001-01-01T00:00:00Z"},
		"ended":           {"ALTER ROLE {a} VALID UNTIL '-infinity'", "the end date was moved by hand to the past"},
		"no end":          {"ALTER ROLE {a} VALID UNTIL 'infinity'", "the end date was moved by hand to never"},
		"member":          {"GRANT {a} TO {p}extra", "role {p}extra was made a member of {a} by hand"},
		"login's end":     {"ALTER ROLE {l} VALID UNTIL '2099-01-01T00:00:00Z'", "login role {l}: the end date was moved by hand to 2099-01-01T00:00:00Z"},
		"login's no end":  {"ALTER ROLE {l} VALID UNTIL 'infinity'", "login role {l}: the end date was moved by hand to never"},
		"login's role":    {"GRANT {p}extra TO {l}", "login role {l}: role {p}extra was added by hand"},
		"login's member":  {"GRANT {l} TO {p}extra", "login role {l}: role {p}extra was made a member by hand"},
		"login superuser": {"ALTER ROLE {l} SUPERUSER", "login role {l}: SUPERUSER was switched on by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, testserver.Postgres(t))
			b.Exec("CREATE ROLE " + b.Prefix() + "extra")
			account := b.active()
			credential := b.issue(account, account.NotAfter)
			fill := func(text string, name func(string) string) string {
				return replaceAll(text, "{p}", b.Prefix(), "{a}", name(account.Principal), "{l}", name(credential.Handle))
			}
			b.Exec(fill(drift.sql, quote))
			want := fill(drift.finding, func(name string) string { return name })

			if seen := b.observe(account); !slices.Contains(seen.Findings, want) {
				t.Errorf("read: %q, want %q", seen.Findings, want)
			}
			b.changedNothing(func() {
				if _, err := issuer(t, b.system).Issue(t.Context(), account, account.NotAfter, nil); !errors.Is(err, nhi.ErrEnded) {
					t.Errorf("issue: %v, want ErrEnded", err)
				}
			})
			if outcome := b.enable(account); outcome.Err != nil || outcome.State != connector.Active || len(outcome.Findings) > 0 {
				t.Errorf("enable: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
			}
			if seen := b.observe(account); len(seen.Findings) > 0 || !slices.Equal(seen.Privileges, []string{"role " + b.readers}) {
				t.Errorf("after the repair: %q %q", seen.Privileges, seen.Findings)
			}
			if !canRead(t, credential.Values["url"].Reveal(), "orders") {
				t.Error("the repair broke a credential")
			}
		})
	}
}

// TestDirectPrivilegesAreDrift: they may be in any database, so they are
// reported and block, and are not taken away.
func TestDirectPrivilegesAreDrift(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	b.Exec("GRANT INSERT ON orders TO " + quote(account.Principal))
	if seen := b.observe(account); !hasFinding(seen.Findings, "privileges on 1 objects were given by hand") {
		t.Errorf("read: %q", seen.Findings)
	}
	b.changedNothing(func() {
		if outcome := b.enable(account); outcome.Err == nil {
			t.Errorf("enable: %s, want an error", outcome.State)
		}
	})
	// Prepare strips what it can, and says what is left.
	if outcome := b.prepare(account); outcome.Err == nil || len(outcome.Privileges) > 0 {
		t.Errorf("prepare: %s %q, want an error", outcome.State, outcome.Privileges)
	}
	b.Exec("REVOKE INSERT ON orders FROM " + quote(account.Principal))
	if outcome := b.enable(account); outcome.Err != nil {
		t.Errorf("enable after settling: %v", outcome.Err)
	}
}

// TestEndFollowsTheGrant: a renewal moves the account's end, and a credential
// never outlives it.
func TestEndFollowsTheGrant(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	credential := b.issue(account, account.NotAfter)
	account.NotAfter = account.NotAfter.Add(-30 * time.Minute)
	outcome := b.enable(account)
	if outcome.Err != nil || !outcome.NotAfter.Equal(account.NotAfter) || outcome.EnforcedBy != connector.EnforcedByApply {
		t.Errorf("enable: until %s by %s, %v, want %s", outcome.NotAfter, outcome.EnforcedBy, outcome.Err, account.NotAfter)
	}
	got := b.Query("SELECT rolvaliduntil = $2::timestamptz FROM pg_roles WHERE rolname = $1", credential.Handle, nhi.FormatTime(account.NotAfter))
	if got[0][0] != "t" {
		t.Error("a credential outlives its account")
	}
}

// TestListShowsAll: a read of everything knows who is absent, foreign, inert
// and active.
func TestListShowsAll(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	absent, inert, foreign, active := b.account(), b.account(), b.account(), b.active()
	if outcome := b.prepare(inert); outcome.Err != nil {
		t.Fatal(outcome.Err)
	}
	b.Exec("CREATE ROLE " + quote(foreign.Principal))
	holdings, err := b.system.Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, account := range map[connector.State]connector.Account{
		connector.Absent: absent, connector.Inert: inert, connector.Foreign: foreign, connector.Active: active,
	} {
		if seen := holdings.Of(account); seen.State != want || len(seen.Privileges) > 0 != (want == connector.Active) {
			t.Errorf("the list says %s %q %q, want %s", seen.State, seen.Privileges, seen.Findings, want)
		}
	}
	few, err := b.system.Read(t.Context(), []connector.Account{inert})
	if err != nil {
		t.Fatal(err)
	}
	if seen := few.Of(absent); seen.State != connector.Unknown || seen.Verified {
		t.Errorf("a read of another account says %s, want unknown", seen.State)
	}
}
