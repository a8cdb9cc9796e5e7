// Package external is the connector for access that is on no system of ours:
// approval, expiry and `active` are all there is to it. Nothing is done
// anywhere and nothing can be seen, so every answer is Unknown and none is
// verified.
package external

import (
	"context"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

const accessDescription = "description"

// Kind describes external access.
func Kind() connector.Kind {
	return connector.Kind{
		Name:        nhi.KindExternal,
		Description: "Access that somebody else gives: approval, expiry and `active` are the point. Nothing is done or checked on any system.",
		Access: []setting.Field{{
			Name: accessDescription, Type: setting.String, Required: true, Check: nhi.CheckText,
			Description: "What the access is, in words that an approver understands.",
		}},
		Privileges:   func(access nhi.Values) []string { return []string{access.Text(accessDescription)} },
		EnforcedBy:   connector.EnforcedByApply,
		Unobservable: true,
		Open: func(context.Context, setting.Settings) (connector.Connector, error) {
			return nowhere{}, nil
		},
	}
}

var _ connector.Connector = nowhere{}

// nowhere is the system that is none.
type nowhere struct{}

// Of implements connector.Holdings.
func (nowhere) Of(account connector.Account) connector.Observation {
	return connector.Observation{Principal: account.Principal, ID: account.ID, State: connector.Unknown, EnforcedBy: connector.EnforcedByApply}
}

// Read implements connector.Connector: there is nothing to read.
func (n nowhere) Read(ctx context.Context, _ []connector.Account) (connector.Holdings, error) {
	return n, ctx.Err()
}

// Prepare implements connector.Connector: there is nothing to do.
func (n nowhere) Prepare(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return n.unknown(ctx, accounts)
}

// Enable implements connector.Connector: there is nothing to do.
func (n nowhere) Enable(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return n.unknown(ctx, accounts)
}

// Revoke implements connector.Connector: there is nothing to do.
func (n nowhere) Revoke(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return n.unknown(ctx, accounts)
}

// Probe implements connector.Connector: there is no way to try.
func (n nowhere) Probe(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	return n.unknown(ctx, accounts)
}

// Close implements connector.Connector.
func (nowhere) Close() error { return nil }

func (n nowhere) unknown(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(accounts))
	for i, account := range accounts {
		outcomes[i] = connector.Outcome{Observation: n.Of(account), Err: ctx.Err()}
	}
	return outcomes
}
