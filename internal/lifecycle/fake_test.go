package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// journal is what happened in a world, in order: entries that the store took
// and calls that systems got.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// having returns the lines that start with one of the prefixes.
func (j *journal) having(prefixes ...string) []string {
	return slices.DeleteFunc(j.all(), func(line string) bool {
		return !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(line, prefix) })
	})
}

// trouble is what goes wrong with one call.
type trouble string

const (
	fails   trouble = "fails"   // nothing is done, and the answer is an error
	lost    trouble = "lost"    // it is done, and the answer never comes
	garbage trouble = "garbage" // it is done, and the answer is about something else
	refused trouble = "refused" // a probe finds the door shut
)

// object is an account as a fake system holds it.
type object struct {
	id, mark   string
	enabled    bool
	privileges []string
	end        time.Time
}

// fakeSystem holds accounts, and keeps a log of what it was asked. It stands
// for all connections to one system.
type fakeSystem struct {
	name string
	log  *journal

	mu      sync.Mutex
	fixed   bool // accounts are told apart by their nonce, and never change
	objects map[string]*object
	last    int
	issued  map[string]string // mark by handle
	clock   func() time.Time  // what it tells; nil where it tells nothing
	// meet says what goes wrong with a call, by its verb and principal.
	meet func(verb, principal string) trouble
}

var errFake = errors.New("the fake fails on purpose")

// nameOf is what tells the object of an account apart.
func (f *fakeSystem) nameOf(a connector.Account) string {
	if f.fixed {
		return a.Principal + " " + a.Mark.Nonce
	}
	return a.Principal
}

// find returns the object in the account's place, and whether it is ours.
func (f *fakeSystem) find(a connector.Account) (found *object, ours bool) {
	o := f.objects[f.nameOf(a)]
	if o == nil {
		return nil, false
	}
	return o, o.mark == a.Mark.String() && (a.ID == "" || a.ID == o.id)
}

// foundAs begins the evidence of an account that was taken over.
const foundAs = "found: "

// takenOver says whether an account was there before us.
func takenOver(a connector.Account) bool { return a.Access.Text("adopt") != "" }

func (f *fakeSystem) observe(a connector.Account) connector.Observation {
	seen := connector.Observation{Principal: a.Principal, Verified: true, EnforcedBy: connector.EnforcedByApply}
	o, ours := f.find(a)
	switch {
	case o == nil:
		seen.State = connector.Absent
		return seen
	case !ours:
		seen.State, seen.ID = connector.Foreign, o.id
		return seen
	}
	seen.ID, seen.Privileges, seen.NotAfter, seen.State = o.id, o.privileges, o.end, connector.Inert
	if !o.enabled && len(o.privileges) == 0 {
		return seen
	}
	seen.State = connector.Active
	approved := a.Access.Items("roles")
	for _, role := range o.privileges {
		if !slices.Contains(approved, role) {
			seen.Findings = append(seen.Findings, "role "+role+" was added by hand")
		}
	}
	for _, role := range approved {
		if !slices.Contains(o.privileges, role) {
			seen.Findings = append(seen.Findings, "role "+role+" was removed by hand")
		}
	}
	if !o.end.Equal(a.NotAfter) {
		seen.Findings = append(seen.Findings, "the end date was moved by hand")
	}
	return seen
}

// act carries out one verb on one account.
func (f *fakeSystem) act(verb string, a connector.Account) connector.Outcome {
	o, ours := f.find(a)
	if takenOver(a) && o != nil && o.mark == "" && o.id == a.ID && (verb == "prepare" || verb == "release" || verb == "revoke") {
		if verb != "prepare" {
			return f.released(a, o)
		}
		o.mark, ours = a.Mark.String(), true
	}
	foreign := o != nil && !ours
	switch {
	case foreign:
		return connector.Outcome{Observation: f.observe(a), Err: fmt.Errorf("%s: %w", a.Principal, nhi.ErrForeign)}
	case verb == "release" && o != nil && a.Evidence == "" && a.Enabled:
		return connector.Outcome{Observation: f.observe(a), Err: fmt.Errorf("%s: how it was found is not known: %w", a.Principal, nhi.ErrUnconfirmed)}
	case verb == "release" && o != nil:
		if was, known := strings.CutPrefix(a.Evidence, foundAs); known {
			o.privileges = strings.Fields(was)
		}
		o.mark = ""
		return f.released(a, o)
	case verb == "prepare" && ours && takenOver(a):
		outcome := connector.Outcome{Observation: f.observe(a)}
		if outcome.Evidence = a.Evidence; outcome.Evidence == "" {
			outcome.Evidence = foundAs + strings.Join(o.privileges, " ")
		}
		return outcome
	case verb == "revoke" && o != nil && a.Access.Text("on_revoke") == "disable":
		o.mark, o.enabled, o.privileges = "", false, nil
		return f.released(a, o)
	case verb == "revoke":
		delete(f.objects, f.nameOf(a))
		maps.DeleteFunc(f.issued, func(_, mark string) bool { return mark == a.Mark.String() })
	case verb == "prepare" && o == nil && a.ID != "":
		return connector.Outcome{Observation: f.observe(a), Err: fmt.Errorf("%s: it was there and is gone", a.Principal)}
	case verb == "prepare" && o == nil:
		f.last++
		f.objects[f.nameOf(a)] = &object{id: fmt.Sprintf("%s-%d", f.name, f.last), mark: a.Mark.String()}
	case verb == "prepare" && !f.fixed && !takenOver(a):
		o.enabled, o.privileges = false, nil
	case verb == "enable" && o == nil:
		return connector.Outcome{Observation: f.observe(a), Err: fmt.Errorf("%s: prepare it first", a.Principal)}
	case verb == "enable" && !(f.fixed && o.enabled):
		o.enabled, o.privileges, o.end = true, a.Access.Items("roles"), a.NotAfter
	}
	return connector.Outcome{Observation: f.observe(a)}
}

func (f *fakeSystem) released(a connector.Account, o *object) connector.Outcome {
	return connector.Outcome{Observation: connector.Observation{Principal: a.Principal, ID: o.id, State: connector.Released, Verified: true}}
}

// call carries out one verb on all accounts, with what goes wrong on the way.
func (f *fakeSystem) call(verb string, accounts []connector.Account) []connector.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	outcomes := make([]connector.Outcome, len(accounts))
	for i, a := range accounts {
		f.log.add("%s %s", verb, f.name)
		var bad trouble
		if f.meet != nil {
			bad = f.meet(verb, a.Principal)
		}
		if bad != fails {
			if verb == "probe" {
				outcomes[i] = connector.Outcome{Observation: f.probe(a)}
			} else {
				outcomes[i] = f.act(verb, a)
			}
		}
		switch bad {
		case fails:
			outcomes[i] = connector.Outcome{Err: errFake}
		case lost:
			outcomes[i] = connector.Outcome{Err: fmt.Errorf("the answer is lost: %w", nhi.ErrUnreachable)}
		case refused:
			outcomes[i].State = connector.Absent
		case garbage:
			outcomes[i] = connector.Outcome{Observation: connector.Observation{Principal: "somebody-else", State: connector.Absent, Verified: true}}
		}
	}
	return outcomes
}

func (f *fakeSystem) probe(a connector.Account) connector.Observation {
	seen := f.observe(a)
	if seen.State != connector.Active {
		seen.State = connector.Absent
	}
	seen.Findings = nil
	return seen
}

// change lets a hand change an object from outside.
func (f *fakeSystem) change(do func(objects map[string]*object)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f.objects)
}

// trip makes calls of one verb go wrong, the first n of them; all for n < 0.
func (f *fakeSystem) trip(verb string, bad trouble, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meet = func(called, _ string) trouble {
		if called != verb || n == 0 {
			return ""
		}
		n--
		return bad
	}
}

// mend ends all trouble.
func (f *fakeSystem) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meet = nil
}

// fakeConnection is one engine's connection to a fake system. It dies with
// its engine.
type fakeConnection struct {
	*fakeSystem
	life *life
}

var (
	_ connector.Connector  = (*fakeConnection)(nil)
	_ connector.Issuer     = (*fakeConnection)(nil)
	_ connector.Adopter    = (*fakeConnection)(nil)
	_ connector.Timekeeper = (*fakeConnection)(nil)
)

// fakeHoldings answers for one system.
type fakeHoldings struct{ *fakeSystem }

// Of implements connector.Holdings.
func (h fakeHoldings) Of(a connector.Account) connector.Observation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.observe(a)
}

// Read implements connector.Connector.
func (c *fakeConnection) Read(ctx context.Context, accounts []connector.Account) (connector.Holdings, error) {
	if c.life.dead() {
		return nil, errDead
	}
	c.log.add("read %s", c.name)
	c.mu.Lock()
	meet := c.meet
	c.mu.Unlock()
	if meet != nil {
		for _, a := range append(accounts, connector.Account{}) {
			if meet("read", a.Principal) != "" {
				return nil, errFake
			}
		}
	}
	return fakeHoldings{c.fakeSystem}, ctx.Err()
}

func (c *fakeConnection) do(ctx context.Context, verb string, accounts []connector.Account) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(accounts))
	err := c.life.step(verb+" "+c.name, func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		outcomes = c.call(verb, accounts)
		return nil
	})
	if err != nil {
		for i := range outcomes {
			outcomes[i] = connector.Outcome{Err: err}
		}
	}
	return outcomes
}

// Prepare implements connector.Connector.
func (c *fakeConnection) Prepare(ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.do(ctx, "prepare", a)
}

// Enable implements connector.Connector.
func (c *fakeConnection) Enable(ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.do(ctx, "enable", a)
}

// Revoke implements connector.Connector.
func (c *fakeConnection) Revoke(ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.do(ctx, "revoke", a)
}

// Time implements connector.Timekeeper.
func (c *fakeConnection) Time(context.Context) (time.Time, error) {
	if c.life.dead() || c.clock == nil {
		return time.Time{}, errFake
	}
	return c.clock(), nil
}

// Release implements connector.Adopter.
func (c *fakeConnection) Release(ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.do(ctx, "release", a)
}

// Appraise implements connector.Adopter.
func (c *fakeConnection) Appraise(_ context.Context, name string) (connector.Sighting, error) {
	c.log.add("appraise %s", c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[name]
	switch {
	case c.meet != nil && c.meet("appraise", name) != "":
		return connector.Sighting{}, errFake
	case o == nil:
		return connector.Sighting{}, fmt.Errorf("there is no %s: %w", name, nhi.ErrInvalid)
	case o.mark != "":
		return connector.Sighting{}, fmt.Errorf("%s is taken: %w", name, nhi.ErrForeign)
	}
	return connector.Sighting{Principal: name, ID: o.id, Privileges: o.privileges}, nil
}

// Probe implements connector.Connector.
func (c *fakeConnection) Probe(ctx context.Context, a []connector.Account) []connector.Outcome {
	return c.do(ctx, "probe", a)
}

// Close implements connector.Connector.
func (c *fakeConnection) Close() error { return nil }

// Issue implements connector.Issuer.
func (c *fakeConnection) Issue(_ context.Context, a connector.Account, notAfter time.Time, _ nhi.Values) (connector.Credential, error) {
	c.log.add("issue %s", c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meet != nil && c.meet("issue", a.Principal) != "" {
		return connector.Credential{}, errFake
	}
	if c.observe(a).State != connector.Active {
		return connector.Credential{}, fmt.Errorf("%s is not active: %w", a.Principal, nhi.ErrEnded)
	}
	c.last++
	handle := fmt.Sprintf("credential-%d", c.last)
	c.issued[handle] = a.Mark.String()
	return connector.Credential{Handle: handle, Values: map[string]nhi.Secret{"password": nhi.NewSecret("hunter2")}, ExpiresAt: notAfter}, nil
}

// Withdraw implements connector.Issuer.
func (c *fakeConnection) Withdraw(_ context.Context, _ connector.Account, handle string) error {
	c.log.add("withdraw %s", c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.issued, handle)
	return nil
}

// blindConnection is a system of which nothing can be seen.
type blindConnection struct{ *fakeConnection }

type blindHoldings struct{}

// Of implements connector.Holdings.
func (blindHoldings) Of(a connector.Account) connector.Observation {
	return connector.Observation{Principal: a.Principal, ID: a.ID, State: connector.Unknown}
}

// Read implements connector.Connector.
func (c blindConnection) Read(context.Context, []connector.Account) (connector.Holdings, error) {
	return blindHoldings{}, nil
}

func (c blindConnection) unknown(verb string, accounts []connector.Account) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(accounts))
	for i, a := range accounts {
		c.log.add("%s %s", verb, c.name)
		outcomes[i].Observation = blindHoldings{}.Of(a)
	}
	return outcomes
}

// Prepare implements connector.Connector.
func (c blindConnection) Prepare(_ context.Context, a []connector.Account) []connector.Outcome {
	return c.unknown("prepare", a)
}

// Enable implements connector.Connector.
func (c blindConnection) Enable(_ context.Context, a []connector.Account) []connector.Outcome {
	return c.unknown("enable", a)
}

// Revoke implements connector.Connector.
func (c blindConnection) Revoke(_ context.Context, a []connector.Account) []connector.Outcome {
	return c.unknown("revoke", a)
}

// Probe implements connector.Connector.
func (c blindConnection) Probe(_ context.Context, a []connector.Account) []connector.Outcome {
	return c.unknown("probe", a)
}
