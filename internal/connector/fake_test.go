package connector_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// fake is a connector whose answers a test decides. It keeps a count of what
// reached it.
type fake struct {
	read    func(context.Context, []connector.Account) (connector.Holdings, error)
	effect  func(context.Context, []connector.Account) []connector.Outcome
	close   func() error
	reached atomic.Int64
}

func (f *fake) Read(ctx context.Context, accounts []connector.Account) (connector.Holdings, error) {
	f.reached.Add(1)
	return f.read(ctx, accounts)
}

func (f *fake) call(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	f.reached.Add(1)
	return f.effect(ctx, accounts)
}

func (f *fake) Prepare(ctx context.Context, a []connector.Account) []connector.Outcome {
	return f.call(ctx, a)
}

func (f *fake) Enable(ctx context.Context, a []connector.Account) []connector.Outcome {
	return f.call(ctx, a)
}

func (f *fake) Revoke(ctx context.Context, a []connector.Account) []connector.Outcome {
	return f.call(ctx, a)
}

func (f *fake) Probe(ctx context.Context, a []connector.Account) []connector.Outcome {
	return f.call(ctx, a)
}

func (f *fake) Close() error {
	f.reached.Add(1)
	return f.close()
}

// fakeIssuer is a fake that issues.
type fakeIssuer struct {
	*fake
	issue     func(context.Context, connector.Account, time.Time) (connector.Credential, error)
	withdrawn atomic.Int64
}

func (f *fakeIssuer) Issue(ctx context.Context, account connector.Account, notAfter time.Time, _ nhi.Values) (connector.Credential, error) {
	f.reached.Add(1)
	return f.issue(ctx, account, notAfter)
}

func (f *fakeIssuer) Withdraw(context.Context, connector.Account, string) error {
	f.withdrawn.Add(1)
	return nil
}

// holdingsFunc answers with a function.
type holdingsFunc func(connector.Account) connector.Observation

func (f holdingsFunc) Of(account connector.Account) connector.Observation { return f(account) }

// in answers that every account is in that state.
func in(state connector.State) func(context.Context, []connector.Account) []connector.Outcome {
	return func(_ context.Context, accounts []connector.Account) []connector.Outcome {
		outcomes := make([]connector.Outcome, len(accounts))
		for i, account := range accounts {
			outcomes[i].Observation = connector.Observation{Principal: account.Principal, ID: "7", State: state, Verified: true}
		}
		return outcomes
	}
}

// saying answers with one outcome for every account.
func saying(change func(*connector.Outcome)) func(context.Context, []connector.Account) []connector.Outcome {
	return func(ctx context.Context, accounts []connector.Account) []connector.Outcome {
		outcomes := in(connector.Active)(ctx, accounts)
		for i := range outcomes {
			change(&outcomes[i])
		}
		return outcomes
	}
}

func accountOf(n int) connector.Account {
	grant := nhi.ApprovalID("test/team/etl" + strconv.Itoa(n) + ":default")
	return connector.Account{
		Mark:      nhi.Mark{Ledger: strings.Repeat("0", 32), Grant: grant, Target: "db", Nonce: strings.Repeat("a", 32)},
		Principal: nhi.Principal(grant, "db"),
	}
}

func accounts(n int) []connector.Account {
	list := make([]connector.Account, n)
	for i := range list {
		list[i] = accountOf(i)
	}
	return list
}

func guard(inner connector.Connector, options ...connector.Option) connector.Connector {
	kind := connector.Kind{Name: "fake", Credential: []setting.Field{{Name: "password"}}}
	return connector.Checked(kind, "orders", setting.Settings{}, inner, options...)
}

func enable(t *testing.T, c connector.Connector) connector.Outcome {
	t.Helper()
	outcomes := c.Enable(t.Context(), accounts(1))
	if len(outcomes) != 1 {
		t.Fatalf("%d outcomes for one account", len(outcomes))
	}
	return outcomes[0]
}

// await polls until done says true.
func await(t *testing.T, done func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		<-tick.C
	}
}
