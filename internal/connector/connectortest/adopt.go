package connectortest

import (
	"errors"
	"slices"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Existing is an account that nobody manages yet. It has a password, or
// whatever its user logs in with, and more privileges than its access asks for.
type Existing struct {
	Name string
	// Access takes it over. At its end the account is shut and kept, or removed.
	Access func(disable bool) nhi.Values
	// Works asks the target whether its user gets in with what they always had.
	Works func(t *testing.T) bool
	// Excess asks the target whether its user can do what Access does not give.
	Excess func(t *testing.T) bool
	// Fingerprint is a digest of what Release puts back. Two of one state are
	// alike, whatever else the target holds.
	Fingerprint func(t *testing.T) string
	// Replace removes the account and makes another one under its name.
	Replace func(t *testing.T)
	// Mark puts a mark where this kind has them, as somebody would by hand.
	Mark func(t *testing.T, mark nhi.Mark)
}

// takeovers are what happens to an existing account. Each gets one of its own.
var takeovers = []struct {
	name string
	run  func(*testing.T, *takeover)
}{
	{"appraised", appraised},
	{"works until it is enabled", worksUntilEnabled},
	{"shut at the end", shutAtTheEnd},
	{"removed at the end", removedAtTheEnd},
	{"issues", adoptedIssues},
	{"given back", givenBack},
	{"left in peace", leftInPeace},
	{"prepared and not recorded", preparedAndNotRecorded},
	{"another's mark", anothersMark},
	{"replaced before it is prepared", replacedBeforePrepare},
	{"replaced under a copied mark", replacedUnderACopiedMark},
}

// takeover is one existing account and an open system.
type takeover struct {
	*suite
	Existing
	c       connector.Connector
	adopter connector.Adopter
}

func takeOver(t *testing.T, s *suite) {
	if s.Existing == nil {
		t.Fatal(`Setup.Existing is nil, and Skip["taking over an account"] gives no reason`)
	}
	c := s.open(t)
	adopter, can := connector.AdopterOf(c)
	if !can || s.Kind.Adopts == nil {
		t.Fatal("a kind that takes accounts over is an Adopter and has Adopts")
	}
	for _, one := range takeovers {
		t.Run(one.name, func(t *testing.T) {
			one.run(t, &takeover{suite: s, Existing: s.Existing(t), c: c, adopter: adopter})
		})
	}
}

// account is the existing account as the lifecycle would have it taken over.
func (o *takeover) account(t *testing.T, disable bool) connector.Account {
	t.Helper()
	account := o.suite.account(t)
	account.Access = o.Access(disable)
	account.Principal = o.Kind.Principal(account.Mark.Grant, account.Mark.Target, account.Access)
	sighting, err := o.adopter.Appraise(t.Context(), o.Name)
	if err != nil {
		t.Fatalf("appraise: %v", err)
	}
	account.ID = sighting.ID
	return account
}

// take prepares and enables the existing account.
func (o *takeover) take(t *testing.T, account connector.Account) connector.Account {
	t.Helper()
	prepare, enable, _, _ := effects(o.c)
	account = must(t, "prepare", account, prepare(t, account), connector.Active)
	account.Enabled = true
	return must(t, "enable", account, enable(t, account), connector.Active)
}

func (o *takeover) release(t *testing.T, account connector.Account) connector.Outcome {
	t.Helper()
	outcomes := o.adopter.Release(t.Context(), []connector.Account{account})
	if len(outcomes) != 1 {
		t.Fatalf("release: %d outcomes for one account", len(outcomes))
	}
	return outcomes[0]
}

// wants asks the target what the account's user can do.
func (o *takeover) wants(t *testing.T, when string, works, excess bool) {
	t.Helper()
	if got := o.Works(t); got != works {
		t.Errorf("%s: its user gets in: %v, want %v", when, got, works)
	}
	if got := o.Excess(t); got != excess {
		t.Errorf("%s: its user has more than approved: %v, want %v", when, got, excess)
	}
}

func appraised(t *testing.T, o *takeover) {
	o.unchanged(t, "an appraisal", func() {
		seen, err := o.adopter.Appraise(t.Context(), o.Name)
		if err != nil {
			t.Fatal(err)
		}
		if seen.ID == "" || seen.Mark != (nhi.Mark{}) || !slices.IsSorted(seen.Privileges) {
			t.Errorf("appraised as %+v", seen)
		}
		for _, privilege := range o.Kind.Privileges(o.Access(true)) {
			if !slices.Contains(seen.Privileges, privilege) {
				t.Errorf("%q is held and not in %q", privilege, seen.Privileges)
			}
		}
		if len(seen.Privileges) <= len(o.Kind.Privileges(o.Access(true))) {
			t.Errorf("it holds more than is approved, and the appraisal says %q", seen.Privileges)
		}
		if seen.Access == nil || o.Kind.Adoption(seen.Access) != (connector.Adoption{Name: o.Name, Disable: true}) {
			t.Fatalf("the access that takes it over is %v", seen.Access)
		}
		checkAccessValues(t, o.Kind, seen.Access)
		if _, err := o.adopter.Appraise(t.Context(), "no-such-account"); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("appraise of nobody: %v, want ErrInvalid", err)
		}
	})
}

func worksUntilEnabled(t *testing.T, o *takeover) {
	prepare, enable, _, _ := effects(o.c)
	account := o.account(t, true)
	account = must(t, "prepare", account, prepare(t, account), connector.Active)
	o.unchanged(t, "the second prepare", func() {
		account = must(t, "prepare again", account, prepare(t, account), connector.Active)
	})
	if seen := observe(t, o.c, account); seen.State != connector.Active || len(seen.Findings) > 0 {
		t.Errorf("prepared: %q with findings %q, want active without", seen.State, seen.Findings)
	}
	o.wants(t, "prepared", true, true)
	account.Enabled = true
	want := o.Kind.Privileges(account.Access)
	outcome := enable(t, account)
	account = must(t, "enable", account, outcome, connector.Active)
	if !slices.Equal(outcome.Privileges, want) || len(outcome.Findings) > 0 {
		t.Errorf("enabled: %q with findings %q, want %q", outcome.Privileges, outcome.Findings, want)
	}
	o.wants(t, "enabled", true, false)
	o.checkActive(t, o.c, account, want)
	o.unchanged(t, "the second enable", func() {
		account = must(t, "enable again", account, enable(t, account), connector.Active)
	})
	if _, err := o.adopter.Appraise(t.Context(), o.Name); !errors.Is(err, nhi.ErrForeign) {
		t.Errorf("appraise of an account that was taken over: %v, want ErrForeign", err)
	}
}

func shutAtTheEnd(t *testing.T, o *takeover) {
	_, _, revoke, probe := effects(o.c)
	account := o.take(t, o.account(t, true))
	for _, what := range []string{"revoke", "revoke again"} {
		outcome := revoke(t, account)
		must(t, what, account, outcome, connector.Released)
		if !outcome.Verified {
			t.Errorf("%s: shut and not verified", what)
		}
		o.wants(t, what, false, false)
	}
	o.unchanged(t, "the third revoke", func() { must(t, "revoke", account, revoke(t, account), connector.Released) })
	if outcome := probe(t, account); outcome.Err != nil || outcome.State == connector.Active {
		t.Errorf("probe of a shut account: %q, %v", outcome.State, outcome.Err)
	}
	if seen, err := o.adopter.Appraise(t.Context(), o.Name); err != nil || seen.ID != account.ID {
		t.Errorf("a shut account cannot be taken over again: %+v, %v", seen, err)
	}
}

func removedAtTheEnd(t *testing.T, o *takeover) {
	account := o.take(t, o.account(t, false))
	o.wants(t, "enabled", true, false)
	_, _, revoke, _ := effects(o.c)
	outcome := revoke(t, account)
	must(t, "revoke", account, outcome, connector.Absent)
	if !outcome.Verified {
		t.Error("removed and not verified")
	}
	o.wants(t, "removed", false, false)
	o.unchanged(t, "the second revoke", func() { must(t, "revoke again", account, revoke(t, account), connector.Absent) })
	if _, err := o.adopter.Appraise(t.Context(), o.Name); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("appraise of a removed account: %v, want ErrInvalid", err)
	}
}

func adoptedIssues(t *testing.T, o *takeover) {
	o.mustIssue(t, o.c)
	account := o.take(t, o.account(t, true))
	credential := o.issue(t, o.c, account)
	if !o.suite.Works(t, account, credential) {
		t.Error("a credential of an account that was taken over does not work")
	}
	_, _, revoke, _ := effects(o.c)
	must(t, "revoke", account, revoke(t, account), connector.Released)
	if o.suite.Works(t, account, credential) {
		t.Error("a credential works after its account was shut")
	}
}

// givenBack: a failed activation is undone, wherever it stopped.
func givenBack(t *testing.T, o *takeover) {
	prepare, enable, _, _ := effects(o.c)
	before := o.Fingerprint(t)
	for _, enabled := range []bool{false, true} {
		account := o.account(t, false)
		account = must(t, "prepare", account, prepare(t, account), connector.Active)
		if enabled {
			account.Enabled = true
			account = must(t, "enable", account, enable(t, account), connector.Active)
		}
		outcome := o.release(t, account)
		must(t, "release", account, outcome, connector.Released)
		if after := o.Fingerprint(t); after != before || len(outcome.Findings) > 0 {
			t.Errorf("enabled %v: given back with findings %q\nbefore %s\nafter  %s", enabled, outcome.Findings, before, after)
		}
		o.wants(t, "given back", true, true)
		o.unchanged(t, "the second release", func() {
			must(t, "release again", account, o.release(t, account), connector.Released)
		})
	}
}

// leftInPeace: an intent that was never carried out touches nothing.
func leftInPeace(t *testing.T, o *takeover) {
	_, _, revoke, _ := effects(o.c)
	o.unchanged(t, "the end of an intent that was never carried out", func() {
		account := o.account(t, true)
		must(t, "release", account, o.release(t, account), connector.Released)
		must(t, "revoke", account, revoke(t, account), connector.Released)
		account = o.account(t, false)
		must(t, "release", account, o.release(t, account), connector.Released)
		if outcome := revoke(t, account); outcome.State == connector.Absent {
			t.Errorf("revoke of an account that stands: %q", outcome.State)
		}
	})
	o.wants(t, "left in peace", true, true)
}

// preparedAndNotRecorded: the run was killed after Prepare.
func preparedAndNotRecorded(t *testing.T, o *takeover) {
	prepare, _, revoke, _ := effects(o.c)
	account := o.account(t, true)
	must(t, "prepare", account, prepare(t, account), connector.Active)
	again := o.take(t, account)
	o.wants(t, "enabled", true, false)
	must(t, "revoke", again, revoke(t, account), connector.Released)
	o.wants(t, "shut", false, false)
}
