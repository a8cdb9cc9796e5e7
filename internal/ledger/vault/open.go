package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// patience bounds one request.
const patience = 30 * time.Second

// open looks whether the mount is what a ledger needs, and writes nothing: a
// mount is made by Vault's administrator.
func open(ctx context.Context, settings setting.Settings) (*Store, error) {
	p, err := placeOf(settings)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	token := settings.Secrets[settingToken]
	if err := vaulthttp.CheckToken(token.Reveal()); err != nil {
		return nil, fmt.Errorf("vault: %s %w", settingToken, err)
	}
	client, err := vaulthttp.New(p.at, token, settings.Values.Text(settingCACert))
	if err != nil {
		return nil, fmt.Errorf("vault: %s: %w", settingCACert, err)
	}
	s := &Store{vault: client, place: p, patience: patience}
	if err := s.check(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// check wants KV version 2. Version 1 has no check-and-set: there, a second
// writer would overwrite the first.
func (s *Store) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	var found struct {
		Path    string `json:"path"`
		Type    string `json:"type"`
		Options struct {
			Version string `json:"version"`
		} `json:"options"`
	}
	err := s.vault.Read(ctx, "sys/internal/ui/mounts/"+s.place.mount, &found)
	switch {
	case vaulthttp.Refused(err, 403, ""):
		return s.failed("open", fmt.Errorf("there is no such mount, or the token may do nothing in it: %w", err))
	case err != nil:
		return s.failed("open", err)
	case found.Path != s.place.mount+"/" || found.Type != "kv" || found.Options.Version != "2":
		return s.failed("open", fmt.Errorf("the mount is %.40q at %.200q, version %.10q, and a ledger needs kv, version 2: %w",
			found.Type, found.Path, found.Options.Version, nhi.ErrInvalid))
	default:
		return nil
	}
}
