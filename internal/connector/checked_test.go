package connector_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

func TestCheckedPassesThrough(t *testing.T) {
	t.Parallel()
	c := guard(&fake{effect: in(connector.Active)})
	list := accounts(20)
	for i, outcome := range c.Enable(t.Context(), list) {
		if outcome.Err != nil || outcome.Principal != list[i].Principal || outcome.State != connector.Active || !outcome.Verified || outcome.ID != "7" {
			t.Errorf("outcome %d: %+v", i, outcome)
		}
	}
}

func TestCheckedRefusesHostileAccounts(t *testing.T) {
	t.Parallel()
	inner := &fake{
		effect: in(connector.Active),
		read: func(context.Context, []connector.Account) (connector.Holdings, error) {
			return holdingsFunc(func(connector.Account) connector.Observation { return connector.Observation{} }), nil
		},
	}
	c := guard(inner)
	hostile := map[string]func(*connector.Account){
		"quote":         func(a *connector.Account) { a.Principal = `x"; drop role y; --` },
		"path":          func(a *connector.Account) { a.Principal = "../x" },
		"empty":         func(a *connector.Account) { a.Principal = "" },
		"over-long":     func(a *connector.Account) { a.Principal = strings.Repeat("x", 48) },
		"line break":    func(a *connector.Account) { a.Principal = "x\n" },
		"upper case":    func(a *connector.Account) { a.Principal = "Root" },
		"nonce":         func(a *connector.Account) { a.Mark.Nonce = "x" },
		"target":        func(a *connector.Account) { a.Mark.Target = "x y" },
		"grant":         func(a *connector.Account) { a.Mark.Grant = "x" },
		"ledger's line": func(a *connector.Account) { a.Mark.Ledger = strings.Repeat("0", 31) + "\n" },
	}
	for name, change := range hostile {
		account := accountOf(1)
		change(&account)
		list := []connector.Account{account}
		for verb, outcomes := range map[string][]connector.Outcome{
			"prepare": c.Prepare(t.Context(), list), "enable": c.Enable(t.Context(), list),
			"revoke": c.Revoke(t.Context(), list), "probe": c.Probe(t.Context(), list),
		} {
			if len(outcomes) != 1 || !errors.Is(outcomes[0].Err, nhi.ErrInvalid) {
				t.Errorf("%s: %s: %+v", name, verb, outcomes)
			}
		}
		if _, err := c.Read(t.Context(), list); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: read: %v", name, err)
		}
	}
	if n := inner.reached.Load(); n != 0 {
		t.Errorf("%d calls reached the connector", n)
	}
	// One bad account is its own outcome and never another's.
	mixed := accounts(3)
	mixed[1].Principal = "../x"
	outcomes := c.Enable(t.Context(), mixed)
	if outcomes[0].Err != nil || outcomes[2].Err != nil || outcomes[1].Err == nil || outcomes[2].Principal != mixed[2].Principal {
		t.Errorf("mixed: %+v", outcomes)
	}
}

func TestCheckedRejectsAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(context.Context, []connector.Account) []connector.Outcome
		want   error
	}{
		"none":              {func(context.Context, []connector.Account) []connector.Outcome { return nil }, nhi.ErrUnreachable},
		"too many":          {func(context.Context, []connector.Account) []connector.Outcome { return make([]connector.Outcome, 2) }, nhi.ErrUnreachable},
		"another principal": {saying(func(o *connector.Outcome) { o.Principal = "x" }), nhi.ErrUnreachable},
		"no principal":      {saying(func(o *connector.Outcome) { o.Principal = "" }), nhi.ErrUnreachable},
		"no state":          {saying(func(o *connector.Outcome) { o.State = "" }), nhi.ErrUnreachable},
		"absent":            {saying(func(o *connector.Outcome) { o.State = connector.Absent }), nhi.ErrUnreachable},
		"inert":             {saying(func(o *connector.Outcome) { o.State = connector.Inert }), nhi.ErrUnreachable},
		"unknown":           {saying(func(o *connector.Outcome) { o.State = connector.Unknown }), nhi.ErrUnreachable},
		"foreign":           {saying(func(o *connector.Outcome) { o.State = connector.Foreign }), nhi.ErrForeign},
		"endless evidence":  {saying(func(o *connector.Outcome) { o.Evidence = strings.Repeat("x", connector.MaxEvidence+1) }), nhi.ErrUnreachable},
		"panic":             {func(context.Context, []connector.Account) []connector.Outcome { panic("index out of range") }, nhi.ErrUnreachable},
		"foreign error":     {saying(func(o *connector.Outcome) { *o = connector.Outcome{Err: nhi.ErrForeign} }), nhi.ErrForeign},
		"wrong with error":  {saying(func(o *connector.Outcome) { o.Principal, o.Err = "x", nhi.ErrForeign }), nhi.ErrForeign},
	} {
		outcome := enable(t, guard(&fake{effect: c.answer}))
		if !errors.Is(outcome.Err, c.want) || !strings.HasPrefix(outcome.Err.Error(), "orders: ") {
			t.Errorf("%s: %v, want %v", name, outcome.Err, c.want)
		}
		if outcome.Principal != accountOf(0).Principal {
			t.Errorf("%s: outcome is about %q", name, outcome.Principal)
		}
	}
	full := enable(t, guard(&fake{effect: saying(func(o *connector.Outcome) { o.Evidence = strings.Repeat("x", connector.MaxEvidence) })}))
	if full.Err != nil {
		t.Errorf("evidence of the most allowed bytes: %v", full.Err)
	}
}

func TestCheckedComparesIDs(t *testing.T) {
	t.Parallel()
	account := accountOf(1)
	account.ID = "8"
	list := []connector.Account{account}
	for _, c := range []struct {
		state connector.State
		id    string
		want  error
	}{
		{connector.Active, "7", nhi.ErrUnreachable},
		{connector.Active, "8", nil},
		{connector.Active, "", nil},
		{connector.Foreign, "7", nhi.ErrForeign}, // that is what makes it foreign
	} {
		outcome := guard(&fake{effect: saying(func(o *connector.Outcome) { o.State, o.ID = c.state, c.id })}).Enable(t.Context(), list)[0]
		if !errors.Is(outcome.Err, c.want) {
			t.Errorf("%s with id %q: %v, want %v", c.state, c.id, outcome.Err, c.want)
		}
	}
}

// TestCheckedRevokeEndsInAbsent: only a positive "it is gone" is a removal.
func TestCheckedRevokeEndsInAbsent(t *testing.T) {
	t.Parallel()
	for state, want := range map[connector.State]error{
		connector.Absent: nil, connector.Inert: nhi.ErrUnconfirmed, connector.Active: nhi.ErrUnconfirmed,
		connector.Unknown: nhi.ErrUnconfirmed, "": nhi.ErrUnconfirmed, "gone": nhi.ErrUnconfirmed, connector.Foreign: nhi.ErrForeign,
	} {
		outcome := guard(&fake{effect: in(state)}).Revoke(t.Context(), accounts(1))[0]
		if !errors.Is(outcome.Err, want) {
			t.Errorf("revoke in %q: %v, want %v", state, outcome.Err, want)
		}
	}
	blind := connector.Checked(connector.Kind{Name: "external", Unobservable: true}, "", setting.Settings{}, &fake{effect: in(connector.Unknown)})
	outcome := blind.Revoke(t.Context(), accounts(1))[0]
	if outcome.Err != nil || outcome.State != connector.Unknown || outcome.Verified {
		t.Errorf("revoke where nothing is observed: %+v, want unknown and not verified", outcome)
	}
}

func TestCheckedBoundsLines(t *testing.T) {
	t.Parallel()
	many := make([]string, connector.MaxLines+500)
	for i := range many {
		many[i] = strings.Repeat("é", connector.MaxLine+1) + "\u202e\x1b[2J"
	}
	outcome := enable(t, guard(&fake{effect: saying(func(o *connector.Outcome) {
		o.Findings, o.Privileges = many, []string{"a\nb\x1b[31m\u202e\xff", strings.Repeat("x", connector.MaxLine)}
	})}))
	if len(outcome.Findings) != connector.MaxLines || outcome.Findings[connector.MaxLines-1] != "… and 501 more" {
		t.Errorf("%d findings, the last %q", len(outcome.Findings), outcome.Findings[len(outcome.Findings)-1])
	}
	if n := utf8.RuneCountInString(outcome.Findings[0]); n != connector.MaxLine {
		t.Errorf("a finding of %d runes", n)
	}
	if outcome.Privileges[0] != "a b [31m  " || len(outcome.Privileges[1]) != connector.MaxLine {
		t.Errorf("privileges %q", outcome.Privileges)
	}
}

func TestCheckedDeadline(t *testing.T) {
	t.Parallel()
	honours := func(ctx context.Context, _ []connector.Account) []connector.Outcome {
		<-ctx.Done()
		return saying(func(o *connector.Outcome) { o.Err = ctx.Err() })(ctx, accounts(1))
	}
	release := make(chan struct{})
	defer close(release)
	ignores := func(ctx context.Context, a []connector.Account) []connector.Outcome {
		<-release
		return in(connector.Active)(ctx, a)
	}
	for name, effect := range map[string]func(context.Context, []connector.Account) []connector.Outcome{"honours": honours, "ignores": ignores} {
		c := guard(&fake{effect: effect}, connector.WithDeadline(20*time.Millisecond, 0), connector.WithGrace(20*time.Millisecond))
		outcome := enable(t, c)
		if !errors.Is(outcome.Err, nhi.ErrUnreachable) || !errors.Is(outcome.Err, context.DeadlineExceeded) {
			t.Errorf("%s its context: %v, want ErrUnreachable", name, outcome.Err)
		}
	}
	var left time.Duration
	c := guard(&fake{effect: func(ctx context.Context, a []connector.Account) []connector.Outcome {
		end, _ := ctx.Deadline()
		left = time.Until(end)
		return in(connector.Active)(ctx, a)
	}}, connector.WithDeadline(time.Hour, time.Minute))
	c.Enable(t.Context(), accounts(30))
	if left < 89*time.Minute || left > 90*time.Minute {
		t.Errorf("30 accounts had %s, want an hour and 30 minutes", left)
	}
}

func TestCheckedCancelled(t *testing.T) {
	t.Parallel()
	inner := &fake{effect: in(connector.Active)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	outcome := guard(inner).Enable(ctx, accounts(1))[0]
	if !errors.Is(outcome.Err, context.Canceled) || !errors.Is(outcome.Err, nhi.ErrUnreachable) {
		t.Errorf("%v, want Canceled and ErrUnreachable", outcome.Err)
	}
	if inner.reached.Load() != 0 {
		t.Error("a cancelled call reached the connector")
	}
}

func TestCheckedHoldings(t *testing.T) {
	t.Parallel()
	account := accountOf(1)
	for name, c := range map[string]struct {
		answer func(connector.Account) connector.Observation
		good   bool
	}{
		"absent":            {func(a connector.Account) connector.Observation { return seen(a, connector.Absent) }, true},
		"foreign":           {func(a connector.Account) connector.Observation { return seen(a, connector.Foreign) }, true},
		"unknown":           {func(a connector.Account) connector.Observation { return seen(a, connector.Unknown) }, false},
		"another principal": {func(connector.Account) connector.Observation { return seen(accountOf(2), connector.Absent) }, false},
		"nothing":           {func(connector.Account) connector.Observation { return connector.Observation{} }, false},
		"panic":             {func(connector.Account) connector.Observation { panic("nil map") }, false},
	} {
		read, err := guard(&fake{read: func(context.Context, []connector.Account) (connector.Holdings, error) {
			return holdingsFunc(c.answer), nil
		}}).Read(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		observation, err := connector.Look(read, account)
		if (err == nil) != c.good || err != nil && !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("%s: %+v, %v", name, observation, err)
		}
		if plain := read.Of(account); !c.good && (plain.State != "" || plain.Principal != account.Principal) {
			t.Errorf("%s: Of says %+v, and the answer was rejected", name, plain)
		}
	}
	nothing := guard(&fake{read: func(context.Context, []connector.Account) (connector.Holdings, error) { return nil, nil }})
	if _, err := nothing.Read(t.Context(), nil); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("no holdings and no error: %v", err)
	}
}

func seen(account connector.Account, state connector.State) connector.Observation {
	return connector.Observation{Principal: account.Principal, State: state}
}

func TestCheckedClosesOnce(t *testing.T) {
	t.Parallel()
	inner := &fake{close: func() error { return errors.New("already closed") }}
	c := guard(inner)
	first, second := c.Close(), c.Close()
	if first == nil || second == nil || inner.reached.Load() != 1 {
		t.Errorf("closed %d times: %v, %v", inner.reached.Load(), first, second)
	}
}
