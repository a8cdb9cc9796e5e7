package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// roleIDPrefix makes the role ids of ours known at sight, in lists.
const roleIDPrefix = "nhi-"

// roleIDOf is the role id of an account's AppRole. It follows from the whole
// mark, nonce included: an AppRole has no metadata, so this is its mark.
func roleIDOf(mark nhi.Mark) string {
	sum := sha256.Sum256([]byte("nhi vault role id 1\n" + mark.String() + "\n"))
	return roleIDPrefix + hex.EncodeToString(sum[:16])
}

// shape is what an AppRole is set to: every setting that says who gets which
// token from it, and for how long. Durations are in seconds.
type shape struct {
	TokenPolicies       []string    `json:"token_policies"`
	TokenTTL            json.Number `json:"token_ttl"`
	TokenMaxTTL         json.Number `json:"token_max_ttl"`
	TokenExplicitMaxTTL json.Number `json:"token_explicit_max_ttl"`
	TokenPeriod         json.Number `json:"token_period"`
	TokenNumUses        json.Number `json:"token_num_uses"`
	TokenType           string      `json:"token_type"`
	TokenNoDefault      bool        `json:"token_no_default_policy"`
	TokenCIDRs          []string    `json:"token_bound_cidrs"`
	BindSecretID        bool        `json:"bind_secret_id"`
	SecretIDTTL         json.Number `json:"secret_id_ttl"`
	SecretIDNumUses     json.Number `json:"secret_id_num_uses"`
	SecretIDCIDRs       []string    `json:"secret_id_bound_cidrs"`
}

// role is an AppRole as Vault has it.
type role struct {
	name string
	id   string // the role id
	shape
}

func number(d time.Duration) json.Number { return json.Number(fmt.Sprint(int64(d / time.Second))) }

func durationOf(n json.Number) time.Duration {
	value, err := n.Int64()
	if err != nil || value < 0 {
		return 0
	}
	return time.Duration(value) * time.Second
}

// inertShape gives nobody anything: no policies, and tokens of a second.
func inertShape() shape {
	return approvedShape(nil, time.Second, time.Second)
}

// approvedShape gives exactly these policies, to tokens that live for ttl at
// most, however often they are renewed.
func approvedShape(policies []string, ttl, secretIDs time.Duration) shape {
	return shape{
		TokenPolicies: slices.Clone(policies), TokenTTL: number(ttl), TokenMaxTTL: number(ttl), TokenExplicitMaxTTL: number(ttl),
		TokenPeriod: "0", TokenNumUses: "0", TokenType: "service", TokenNoDefault: true,
		BindSecretID: true, SecretIDTTL: number(secretIDs), SecretIDNumUses: "0",
	}
}

// difference is one setting of an AppRole that is not as it should be.
type difference struct{ name, is, want string }

// differences lists the settings that differ from want, but for the policies.
// A token's explicit end may be earlier: Issue draws it in as the term ends.
func (s shape) differences(want shape) []difference {
	var found []difference
	compare := func(name, is, want string) {
		if is != want {
			found = append(found, difference{name, is, want})
		}
	}
	if longest := durationOf(s.TokenExplicitMaxTTL); longest <= 0 || longest > durationOf(want.TokenExplicitMaxTTL) {
		compare("token_explicit_max_ttl", ttlText(s.TokenExplicitMaxTTL), ttlText(want.TokenExplicitMaxTTL))
	}
	compare("token_ttl", ttlText(s.TokenTTL), ttlText(want.TokenTTL))
	compare("token_max_ttl", ttlText(s.TokenMaxTTL), ttlText(want.TokenMaxTTL))
	compare("token_period", ttlText(s.TokenPeriod), ttlText(want.TokenPeriod))
	compare("secret_id_ttl", ttlText(s.SecretIDTTL), ttlText(want.SecretIDTTL))
	compare("token_num_uses", s.TokenNumUses.String(), want.TokenNumUses.String())
	compare("secret_id_num_uses", s.SecretIDNumUses.String(), want.SecretIDNumUses.String())
	compare("token_type", s.TokenType, want.TokenType)
	compare("bind_secret_id", fmt.Sprint(s.BindSecretID), fmt.Sprint(want.BindSecretID))
	compare("token_bound_cidrs", strings.Join(s.TokenCIDRs, ","), strings.Join(want.TokenCIDRs, ","))
	compare("secret_id_bound_cidrs", strings.Join(s.SecretIDCIDRs, ","), strings.Join(want.SecretIDCIDRs, ","))
	return found
}

// isEnd says whether a setting says how long something lives.
func (d difference) isEnd() bool {
	return strings.HasSuffix(d.name, "_ttl") || d.name == "token_period"
}

func ttlText(n json.Number) string {
	if d := durationOf(n); d > 0 {
		return nhi.FormatTTL(d)
	}
	return "none"
}

// holds returns the policies that a token of the AppRole gets, sorted.
func (s shape) holds() []string {
	held := slices.Clone(s.TokenPolicies)
	if !s.TokenNoDefault {
		held = append(held, "default")
	}
	slices.Sort(held)
	return slices.Compact(held)
}

// is says whether nothing is left to do to make the AppRole what it should be.
func (s shape) is(want shape) bool {
	return len(s.differences(want)) == 0 && durationOf(s.TokenExplicitMaxTTL) == durationOf(want.TokenExplicitMaxTTL) &&
		s.TokenNoDefault == want.TokenNoDefault &&
		slices.Equal(slices.Sorted(slices.Values(s.TokenPolicies)), slices.Sorted(slices.Values(want.TokenPolicies)))
}

func (s *system) rolePath(name string) string { return "auth/" + s.at.mount + "/role/" + name }

// readRole returns an AppRole with its role id; nil where there is none.
func (s *system) readRole(ctx context.Context, name string) (*role, error) {
	found := role{name: name}
	err := s.vault.Read(ctx, s.rolePath(name), &found.shape)
	if errors.Is(err, vaulthttp.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var id struct {
		RoleID string `json:"role_id"`
	}
	if err := s.vault.Read(ctx, s.rolePath(name)+"/role-id", &id); err != nil {
		if errors.Is(err, vaulthttp.ErrAbsent) { // it went away between the two
			return nil, nil
		}
		return nil, err
	}
	if found.id = id.RoleID; found.id == "" || found.TokenType == "" {
		return nil, vaulthttp.Garbage(s.rolePath(name), "an AppRole without role id or token type")
	}
	return &found, nil
}

// setRole writes an AppRole, and makes it where there is none; roleID is empty
// where it is to stay as it is.
func (s *system) setRole(ctx context.Context, name, roleID string, want shape) error {
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	for name, value := range maps.All(fields) {
		if value == nil {
			fields[name] = []string{} // an empty list is said, not left out
		}
	}
	if roleID != "" {
		fields["role_id"] = roleID
	}
	_, err = s.vault.Write(ctx, s.rolePath(name), fields)
	return err
}

func (s *system) removeRole(ctx context.Context, name string) error {
	return s.vault.Remove(ctx, s.rolePath(name))
}
