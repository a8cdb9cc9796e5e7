package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// width is how many accounts are looked at or changed at a time.
const width = 8

// cleanupTimeout bounds what is taken back after a failure.
const cleanupTimeout = 10 * time.Second

var (
	_ connector.Connector  = (*system)(nil)
	_ connector.Issuer     = (*system)(nil)
	_ connector.Timekeeper = (*system)(nil)
)

// system is one open Vault: a server, a namespace and an AppRole mount.
type system struct {
	at    address
	vault *vaulthttp.Client
	clock clock
}

// open reads the settings. Vault is not asked before the first use.
func open(settings setting.Settings, now func() time.Time) (connector.Connector, error) {
	at, err := parseAddress(settings)
	if err != nil {
		return nil, err
	}
	if err := vaulthttp.CheckToken(settings.Secrets[settingToken].Reveal()); err != nil {
		return nil, fmt.Errorf("%s %w", settingToken, err)
	}
	vault, err := vaulthttp.New(at.Address, settings.Secrets[settingToken], settings.Values.Text(settingCACert))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settingCACert, err)
	}
	return &system{at: at, vault: vault, clock: clock{local: now}}, nil
}

// Close ends idle connections.
func (s *system) Close() error {
	s.vault.Close()
	return nil
}

// mount is the AppRole auth mount, as far as it matters here.
type mount struct {
	Accessor string `json:"accessor"`
	Type     string `json:"type"`
}

// accessor names the AppRole mount in aliases. It is asked for each time,
// since another mount under the same path has another one.
func (s *system) accessor(ctx context.Context) (string, error) {
	path := "sys/internal/ui/mounts/auth/" + s.at.mount
	var found mount
	if err := s.vault.Read(ctx, path, &found); err != nil {
		return "", fmt.Errorf("look for the mount auth/%s: %w", s.at.mount, unreachable(err))
	}
	if found.Type != "approle" || checkID(found.Accessor) != nil {
		return "", fmt.Errorf("auth/%s is a mount of type %.40q and not approle: %w", s.at.mount, found.Type, nhi.ErrInvalid)
	}
	return found.Accessor, nil
}

// unreachable turns whatever was no clear answer about an account into
// nhi.ErrUnreachable. Errors of ours pass.
func unreachable(err error) error {
	if err == nil || isOurs(err) {
		return err
	}
	return fmt.Errorf("%w: %w", err, nhi.ErrUnreachable)
}

func isOurs(err error) bool {
	ours := []error{nhi.ErrInvalid, nhi.ErrForeign, nhi.ErrEnded, nhi.ErrUnconfirmed, nhi.ErrUnreachable, errStays}
	return slices.ContainsFunc(ours, func(sentinel error) bool { return errors.Is(err, sentinel) })
}

// errStays is behind an error that no retry of ours can mend: a person must
// change something in Vault first.
var errStays = errors.New("must be settled in Vault")

// each runs do for every account that can be told apart, a few at a time, and
// puts its error beside what it observed.
func each(ctx context.Context, accounts []connector.Account,
	do func(ctx context.Context, i int, account connector.Account) (connector.Observation, error),
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
				observation, err = do(ctx, i, account)
			}
			if observation.Principal == "" {
				observation.Principal, observation.ID = account.Principal, account.ID
			}
			outcomes[i] = connector.Outcome{Observation: observation, Err: unreachable(err)}
		})
	}
	all.Wait()
	return outcomes
}

// parallel runs do for 0 to n-1, at most limit at a time; the first error ends it.
func parallel(ctx context.Context, limit, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// checkAccount refuses an account that could not be told apart in Vault, before
// anything is sent. It does not look at the rest of the access: what can not be
// given any more can still be taken away. Errors are nhi.ErrInvalid.
func checkAccount(account connector.Account) error {
	if err := checkRoleName(account.Principal); err != nil {
		return err
	}
	if _, err := nhi.ParseMark(account.Mark.String()); err != nil {
		return fmt.Errorf("principal %s: %w", account.Principal, err)
	}
	if account.ID == "" {
		return nil
	}
	return checkID(account.ID)
}
