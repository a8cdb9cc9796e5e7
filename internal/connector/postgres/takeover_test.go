package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/postgres"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// hostileNames can all be the name of a role that is taken over.
var hostileNames = []string{
	`svc"; DROP ROLE nhi_admin; --`, `'; DROP TABLE orders; --`, `Ünïcödé Rolle 角色`, `$$;SELECT 1;$$`, `E'\\'`, `%I %L`, `../../x`, strings.Repeat("z", 50),
}

func TestHostileNamesAreTakenOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	for i, name := range hostileNames {
		account := b.existing(name, "CREATEDB")
		account.Access["on_revoke"] = nhi.Text([]string{"delete", "disable"}[i%2])
		b.Exec("COMMENT ON ROLE " + quote(account.Principal) + " IS " + `E'it''s "old"\n\\second line; DROP ROLE x; --'`)
		account = b.take(account)
		if !b.letsIn(account.Principal) {
			t.Errorf("%q: its password does not work any more", name)
		}
		outcome := b.revoke(account)
		if outcome.Err != nil || b.letsIn(account.Principal) {
			t.Errorf("%q: revoke: %s, %v", name, outcome.State, outcome.Err)
		}
		if i%2 == 0 {
			if b.roleExists(account.Principal) {
				t.Errorf("%q is still there", name)
			}
			continue
		}
		got := b.Query("SELECT shobj_description($1::oid, 'pg_authid')", account.ID)[0][0]
		if want := "it's \"old\"\n\\second line; DROP ROLE x; --"; got != want {
			t.Errorf("%q: the comment is %q, want %q", name, got, want)
		}
	}
	b.Query("SELECT count(*) FROM orders") // the admin can log in, and the table is there
}

// TestTakeoverStrips: everything that is not approved goes at Enable, sessions
// that may still have it as well, and nothing before.
func TestTakeoverStrips(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	extra, guest := b.Prefix()+"extra", b.Prefix()+"guest"
	b.Exec("CREATE ROLE " + extra + "; CREATE ROLE " + guest)
	account := b.existing("svc", "SUPERUSER CREATEROLE CREATEDB REPLICATION BYPASSRLS NOINHERIT VALID UNTIL '2099-01-01'")
	name := account.Principal
	b.Exec("GRANT " + extra + ", " + b.readers + " TO " + name + " WITH ADMIN OPTION; GRANT " + name + " TO " + guest + "; COMMENT ON ROLE " + name + " IS 'old'")
	session := b.loggedIn(name)
	if _, err := session.Exec(t.Context(), "SET ROLE "+extra); err != nil {
		t.Fatal(err)
	}
	before := b.whole(name)
	account = b.prepared(account)
	if session.Ping(t.Context()) != nil || strings.ReplaceAll(b.whole(name), account.Mark.String(), "old") != before {
		t.Errorf("prepare took something away:\n%s\n%s", before, b.whole(name))
	}
	account = b.take(account)
	if session.Ping(t.Context()) == nil {
		t.Error("a session that acts for a role that was taken away lives on")
	}
	got := b.Query(`SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, rolinherit, rolcanlogin,
		(SELECT string_agg(m.roleid::regrole || ' ' || m.admin_option, ',') FROM pg_auth_members m WHERE m.member = r.oid),
		(SELECT count(*) FROM pg_auth_members m WHERE m.roleid = r.oid) FROM pg_roles r WHERE rolname = $1`, name)[0]
	if want := []string{"f", "f", "t", b.readers + " false", "0"}; !slices.Equal(got, want) {
		t.Errorf("after enable %q, want %q", got, want)
	}
	kept := b.loggedIn(name)
	b.changedNothing(func() { account = b.take(account) })
	if kept.Ping(t.Context()) != nil {
		t.Error("the second enable ended a session")
	}
	for _, secret := range []string{"SCRAM", "always had it"} {
		if strings.Contains(account.Evidence, secret) || len(account.Evidence) > connector.MaxEvidence {
			t.Errorf("evidence %s", account.Evidence)
		}
	}
	if outcome := b.release(account); outcome.Err != nil || outcome.State != connector.Released || len(outcome.Findings) > 0 {
		t.Errorf("release: %s %q, %v", outcome.State, outcome.Findings, outcome.Err)
	}
	if after := b.whole(name); after != before {
		t.Errorf("given back:\n%s\nwant\n%s", after, before)
	}
}

// TestTakeoverRefusals: refused, and not one statement ran.
func TestTakeoverRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	ours, circle, heir := b.active(), b.existing("circle", ""), b.Prefix()+"heir"
	credential := b.issue(ours, ours.NotAfter)
	unknown := b.existing("unknown", "")
	unknown.ID = ""
	b.Exec("CREATE ROLE " + heir + "; GRANT " + circle.Principal + " TO " + heir)
	circle.Access["roles"] = nhi.List(heir)
	itself := b.existing("itself", "")
	itself.Access["roles"] = nhi.List(itself.Principal)
	swapped := b.existing("swapped", "") // and now its name is another role's
	b.Exec("DROP ROLE " + swapped.Principal + "; CREATE ROLE " + swapped.Principal + " LOGIN")
	full := b.existing("full", "")
	b.Exec("COMMENT ON ROLE " + full.Principal + " IS '" + strings.Repeat("x", 5000) + "'")
	b.system = b.openWith(b.URL(""), heir)
	for name, c := range map[string]struct {
		account connector.Account
		want    error
		request bool // it is what is asked for that is wrong, and not the role
	}{
		"another grant's account": {b.takingOver(ours.Principal, "disable"), nhi.ErrForeign, false},
		"its login role":          {b.takingOver(credential.Handle, "delete"), nhi.ErrForeign, false},
		"the admin":               {b.takingOver("nhi_admin", "disable"), nhi.ErrInvalid, false},
		"PostgreSQL's own":        {b.takingOver("pg_monitor", "disable"), nhi.ErrInvalid, false},
		"the heir":                {b.takingOver(heir, "disable"), nhi.ErrInvalid, false},
		"planted":                 {swapped, nhi.ErrForeign, true},
		"no OID":                  {unknown, nhi.ErrInvalid, true},
		"a role that leads back":  {circle, nhi.ErrInvalid, true},
		"its own role":            {itself, nhi.ErrInvalid, true},
		"more than can be kept":   {full, nhi.ErrInvalid, true},
	} {
		b.changedNothing(func() {
			if outcome := b.prepare(c.account); !errors.Is(outcome.Err, c.want) {
				t.Errorf("%s: prepare: %s, %v, want %v", name, outcome.State, outcome.Err, c.want)
			}
			if _, err := b.adopter().Appraise(t.Context(), c.account.Principal); !c.request && !errors.Is(err, c.want) {
				t.Errorf("%s: appraise: %v, want %v", name, err, c.want)
			}
		})
	}
	admin := b.Prefix() + "admin"
	b.Exec("CREATE ROLE " + admin + " LOGIN CREATEROLE PASSWORD 'pw'; GRANT pg_signal_backend TO " + admin)
	b.system = b.open(b.UserURL(admin, "pw"))
	super := b.existing("super", "SUPERUSER")
	b.changedNothing(func() {
		if outcome := b.prepare(super); !errors.Is(outcome.Err, nhi.ErrInvalid) || !strings.Contains(outcome.Err.Error(), "superuser") {
			t.Errorf("prepare of a superuser without one: %v", outcome.Err)
		}
	})
}

func TestAdoptionIsWhole(t *testing.T) {
	t.Parallel()
	for name, access := range map[string]nhi.Values{
		"no on_revoke":      {"adopt": nhi.Text("svc")},
		"no adopt":          {"on_revoke": nhi.Text("disable")},
		"empty adopt":       {"adopt": nhi.Text(""), "on_revoke": nhi.Text("disable")},
		"another on_revoke": {"adopt": nhi.Text("svc"), "on_revoke": nhi.Text("keep")},
		"reserved":          {"adopt": nhi.Text("pg_monitor"), "on_revoke": nhi.Text("disable")},
		"over-long":         {"adopt": nhi.Text(strings.Repeat("ä", 32)), "on_revoke": nhi.Text("disable")},
	} {
		access["roles"] = nhi.List("orders_ro")
		if err := postgres.Kind().CheckAccess(access); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// TestTakenDriftIsFoundAndRepaired: LOGIN is normal for a role that was taken
// over; the rest is as for every other.
func TestTakenDriftIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	b.Exec("CREATE ROLE " + b.Prefix() + "extra")
	account := b.take(b.existing("svc", ""))
	for sql, finding := range map[string]string{
		"GRANT {p}extra TO {a}":                                       "role {p}extra was added by hand",
		"REVOKE {p}readers FROM {a}":                                  "role {p}readers was removed by hand",
		"ALTER ROLE {a} NOLOGIN":                                      "LOGIN was switched off by hand",
		"ALTER ROLE {a} NOINHERIT":                                    "INHERIT was switched off by hand",
		"ALTER ROLE {a} CREATEROLE":                                   "CREATEROLE was switched on by hand",
		"ALTER ROLE {a} VALID UNTIL '2099-01-01T00:00:00Z'":           "the end date was moved by hand to 2099-01-01T00:00:00Z",
		"ALTER ROLE {a} VALID UNTIL '-infinity'":                      "the end date was moved by hand to the past",
		"GRANT {a} TO {p}extra":                                       "role {p}extra was made a member of {a} by hand",
		"COMMENT ON ROLE {a} IS 'mine'":                               "its mark was edited by hand",
		"GRANT INSERT ON orders TO {a}":                               "privileges on 1 objects were given by hand",
		"CREATE TABLE IF NOT EXISTS o (); ALTER TABLE o OWNER TO {a}": "",
	} {
		fill := func(text string) string { return replaceAll(text, "{p}", b.Prefix(), "{a}", account.Principal) }
		b.Exec(fill(sql))
		want := fill(finding)
		if seen := b.observe(account); seen.State != connector.Active || finding != "" && !slices.Contains(seen.Findings, want) || finding == "" && len(seen.Findings) > 0 {
			t.Errorf("%s: %s %q, want %q", sql, seen.State, seen.Findings, want)
		}
		if strings.HasPrefix(sql, "GRANT INSERT") {
			b.Exec(fill("REVOKE INSERT ON orders FROM {a}"))
		}
		if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 || outcome.Evidence != account.Evidence {
			t.Errorf("%s: enable: %q, %v, evidence %s", sql, outcome.Findings, outcome.Err, outcome.Evidence)
		}
		if !b.letsIn(account.Principal) {
			t.Errorf("%s: the repair broke its login", sql)
		}
	}
	if got := b.Query("SELECT tableowner FROM pg_tables WHERE tablename = 'o'")[0][0]; got != account.Principal {
		t.Errorf("what it made later belongs to %s", got)
	}
}
