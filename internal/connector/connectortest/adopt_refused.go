package connectortest

import (
	"errors"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// refusesAll wants every effect to be ErrForeign, and the target as it was.
func (o *takeover) refusesAll(t *testing.T, account connector.Account) {
	t.Helper()
	prepare, enable, revoke, _ := effects(o.c)
	account.Enabled = true
	o.unchanged(t, "an account that is not ours", func() {
		for name, call := range map[string]method{"prepare": prepare, "enable": enable, "revoke": revoke} {
			if outcome := call(t, account); !errors.Is(outcome.Err, nhi.ErrForeign) {
				t.Errorf("%s: %q, %v, want ErrForeign", name, outcome.State, outcome.Err)
			}
		}
		if seen := observe(t, o.c, account); seen.State != connector.Foreign {
			t.Errorf("read: %q, want foreign", seen.State)
		}
		if outcome := o.release(t, account); outcome.State == connector.Active || outcome.State == connector.Inert {
			t.Errorf("release: %q, %v", outcome.State, outcome.Err)
		}
	})
	o.wants(t, "refused", true, true)
}

func anothersMark(t *testing.T, o *takeover) {
	account := o.account(t, true)
	o.Mark(t, o.suite.account(t).Mark)
	o.refusesAll(t, account)
	if _, err := o.adopter.Appraise(t.Context(), o.Name); !errors.Is(err, nhi.ErrForeign) {
		t.Errorf("appraise: %v, want ErrForeign", err)
	}
}

// replacedBeforePrepare: approvers saw another account than the one that has
// its name now.
func replacedBeforePrepare(t *testing.T, o *takeover) {
	account := o.account(t, false)
	o.Replace(t)
	prepare, _, _, _ := effects(o.c)
	o.unchanged(t, "an account that approvers did not see", func() {
		if outcome := prepare(t, account); !errors.Is(outcome.Err, nhi.ErrForeign) {
			t.Errorf("prepare: %q, %v, want ErrForeign", outcome.State, outcome.Err)
		}
		// What approvers saw is gone, so nothing is left to give back.
		if outcome := o.release(t, account); outcome.Err != nil || outcome.State != connector.Absent || !outcome.Verified {
			t.Errorf("release: %q, %v, want absent", outcome.State, outcome.Err)
		}
	})
}

// replacedUnderACopiedMark: a victim's account carries our mark, copied.
func replacedUnderACopiedMark(t *testing.T, o *takeover) {
	account := o.take(t, o.account(t, false))
	o.Replace(t)
	o.Mark(t, account.Mark)
	_, enable, revoke, _ := effects(o.c)
	o.unchanged(t, "a copied mark", func() {
		for name, call := range map[string]method{"enable": enable, "revoke": revoke} {
			if outcome := call(t, account); !errors.Is(outcome.Err, nhi.ErrForeign) {
				t.Errorf("%s: %q, %v, want ErrForeign", name, outcome.State, outcome.Err)
			}
		}
	})
}
