package connectortest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// mustIssue skips where the kind issues nothing.
func (s *suite) mustIssue(t *testing.T, c connector.Connector) connector.Issuer {
	t.Helper()
	issuer, ok := connector.IssuerOf(c)
	if !ok {
		t.Skipf("not for %s: it issues no credentials", s.Kind.Name)
	}
	return issuer
}

func issueNeedsAnActiveAccount(t *testing.T, s *suite) {
	c := s.open(t)
	issuer := s.mustIssue(t, c)
	prepare, enable, revoke, _ := effects(c)
	refused := func(what string, account connector.Account) {
		t.Helper()
		s.unchanged(t, "a refused issue", func() {
			if _, err := issuer.Issue(t.Context(), account, account.NotAfter, nil); !errors.Is(err, nhi.ErrEnded) {
				t.Errorf("issue of %s account: %v, want ErrEnded", what, err)
			}
		})
	}
	account := s.account(t)
	refused("an absent", account)
	account = must(t, "prepare", account, prepare(t, account), connector.Inert)
	refused("a prepared", account)
	account.Enabled = true
	account = must(t, "enable", account, enable(t, account), connector.Active)
	first, second := s.issue(t, c, account), s.issue(t, c, account)
	if !s.Works(t, account, first) || !s.Works(t, account, second) {
		t.Error("of two credentials of an active account, one does not work")
	}
	must(t, "revoke", account, revoke(t, account), connector.Absent)
	refused("a revoked", account)
	if s.Works(t, account, first) || s.Works(t, account, second) {
		t.Error("a credential works after its account was revoked")
	}
}

func issuedCredentialEndsInTime(t *testing.T, s *suite) {
	c := s.open(t)
	issuer := s.mustIssue(t, c)
	account := s.activate(t, c)
	soon := time.Now().Add(10 * time.Minute)
	for asked, latest := range map[time.Time]time.Time{soon: soon, account.NotAfter.Add(time.Hour): account.NotAfter} {
		credential, err := issuer.Issue(t.Context(), account, asked, nil)
		if err != nil {
			t.Fatalf("issue until %s: %v", asked, err)
		}
		if credential.ExpiresAt.After(latest) || credential.ExpiresAt.Before(latest.Add(-time.Minute)) {
			t.Errorf("asked until %s, ends %s, want %s", asked, credential.ExpiresAt, latest)
		}
		if credential.Handle == "" || len(credential.Values) == 0 {
			t.Error("a credential has no handle, or no value")
		}
		for name, value := range credential.Values {
			if value.IsZero() {
				t.Errorf("credential value %s is empty", name)
			}
		}
	}
}

func withdrawnCredential(t *testing.T, s *suite) {
	c := s.open(t)
	issuer := s.mustIssue(t, c)
	account := s.activate(t, c)
	withdrawn, kept := s.issue(t, c, account), s.issue(t, c, account)
	for _, what := range []string{"withdraw", "withdraw again"} {
		if err := issuer.Withdraw(t.Context(), account, withdrawn.Handle); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if s.Works(t, account, withdrawn) {
		t.Error("a withdrawn credential still works")
	}
	if !s.Works(t, account, kept) {
		t.Error("withdrawing one credential took another one along")
	}
}

func foreignObject(t *testing.T, s *suite) {
	if s.Foreign == nil {
		t.Fatal(`Setup.Foreign is nil, and Skip["foreign object"] gives no reason`)
	}
	c := s.open(t)
	prepare, enable, revoke, _ := effects(c)
	account := s.account(t)
	untouched := s.Foreign(t, account)
	s.unchanged(t, "a foreign object's name", func() {
		for name, call := range map[string]method{"prepare": prepare, "enable": enable, "revoke": revoke} {
			if outcome := call(t, account); !errors.Is(outcome.Err, nhi.ErrForeign) {
				t.Errorf("%s: %q, %v, want ErrForeign", name, outcome.State, outcome.Err)
			}
		}
		if observation := observe(t, c, account); observation.State != connector.Foreign {
			t.Errorf("read: state %q, want foreign", observation.State)
		}
	})
	if !untouched() {
		t.Error("the foreign object was touched")
	}
}

// failures calls everything on a system that does not answer, and returns
// each error that came back, by the name of the call.
func (s *suite) failures(t *testing.T, c connector.Connector) map[string]error {
	t.Helper()
	account := s.activateElsewhere(t)
	prepare, enable, revoke, probe := effects(c)
	found := map[string]error{}
	_, found["read"] = c.Read(t.Context(), []connector.Account{account})
	_, found["list"] = c.Read(t.Context(), nil)
	for name, call := range map[string]method{"prepare": prepare, "enable": enable, "revoke": revoke, "probe": probe} {
		outcome := call(t, account)
		if outcome.Err == nil {
			t.Errorf("%s of an unreachable system ended in %q", name, outcome.State)
		}
		found[name] = outcome.Err
	}
	if adopter, ok := connector.AdopterOf(c); ok {
		_, found["appraise"] = adopter.Appraise(t.Context(), account.Principal)
	}
	if surveyor, ok := connector.SurveyorOf(c); ok {
		_, found["survey"] = surveyor.Survey(t.Context())
	}
	if keeper, ok := connector.TimekeeperOf(c); ok {
		_, found["time"] = keeper.Time(t.Context())
	}
	if issuer, ok := connector.IssuerOf(c); ok {
		_, found["issue"] = issuer.Issue(t.Context(), account, account.NotAfter, nil)
	}
	return found
}

// activateElsewhere returns an account that is active on the system that does
// answer: to the other one, it is what the ledger remembers.
func (s *suite) activateElsewhere(t *testing.T) connector.Account {
	t.Helper()
	return s.activate(t, s.open(t))
}

func unreachableSystem(t *testing.T, s *suite) {
	c := s.openWith(t, s.Unreachable(t))
	for name, err := range s.failures(t, c) {
		if !errors.Is(err, nhi.ErrUnreachable) && !(name == "revoke" && errors.Is(err, nhi.ErrUnconfirmed)) {
			t.Errorf("%s of an unreachable system: %v, want ErrUnreachable", name, err)
		}
	}
	if observation, err := connector.NewRoster(c).Of(t.Context(), s.account(t)); err == nil {
		t.Errorf("the list of an unreachable system says %q", observation.State)
	}
}

func cancelledContext(t *testing.T, s *suite) {
	inner, err := s.Kind.Open(t.Context(), s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	account := s.activateElsewhere(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// The connector itself must honour it: the guard is not in between.
	s.unchanged(t, "a cancelled call", func() {
		start := time.Now()
		for name, call := range map[string]func(context.Context, []connector.Account) []connector.Outcome{
			"prepare": inner.Prepare, "enable": inner.Enable, "revoke": inner.Revoke, "probe": inner.Probe,
		} {
			outcomes := call(ctx, []connector.Account{account})
			if len(outcomes) != 1 {
				t.Fatalf("%s: %d outcomes for one account", name, len(outcomes))
			}
			if out := outcomes[0]; out.Err == nil && out.State != connector.Unknown {
				t.Errorf("%s with a cancelled context ended in %q", name, out.State)
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("cancelled calls took %s", took)
		}
	})
}

func secretsStayOutOfErrors(t *testing.T, s *suite) {
	settings := s.Unreachable(t)
	for name := range s.Settings.Secrets {
		if settings.Secrets[name].IsZero() {
			t.Errorf("Unreachable leaves out the secret %s", name)
		}
	}
	// Not guarded: the connector must not rely on the guard to strip them.
	inner, err := s.Kind.Open(t.Context(), settings)
	found := map[string]error{"open": err}
	if err == nil {
		t.Cleanup(func() { _ = inner.Close() })
		found = s.failures(t, inner)
	}
	for call, err := range found {
		for name, secret := range settings.Secrets {
			for _, form := range connector.SecretForms(secret) {
				if err != nil && strings.Contains(err.Error(), form) {
					t.Errorf("the error of %s holds the secret %s", call, name)
				}
			}
		}
	}
}

func manyAccountsKeepTheirOrder(t *testing.T, s *suite) {
	const many = 50
	c := s.open(t)
	accounts := make([]connector.Account, many)
	for i := range accounts {
		accounts[i] = s.account(t)
	}
	step := func(what string, call func(context.Context, []connector.Account) []connector.Outcome, state connector.State) {
		t.Helper()
		outcomes := call(t.Context(), slices.Clone(accounts))
		if len(outcomes) != many {
			t.Fatalf("%s: %d outcomes for %d accounts", what, len(outcomes), many)
		}
		for i, outcome := range outcomes {
			accounts[i] = must(t, what, accounts[i], outcome, state)
		}
	}
	step("prepare", c.Prepare, connector.Inert)
	for i := range accounts {
		accounts[i].Enabled = true
	}
	step("enable", c.Enable, connector.Active)
	holdings, err := c.Read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range accounts {
		if found, err := connector.Look(holdings, account); err != nil || found.State != connector.Active || found.ID != account.ID {
			t.Errorf("the list says %q with id %q about %s, want active with %q (%v)", found.State, found.ID, account.Principal, account.ID, err)
		}
	}
	step("revoke", c.Revoke, connector.Absent)
}
