package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/pgurl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

var (
	_ connector.Connector  = (*system)(nil)
	_ connector.Issuer     = (*system)(nil)
	_ connector.Adopter    = (*system)(nil)
	_ connector.Surveyor   = (*system)(nil)
	_ connector.Timekeeper = (*system)(nil)
)

// poolSize is the most connections that one system takes.
const poolSize = 4

// system is one open PostgreSQL.
type system struct {
	at   pgurl.URL
	pool *pgxpool.Pool
	heir string // the role that gets what ours own; empty for none
}

// open prepares the pool. Nothing is dialled before the first use.
func open(ctx context.Context, settings setting.Settings) (connector.Connector, error) {
	at, err := settingsAddress(settings)
	if err != nil {
		return nil, err
	}
	config, err := at.PoolConfig(poolSize)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", nhi.ErrInvalid)
	}
	return &system{at: at, pool: pool, heir: settings.Values.Text(settingHeir)}, nil
}

// Close ends all connections.
func (s *system) Close() error {
	s.pool.Close()
	return nil
}

// Time returns the server's time, also of a standby.
func (s *system) Time(ctx context.Context) (now time.Time, err error) {
	if err = s.pool.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&now); err != nil {
		return time.Time{}, unreachable(ctx, "ask for the time", err)
	}
	return now, nil
}

// Read observes the accounts, or everything for nil, in one transaction of
// two reads.
func (s *system) Read(ctx context.Context, accounts []connector.Account) (connector.Holdings, error) {
	for _, account := range accounts {
		if err := checkAccount(account); err != nil {
			return nil, err
		}
	}
	return s.look(ctx, accounts)
}

// each runs do for every account, at most width at a time, and puts its error
// beside what it observed.
func each(ctx context.Context, width int, accounts []connector.Account,
	do func(context.Context, connector.Account) (connector.Observation, error),
) []connector.Outcome {
	outcomes := make([]connector.Outcome, len(accounts))
	places := make(chan struct{}, width)
	var all sync.WaitGroup
	for i, account := range accounts {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			observation, err := connector.Observation{}, checkAccount(account)
			if err == nil {
				observation, err = do(ctx, account)
			}
			if observation.Principal == "" {
				observation.Principal, observation.ID = account.Principal, account.ID
			}
			outcomes[i] = connector.Outcome{Observation: observation, Err: err}
		})
	}
	all.Wait()
	return outcomes
}

// checkAccount refuses an account that could not be told apart on the server,
// before anything is sent. It does not look at the access: what can not be
// given any more can still be taken away. Errors are nhi.ErrInvalid.
func checkAccount(account connector.Account) error {
	if err := checkRoleName(account.Principal); err != nil {
		return err
	}
	if reserved(account.Principal) {
		return fmt.Errorf("principal %s: PostgreSQL keeps names that start with pg_ for itself: %w", account.Principal, nhi.ErrInvalid)
	}
	if _, err := nhi.ParseMark(account.Mark.String()); err != nil {
		return fmt.Errorf("principal %s: %w", account.Principal, err)
	}
	if _, err := accountOID(account); err != nil {
		return err
	}
	return nil
}
