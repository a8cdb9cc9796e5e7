// Package connectortest is the one suite that every connector passes against
// its real system. A connector's own test starts that system, fills in a Setup
// and calls Run; what only that kind can do is tested beside it.
//
// The suite talks to the connector through connector.Checked, as the lifecycle
// does, and asks the target (Setup.Works, Setup.Fingerprint), not the
// connector, whether something is so.
package connectortest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Setup is what the suite must know of one kind and of a running system.
type Setup struct {
	Kind     connector.Kind
	Settings setting.Settings

	// Access returns a valid access, every setting written out in canonical
	// form. Two calls may return the same.
	Access func(t *testing.T) nhi.Values
	// Narrower returns an access with fewer privileges than Access returns.
	// Nil needs a reason in Skip["narrower access"].
	Narrower func(t *testing.T) nhi.Values
	// Works asks the target itself, by a login or a query, whether the account
	// lets its user in now: with the credential where one is given, else (the
	// zero Credential) by whatever else a user could try. An error on the way
	// that is no clear refusal must fail the test, not return false.
	Works func(t *testing.T, account connector.Account, credential connector.Credential) bool
	// Fingerprint returns a digest of everything on the target that an effect
	// could change. The suite compares it before and after what must not
	// change anything.
	Fingerprint func(t *testing.T) string
	// Unreachable returns the settings of a system that does not answer.
	// Every secret of Settings must be in it too.
	Unreachable func(t *testing.T) setting.Settings
	// Foreign puts an object of somebody else's on the target under the
	// account's name, and returns a function that says whether it is still as
	// it was. Nil needs a reason in Skip["foreign object"].
	Foreign func(t *testing.T, account connector.Account) (untouched func() bool)
	// Existing makes an account that nobody manages, under a new name. Nil needs
	// a reason in Skip["taking over an account"].
	Existing func(t *testing.T) Existing
	// FreeText names access fields whose text is for people or for a shell, so
	// that quotes and ../ are plain characters there, with the reason.
	FreeText map[string]string

	// Skip names cases that cannot hold for this kind, each with its reason in
	// words. An unknown name, or an empty reason, fails the suite.
	Skip map[string]string
}

// cases are all cases of the suite, in order. They run one after the other,
// because they compare fingerprints of the whole target.
var cases = []struct {
	name       string
	observable bool // it needs a kind that is not Unobservable
	run        func(*testing.T, *suite)
}{
	{"kind is sane", false, kindIsSane},
	{"hostile access is refused", false, hostileAccessIsRefused},
	{"hostile principal is refused", false, hostilePrincipalIsRefused},
	{"nothing before anything", false, nothingBeforeAnything},
	{"unobservable answers at once", false, unobservableAnswersAtOnce},
	{"life of an account", true, lifeOfAnAccount},
	{"prepared account is inert", true, preparedAccountIsInert},
	{"narrower access", true, narrowerAccess},
	{"revoke of something absent", true, revokeOfSomethingAbsent},
	{"revoke of a prepared account", true, revokeOfAPreparedAccount},
	{"revoke after a lost effect", true, revokeAfterALostEffect},
	{"another nonce cannot revoke", true, anotherNonceCannotRevoke},
	{"issue needs an active account", true, issueNeedsAnActiveAccount},
	{"issued credential ends in time", true, issuedCredentialEndsInTime},
	{"withdrawn credential", true, withdrawnCredential},
	{"foreign object", true, foreignObject},
	{"taking over an account", true, takeOver},
	{"survey", true, survey},
	{"clock", true, clock},
	{"unreachable system", true, unreachableSystem},
	{"cancelled context", true, cancelledContext},
	{"secrets stay out of errors", true, secretsStayOutOfErrors},
	{"many accounts keep their order", true, manyAccountsKeepTheirOrder},
}

// Run runs every case as a subtest. The caller may run it in parallel with
// other tests as long as nobody else changes the same system.
func Run(t *testing.T, setup Setup) {
	t.Helper()
	known := map[string]bool{}
	for _, c := range cases {
		known[c.name] = true
	}
	for name, reason := range setup.Skip {
		if !known[name] || reason == "" {
			t.Errorf("Skip[%q] names no case, or gives no reason", name)
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if reason, skipped := setup.Skip[c.name]; skipped {
				t.Skipf("not for %s: %s", setup.Kind.Name, reason)
			}
			if c.observable && setup.Kind.Unobservable {
				t.Skipf("not for %s: nothing of it can be observed", setup.Kind.Name)
			}
			c.run(t, &suite{Setup: setup})
		})
	}
}

// suite is the setup together with what the cases share.
type suite struct{ Setup }

// patience is how long the suite waits for any one thing.
const patience = time.Minute

// open opens the system and guards it.
func (s *suite) open(t *testing.T) connector.Connector {
	t.Helper()
	return s.openWith(t, s.Settings)
}

func (s *suite) openWith(t *testing.T, settings setting.Settings) connector.Connector {
	t.Helper()
	inner, err := s.Kind.Open(t.Context(), settings)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	guarded := connector.Checked(s.Kind, "suite", settings, inner, connector.WithDeadline(patience, time.Second))
	t.Cleanup(func() {
		if err := guarded.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return guarded
}

// account returns a new account that nothing is known of yet.
func (s *suite) account(t *testing.T) connector.Account {
	t.Helper()
	grant := nhi.ApprovalID("test/connectortest/ct-" + randomHex(t, 4) + ":default")
	const target = "box"
	now := time.Now().UTC().Truncate(time.Second)
	return connector.Account{
		Mark:      nhi.Mark{Ledger: "00000000000000000000000000000000", Grant: grant, Target: target, Nonce: randomHex(t, 16)},
		Principal: nhi.Principal(grant, target),
		Access:    s.Access(t),
		NotBefore: now,
		NotAfter:  now.Add(time.Hour),
	}
}

func randomHex(t *testing.T, n int) string {
	t.Helper()
	random := make([]byte, n)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(random)
}

// method is a method of the contract, for one account.
type method func(t *testing.T, account connector.Account) connector.Outcome

// effects returns the methods of c for one account each.
func effects(c connector.Connector) (prepare, enable, revoke, probe method) {
	one := func(outcomes []connector.Outcome) connector.Outcome {
		if len(outcomes) != 1 {
			return connector.Outcome{Err: fmt.Errorf("%d outcomes for one account", len(outcomes))}
		}
		return outcomes[0]
	}
	list := func(a connector.Account) []connector.Account { return []connector.Account{a} }
	prepare = func(t *testing.T, a connector.Account) connector.Outcome { return one(c.Prepare(t.Context(), list(a))) }
	enable = func(t *testing.T, a connector.Account) connector.Outcome { return one(c.Enable(t.Context(), list(a))) }
	revoke = func(t *testing.T, a connector.Account) connector.Outcome { return one(c.Revoke(t.Context(), list(a))) }
	probe = func(t *testing.T, a connector.Account) connector.Outcome { return one(c.Probe(t.Context(), list(a))) }
	return prepare, enable, revoke, probe
}

// must wants an outcome without error and in that state, and returns the
// account with the id and evidence that it brought.
func must(t *testing.T, what string, account connector.Account, outcome connector.Outcome, state connector.State) connector.Account {
	t.Helper()
	if outcome.Err != nil {
		t.Fatalf("%s: %v", what, outcome.Err)
	}
	if outcome.State != state {
		t.Fatalf("%s: state is %q, want %q (findings %q)", what, outcome.State, state, outcome.Findings)
	}
	if outcome.Principal != account.Principal {
		t.Fatalf("%s: answered about %q, want %q", what, outcome.Principal, account.Principal)
	}
	if state == connector.Inert || state == connector.Active {
		if outcome.ID == "" {
			t.Fatalf("%s: no id", what)
		}
		account.ID, account.Evidence = outcome.ID, outcome.Evidence
	}
	return account
}

// activate prepares and enables a new account.
func (s *suite) activate(t *testing.T, c connector.Connector) connector.Account {
	t.Helper()
	return s.enable(t, c, s.account(t))
}

func (s *suite) enable(t *testing.T, c connector.Connector, account connector.Account) connector.Account {
	t.Helper()
	prepare, enable, _, _ := effects(c)
	account = must(t, "prepare", account, prepare(t, account), connector.Inert)
	account.Enabled = true
	return must(t, "enable", account, enable(t, account), connector.Active)
}

// issue issues a credential where the kind issues any, else the zero one.
func (s *suite) issue(t *testing.T, c connector.Connector, account connector.Account) connector.Credential {
	t.Helper()
	issuer, ok := connector.IssuerOf(c)
	if !ok {
		return connector.Credential{}
	}
	credential, err := issuer.Issue(t.Context(), account, account.NotAfter, nil)
	if err != nil {
		t.Fatalf("issue: %v", err)
	}
	return credential
}

// observe reads one account alone.
func observe(t *testing.T, c connector.Connector, account connector.Account) connector.Observation {
	t.Helper()
	holdings, err := c.Read(t.Context(), []connector.Account{account})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	observation, err := connector.Look(holdings, account)
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	return observation
}

// unchanged runs what must not change anything on the target.
func (s *suite) unchanged(t *testing.T, what string, run func()) {
	t.Helper()
	before := s.Fingerprint(t)
	run()
	if after := s.Fingerprint(t); after != before {
		t.Errorf("%s changed the target:\nbefore %s\nafter  %s", what, before, after)
	}
}
