package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/pgurl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestScramVerifier: the exchange of RFC 7677 section 3 is with this user's
// password, salt and iteration count.
func TestScramVerifier(t *testing.T) {
	t.Parallel()
	salt := []byte{0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81}
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" +
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got, err := scramVerifierSalted("pencil", salt, 4096); err != nil || got != want {
		t.Errorf("verifier\n%s, %v, want\n%s", got, err, want)
	}
}

func TestLiteralRefusesWhatNeedsEscaping(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"'", `\`, "\x00", "ä", "a\nb", ";", `"`, "%"} {
		if got, err := literal(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: %s, %v, want ErrInvalid", text, got, err)
		}
	}
	if got, err := literal("nhi:1 a_b/c-d +=.$"); err != nil || got != "'nhi:1 a_b/c-d +=.$'" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestTrustLineIsNoRefusal: what pg_hba.conf lets in without its password is
// seen by a real login, and never counts as refused.
func TestTrustLineIsNoRefusal(t *testing.T) {
	t.Parallel()
	server := testserver.PrivatePostgres(t)
	server.Exec("CREATE ROLE lets_in LOGIN; CREATE ROLE no_login; CREATE ROLE no_connect LOGIN; REVOKE CONNECT ON DATABASE " +
		server.Database() + " FROM PUBLIC")
	at, err := pgurl.Parse(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	s := &system{at: at}
	refused := func(name string) {
		t.Helper()
		if accepted, err := s.tryLogin(t.Context(), name); err != nil || accepted {
			t.Errorf("%s: accepted %v, %v, want refused", name, accepted, err)
		}
	}
	refused("lets_in")
	refused("no_such_role")
	server.SetAccess("host all nhi_admin 127.0.0.1/32 scram-sha-256", "host postgres,"+server.Database()+" all 127.0.0.1/32 trust")
	testserver.Wait(t, sessionsWait, "pg_hba.conf is read again", func() bool {
		accepted, err := s.tryLogin(t.Context(), "lets_in")
		return err == nil && accepted
	})
	refused("no_login")
	refused("no_such_role")
	if s.at, err = pgurl.Parse(server.URL("")); err != nil {
		t.Fatal(err)
	}
	if accepted, err := s.tryLogin(t.Context(), "no_connect"); err != nil || !accepted {
		t.Errorf("let in, and not allowed to connect to the database: accepted %v, %v", accepted, err)
	}
	server.Stop()
	if accepted, err := s.tryLogin(t.Context(), "lets_in"); err == nil || accepted {
		t.Errorf("a stopped server: accepted %v, %v, want an error", accepted, err)
	}
}

// TestSwappedRoleRollsBack: somebody swaps the object between our look and our
// statements. The second look notices, and nothing of ours stays.
func TestSwappedRoleRollsBack(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	readers := server.Prefix() + "readers"
	server.Exec("CREATE ROLE " + readers)
	opened, err := open(t.Context(), setting.Settings{Secrets: map[string]nhi.Secret{settingURL: nhi.NewSecret(server.URL(""))}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	s, ok := opened.(*system)
	if !ok {
		t.Fatalf("%T", opened)
	}
	grant := nhi.ApprovalID("test/postgres/swap:default")
	account := connector.Account{
		Mark:      nhi.Mark{Ledger: strings.Repeat("0", 32), Grant: grant, Target: "db", Nonce: strings.Repeat("1", 32)},
		Principal: server.Prefix() + "swap", Access: nhi.Values{settingRoles: nhi.List(readers)}, NotAfter: time.Now().Add(time.Hour),
	}
	one := []connector.Account{account}
	if outcome := s.Prepare(t.Context(), one)[0]; outcome.Err != nil {
		t.Fatal(outcome.Err)
	}
	want := shape{roles: []string{readers}, end: account.NotAfter, logins: true}
	looks := 0
	_, err = s.change(t.Context(), one, func(_ context.Context, _ pgx.Tx, seen *snapshot) ([]string, error) {
		ours, foreign := seen.find(account)
		if foreign != nil {
			return nil, foreignError(foreign)
		}
		if looks++; looks == 1 {
			server.Exec("COMMENT ON ROLE " + quoted(account.Principal) + " IS 'mine now'")
		}
		return seen.reshape(account, ours, want), nil
	})
	if !errors.Is(err, nhi.ErrForeign) || looks != 1 {
		t.Errorf("change: %v after %d looks, want ErrForeign after one", err, looks)
	}
	held := "SELECT count(*) FROM pg_auth_members WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = $1)"
	if got := server.Query(held, readers)[0][0]; got != "0" {
		t.Error("a role that is not ours was made a member")
	}

	// A server that takes a statement and does not follow it.
	_, err = s.change(t.Context(), one, func(context.Context, pgx.Tx, *snapshot) ([]string, error) {
		return []string{"COMMENT ON ROLE " + quoted(readers) + " IS 'changed'"}, nil
	})
	if !errors.Is(err, errStays) {
		t.Errorf("change: %v, want errStays", err)
	}
	if got := server.Query("SELECT coalesce(shobj_description($1::regrole, 'pg_authid'), '')", readers)[0][0]; got != "" {
		t.Errorf("the change was committed: %q", got)
	}
}
