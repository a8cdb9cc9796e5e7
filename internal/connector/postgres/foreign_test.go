package postgres_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// refusesAll wants every effect on the account to be ErrForeign, and the
// server's own log to show that nothing was changed.
func (b *bench) refusesAll(account connector.Account) {
	b.t.Helper()
	b.changedNothing(func() {
		for name, outcome := range map[string]connector.Outcome{
			"prepare": b.prepare(account), "enable": b.enable(account), "revoke": b.revoke(account), "probe": b.probe(account),
		} {
			if !errors.Is(outcome.Err, nhi.ErrForeign) {
				b.t.Errorf("%s: %s, %v, want ErrForeign", name, outcome.State, outcome.Err)
			}
		}
		if _, err := issuer(b.t, b.system).Issue(b.t.Context(), account, account.NotAfter, nil); !errors.Is(err, nhi.ErrForeign) {
			b.t.Errorf("issue: %v, want ErrForeign", err)
		}
		if seen := b.observe(account); seen.State != connector.Foreign || len(seen.Findings) != 1 {
			b.t.Errorf("read: %s %q, want foreign with what was found", seen.State, seen.Findings)
		}
	})
}

func TestNamesakesAreNeverTouched(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(account connector.Account) (comment string){
		"no mark":    func(connector.Account) string { return "" },
		"a person's": func(connector.Account) string { return "nightly job of Ana" },
		"other nonce": func(a connector.Account) string {
			a.Mark.Nonce = "ffffffffffffffffffffffffffffffff"
			return a.Mark.String()
		},
		"other ledger": func(a connector.Account) string {
			a.Mark.Ledger = "ffffffffffffffffffffffffffffffff"
			return a.Mark.String()
		},
		"other target": func(a connector.Account) string { a.Mark.Target = "db2"; return a.Mark.String() },
		"other grant":  func(a connector.Account) string { a.Mark.Grant = "test/postgres/other:default"; return a.Mark.String() },
		"longer mark":  func(a connector.Account) string { return a.Mark.String() + " " },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, testserver.Postgres(t))
			account := b.account()
			b.Exec("CREATE ROLE " + quote(account.Principal) + " LOGIN; GRANT " + b.readers + " TO " + quote(account.Principal) +
				"; COMMENT ON ROLE " + quote(account.Principal) + " IS '" + plant(account) + "'")
			b.refusesAll(account)
		})
	}
}

// TestReplacedRoleIsForeign: somebody dropped our role and made another one
// with its name and even its comment. The OID tells.
func TestReplacedRoleIsForeign(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	b.Exec("DROP ROLE " + quote(account.Principal) + "; CREATE ROLE " + quote(account.Principal) + " LOGIN; COMMENT ON ROLE " +
		quote(account.Principal) + " IS '" + account.Mark.String() + "'")
	b.refusesAll(account)
}

// TestMarkUnderAnotherName: without a recorded OID, a mark under a name that
// is not the account's proves nothing, and is not "gone" either.
func TestMarkUnderAnotherName(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.account()
	b.Exec("CREATE ROLE " + b.Prefix() + "elsewhere; COMMENT ON ROLE " + b.Prefix() + "elsewhere IS '" + account.Mark.String() + "'")
	b.refusesAll(account)
}

// TestEditedMark: somebody edited the comment of the role with our OID and our
// name. It is reported, put right, and can be removed; under another name, or
// with another grant's mark, it is not ours any more.
func TestEditedMark(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	b.Exec("COMMENT ON ROLE " + quote(account.Principal) + " IS NULL")
	if seen := b.observe(account); seen.State != connector.Active || !slices.Contains(seen.Findings, "its mark was edited by hand") {
		t.Errorf("observed %+v", seen)
	}
	if outcome := b.enable(account); outcome.Err != nil || len(outcome.Findings) > 0 {
		t.Errorf("enable: %+v", outcome)
	}
	b.Exec("COMMENT ON ROLE " + quote(account.Principal) + " IS 'the nightly job'; ALTER ROLE " + quote(account.Principal) + " RENAME TO " + b.Prefix() + "renamed")
	b.refusesAll(account)
	b.Exec("ALTER ROLE " + b.Prefix() + "renamed RENAME TO " + quote(account.Principal))
	if outcome := b.revoke(account); outcome.Err != nil || b.roleExists(account.Principal) {
		t.Errorf("revoke: %+v", outcome)
	}
}

// TestMemoryIsToldByTheMark: what only a memory knows is not ours by name and
// OID; the whole mark still tells it.
func TestMemoryIsToldByTheMark(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	account.ByMark = true
	if seen := b.observe(account); seen.State != connector.Active {
		t.Errorf("with its mark it is %s", seen.State)
	}
	b.Exec("COMMENT ON ROLE " + quote(account.Principal) + " IS NULL")
	b.refusesAll(account)
	b.Exec("COMMENT ON ROLE " + quote(account.Principal) + " IS '" + account.Mark.String() + "'")
	if outcome := b.revoke(account); outcome.Err != nil || b.roleExists(account.Principal) {
		t.Errorf("revoke: %+v", outcome)
	}
}

// TestWithdrawTouchesOnlyItsOwn: a handle is a name, and the name may be
// somebody else's.
func TestWithdrawTouchesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Postgres(t))
	account := b.active()
	planted := account.Principal + "-zzzzzzzz"
	b.Exec("CREATE ROLE " + quote(planted) + " LOGIN; GRANT " + quote(account.Principal) + " TO " + quote(planted))
	b.changedNothing(func() {
		for _, handle := range []string{planted, "nhi_admin", account.Principal, b.readers} {
			if err := issuer(t, b.system).Withdraw(t.Context(), account, handle); !errors.Is(err, nhi.ErrForeign) {
				t.Errorf("withdraw %s: %v, want ErrForeign", handle, err)
			}
		}
		if err := issuer(t, b.system).Withdraw(t.Context(), account, account.Principal+"-gone"); err != nil {
			t.Errorf("withdraw what is gone: %v", err)
		}
	})
	// Revoke takes the intruder's membership away, and leaves the role alone.
	if outcome := b.revoke(account); outcome.Err != nil {
		t.Fatalf("revoke: %v", outcome.Err)
	}
	if !b.roleExists(planted) {
		t.Error("a role that is not ours was dropped")
	}
}
