package vault

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// countedUses is how often a secret id may be used. It is far more than any
// machine logs in; what matters is that Vault counts, so that of one that was
// never used nobody has to look for tokens.
const countedUses = 1_000_000

// secretID is a secret id, without the secret itself.
type secretID struct {
	Accessor string            `json:"secret_id_accessor"`
	Metadata map[string]string `json:"metadata"`
	Uses     json.Number       `json:"secret_id_num_uses"`
	Created  time.Time         `json:"creation_time"`
	Expires  time.Time         `json:"expiration_time"` // zero: never
}

// tag is what a secret id of ours carries, and each token that comes from it:
// the mark's nonce, and what tells it from the others.
func (id secretID) tag() string { return id.Metadata[metaMark] }

// ours says whether it was issued for the account, under this very mark.
func (id secretID) ours(account connector.Account) bool {
	return strings.HasPrefix(id.tag(), account.Mark.Nonce+"-")
}

// outlives says whether it can be used after the end.
func (id secretID) outlives(end time.Time) bool { return id.Expires.IsZero() || id.Expires.After(end) }

// secretIDs returns the secret ids of an AppRole that is there.
func (s *system) secretIDs(ctx context.Context, role string) ([]secretID, error) {
	accessors, err := s.vault.List(ctx, s.rolePath(role)+"/secret-id", nil)
	if err != nil {
		return nil, err
	}
	slices.Sort(accessors)
	found := make([]secretID, len(accessors))
	kept := make([]bool, len(accessors))
	err = parallel(ctx, width, len(accessors), func(ctx context.Context, i int) error {
		one, err := s.secretID(ctx, role, accessors[i])
		if err == nil && one != nil {
			found[i], kept[i] = *one, true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []secretID
	for i := range found {
		if kept[i] {
			all = append(all, found[i])
		}
	}
	return all, nil
}

// secretID returns one secret id, or nil where it is gone.
func (s *system) secretID(ctx context.Context, role, accessor string) (*secretID, error) {
	path := s.rolePath(role) + "/secret-id-accessor/lookup"
	var one secretID
	err := s.vault.Ask(ctx, path, map[string]string{"secret_id_accessor": accessor}, &one)
	switch {
	case vaulthttp.Refused(err, 404, "failed to find accessor entry"):
		return nil, nil
	case err != nil:
		return nil, err
	case one.Accessor != accessor:
		return nil, vaulthttp.Garbage(path, "an answer about another secret id")
	}
	return &one, nil
}

// destroySecretID destroys one secret id. One already gone is success, and is
// looked for only where Vault cannot destroy it.
func (s *system) destroySecretID(ctx context.Context, role, accessor string) error {
	_, err := s.vault.Write(ctx, s.rolePath(role)+"/secret-id-accessor/destroy", map[string]string{"secret_id_accessor": accessor})
	if err == nil {
		return nil
	}
	if left, lookErr := s.secretID(ctx, role, accessor); lookErr == nil && left == nil {
		return nil
	}
	return err
}
