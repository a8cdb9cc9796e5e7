package connectortest

import (
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func nothingBeforeAnything(t *testing.T, s *suite) {
	c := s.open(t)
	account := s.account(t)
	s.unchanged(t, "a read", func() {
		observation := observe(t, c, account)
		want := []connector.State{connector.Absent, connector.Inert}
		if s.Kind.Unobservable {
			want = []connector.State{connector.Unknown}
		}
		if !slices.Contains(want, observation.State) || len(observation.Privileges) > 0 {
			t.Errorf("before anything: state %q with %q, want one of %q", observation.State, observation.Privileges, want)
		}
		listed, err := connector.NewRoster(c).Of(t.Context(), account)
		if err != nil || listed.State != observation.State {
			t.Errorf("the list says %q (%v), and the account's own read %q", listed.State, err, observation.State)
		}
	})
}

func unobservableAnswersAtOnce(t *testing.T, s *suite) {
	if !s.Kind.Unobservable {
		t.Skipf("not for %s: it can be observed", s.Kind.Name)
	}
	prepare, enable, revoke, probe := effects(s.open(t))
	account := s.account(t)
	for name, call := range map[string]method{"prepare": prepare, "enable": enable, "revoke": revoke, "probe": probe} {
		outcome := call(t, account)
		must(t, name, account, outcome, connector.Unknown)
		if outcome.Verified {
			t.Errorf("%s is verified, and nothing can be observed", name)
		}
	}
}

// lifeOfAnAccount goes the whole way, does everything twice, and asks the
// target at each step.
func lifeOfAnAccount(t *testing.T, s *suite) {
	c := s.open(t)
	prepare, enable, _, probe := effects(c)
	want := s.Kind.Privileges(s.Access(t))

	account := s.account(t)
	account = must(t, "prepare", account, prepare(t, account), connector.Inert)
	id := account.ID
	account = must(t, "prepare again", account, prepare(t, account), connector.Inert)
	account.Enabled = true
	for _, what := range []string{"enable", "enable again"} {
		outcome := enable(t, account)
		account = must(t, what, account, outcome, connector.Active)
		if !slices.Equal(outcome.Privileges, want) || len(outcome.Findings) > 0 {
			t.Errorf("%s: privileges %q with findings %q, want %q", what, outcome.Privileges, outcome.Findings, want)
		}
	}
	if account.ID != id {
		t.Errorf("the id changed from %s to %s", id, account.ID)
	}
	s.checkActive(t, c, account, want)
	if outcome := probe(t, account); outcome.Err != nil || outcome.State == connector.Absent {
		t.Errorf("probe of an active account: %q, %v", outcome.State, outcome.Err)
	}
	credential := s.issue(t, c, account)
	if !s.Works(t, account, credential) {
		t.Error("an active account does not let its user in")
	}
	s.endOfAnAccount(t, c, account, credential)
}

// endOfAnAccount revokes an active account, twice.
func (s *suite) endOfAnAccount(t *testing.T, c connector.Connector, account connector.Account, credential connector.Credential) {
	t.Helper()
	_, _, revoke, probe := effects(c)
	outcome := revoke(t, account)
	must(t, "revoke", account, outcome, connector.Absent)
	if !outcome.Verified {
		t.Error("revoked and not verified")
	}
	s.checkRevoked(t, c, account, credential)
	s.unchanged(t, "the second revoke", func() {
		outcome := revoke(t, account)
		must(t, "revoke again", account, outcome, connector.Absent)
		if !outcome.Verified {
			t.Error("revoked again and not verified")
		}
	})
	if outcome := probe(t, account); outcome.Err != nil || outcome.State == connector.Active {
		t.Errorf("probe of a revoked account: %q, %v", outcome.State, outcome.Err)
	}
}

// checkActive wants both kinds of read to agree on an active account.
func (s *suite) checkActive(t *testing.T, c connector.Connector, account connector.Account, privileges []string) {
	t.Helper()
	s.unchanged(t, "a read", func() {
		listed, err := connector.NewRoster(c).Of(t.Context(), account)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for what, observation := range map[string]connector.Observation{"read": observe(t, c, account), "list": listed} {
			if observation.State != connector.Active || observation.ID != account.ID {
				t.Errorf("%s: state %q with id %q, want active with %q", what, observation.State, observation.ID, account.ID)
			}
			if !slices.Equal(observation.Privileges, privileges) || len(observation.Findings) > 0 {
				t.Errorf("%s: privileges %q with findings %q, want %q", what, observation.Privileges, observation.Findings, privileges)
			}
		}
	})
}

// checkRevoked wants the target to refuse, and a read to say so.
func (s *suite) checkRevoked(t *testing.T, c connector.Connector, account connector.Account, credential connector.Credential) {
	t.Helper()
	if s.Works(t, account, credential) {
		t.Error("a revoked account still lets its user in")
	}
	if observation := observe(t, c, account); observation.State != connector.Absent || len(observation.Privileges) > 0 {
		t.Errorf("read after revoke: state %q with %q, want absent", observation.State, observation.Privileges)
	}
}

func preparedAccountIsInert(t *testing.T, s *suite) {
	c := s.open(t)
	prepare, _, _, _ := effects(c)
	account := s.account(t)
	outcome := prepare(t, account)
	account = must(t, "prepare", account, outcome, connector.Inert)
	if len(outcome.Privileges) > 0 {
		t.Errorf("a prepared account holds %q", outcome.Privileges)
	}
	if s.Works(t, account, connector.Credential{}) {
		t.Error("a prepared account lets its user in")
	}
	if observation := observe(t, c, account); observation.State != connector.Inert || len(observation.Privileges) > 0 {
		t.Errorf("read after prepare: state %q with %q, want inert", observation.State, observation.Privileges)
	}
}

// narrowerAccess: privileges beyond the approved ones are taken away, and the
// account stays. An account of a fixed kind refuses, and stays as it was.
func narrowerAccess(t *testing.T, s *suite) {
	if s.Narrower == nil {
		t.Fatal(`Setup.Narrower is nil, and Skip["narrower access"] gives no reason`)
	}
	c := s.open(t)
	_, enable, revoke, _ := effects(c)
	account := s.activate(t, c)
	account.Access = s.Narrower(t)
	want := s.Kind.Privileges(account.Access)
	if observation := observe(t, c, account); len(observation.Findings) == 0 {
		t.Error("more than the approved privileges are held, and nothing is found")
	}
	if s.Kind.Fixed {
		s.unchanged(t, "another access for a fixed account", func() {
			if outcome := enable(t, account); outcome.Err == nil {
				t.Errorf("a fixed account took another access: %q", outcome.Privileges)
			}
		})
		return
	}
	outcome := enable(t, account)
	account = must(t, "enable", account, outcome, connector.Active)
	if !slices.Equal(outcome.Privileges, want) {
		t.Errorf("privileges are %q, want %q", outcome.Privileges, want)
	}
	s.checkActive(t, c, account, want)
	credential := s.issue(t, c, account)
	if !s.Works(t, account, credential) {
		t.Error("the narrower account does not let its user in")
	}
	must(t, "revoke", account, revoke(t, account), connector.Absent)
	s.checkRevoked(t, c, account, credential)
}

func revokeOfSomethingAbsent(t *testing.T, s *suite) {
	_, _, revoke, _ := effects(s.open(t))
	account := s.account(t)
	outcome := revoke(t, account)
	must(t, "revoke", account, outcome, connector.Absent)
	if !outcome.Verified {
		t.Error("absent and not verified")
	}
}

func revokeOfAPreparedAccount(t *testing.T, s *suite) {
	c := s.open(t)
	prepare, _, revoke, _ := effects(c)
	account := s.account(t)
	account = must(t, "prepare", account, prepare(t, account), connector.Inert)
	outcome := revoke(t, account)
	must(t, "revoke", account, outcome, connector.Absent)
	if !outcome.Verified {
		t.Error("revoked and not verified")
	}
	if s.Works(t, account, connector.Credential{}) {
		t.Error("a revoked account lets its user in")
	}
}

// revokeAfterALostEffect: the run was killed after Enable and before it could
// record what came back; the intent's nonce is all there is.
func revokeAfterALostEffect(t *testing.T, s *suite) {
	c := s.open(t)
	_, _, revoke, _ := effects(c)
	account := s.activate(t, c)
	credential := s.issue(t, c, account)
	lost := account
	lost.ID, lost.Evidence = "", ""
	outcome := revoke(t, lost)
	must(t, "revoke", lost, outcome, connector.Absent)
	if !outcome.Verified {
		t.Error("revoked and not verified")
	}
	s.checkRevoked(t, c, account, credential)
}

// anotherNonceCannotRevoke: whoever knows a name alone must not touch the
// account.
func anotherNonceCannotRevoke(t *testing.T, s *suite) {
	c := s.open(t)
	prepare, enable, revoke, _ := effects(c)
	account := s.activate(t, c)
	credential := s.issue(t, c, account)
	impostor := account
	impostor.Mark = nhi.Mark{Ledger: account.Mark.Ledger, Grant: account.Mark.Grant, Target: account.Mark.Target, Nonce: randomHex(t, 16)}
	impostor.ID, impostor.Evidence = "", ""
	for name, call := range map[string]method{"revoke": revoke, "prepare": prepare, "enable": enable} {
		call(t, impostor) // it may refuse, or find nothing of its own
		if !s.Works(t, account, credential) {
			t.Fatalf("%s with another nonce stopped the account", name)
		}
		if observation := observe(t, c, account); observation.State != connector.Active {
			t.Fatalf("after %s with another nonce the account is %q", name, observation.State)
		}
	}
	must(t, "revoke", account, revoke(t, account), connector.Absent)
	s.checkRevoked(t, c, account, credential)
}
