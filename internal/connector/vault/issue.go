package vault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// issued is a secret id that was just made.
type issued struct {
	accessor string
	tag      string
	secret   string // empty where it is wrapped
	wrapping string // the token that unwraps it
	ttl      time.Duration
}

// Issue makes a secret id that ends at notAfter or with the account, whichever
// is first, or logs in with one and gives the token. A token's end is drawn in
// likewise; its holder can move it out again where an approved policy lets it
// renew itself, to the end of the account at most.
func (s *system) Issue(ctx context.Context, account connector.Account, notAfter time.Time, options nhi.Values) (connector.Credential, error) {
	if err := errors.Join(checkAccount(account), checkAccess(account.Access)); err != nil {
		return connector.Credential{}, err
	}
	end := nhi.Earliest(notAfter, account.NotAfter).Truncate(time.Second)
	h, err := s.lookToIssue(ctx, account, end)
	if err != nil {
		return connector.Credential{}, unreachable(err)
	}
	if options.Text(optionForm) == formToken {
		credential, err := s.issueToken(ctx, account, h, end)
		return credential, unreachable(err)
	}
	wrap, _ := nhi.ParseTTL(options.Text(optionWrapTTL)) // none where it is not asked for
	id, err := s.makeInTime(ctx, account, end, wrap)
	if err != nil {
		return connector.Credential{}, unreachable(err)
	}
	ends := end.Add(-early(end.Sub(s.clock.now())))
	if latest := s.clock.now().Add(id.ttl).Truncate(time.Second); id.ttl > 0 && latest.Before(ends) {
		ends = latest // Vault cuts it at the mount's longest lease
	}
	values := s.values(h.role.id, id.accessor)
	if wrap > 0 {
		values[fieldWrapping] = nhi.NewSecret(id.wrapping)
	} else {
		values[fieldSecretID] = nhi.NewSecret(id.secret)
	}
	return connector.Credential{Handle: handle{formSecretID, id.accessor, id.tag}.String(), Values: values, ExpiresAt: ends}, nil
}

// values are what every credential says, without the empty ones.
func (s *system) values(roleID, accessor string) map[string]nhi.Secret {
	values := map[string]nhi.Secret{
		fieldURL: nhi.NewSecret(s.at.URL()), fieldMount: nhi.NewSecret(s.at.mount),
		fieldRoleID: nhi.NewSecret(roleID), fieldAccessor: nhi.NewSecret(accessor),
	}
	if s.at.Namespace() != "" {
		values[fieldNamespace] = nhi.NewSecret(s.at.Namespace())
	}
	return values
}

// lookToIssue holds for an account that is as it was approved, right now, and
// for an end that is still to come. Where less is left of the term than a token
// lives, it draws the end of tokens in.
func (s *system) lookToIssue(ctx context.Context, account connector.Account, end time.Time) (*held, error) {
	if err := s.setRight(ctx); err != nil {
		return nil, err
	}
	accessor, err := s.accessor(ctx)
	if err != nil {
		return nil, err
	}
	h, err := s.look(ctx, accessor, account)
	if err != nil {
		return nil, err
	}
	account.Enabled = true
	seen := h.observe(account)
	switch {
	case seen.State == connector.Foreign && !h.released:
		return nil, h.foreignError()
	case seen.State != connector.Active || len(seen.Findings) > 0 || !slices.Equal(seen.Privileges, privileges(account.Access)):
		return nil, fmt.Errorf("%s is %s in Vault, and not as it was approved (%s): %w",
			account.Principal, seen.State, vaulthttp.Line(joined(seen.Findings)), nhi.ErrEnded)
	case !end.After(s.clock.now()):
		return nil, fmt.Errorf("the term of %s ended %s: %w", account.Principal, nhi.FormatTime(end), nhi.ErrEnded)
	}
	left := account.NotAfter.Sub(s.clock.now()).Truncate(time.Second)
	if left < time.Second || durationOf(h.role.TokenExplicitMaxTTL) <= left {
		return h, nil
	}
	drawn := h.role.shape
	drawn.TokenExplicitMaxTTL = number(left)
	return h, s.changeRole(ctx, account, h, drawn)
}

// Bounds of waiting for Vault when an end is set: it counts from when it gets
// to a request, which is later than when we sent it.
const (
	setTries = 3
	setSlack = time.Second
)

// tidyEvery is how often Vault looks for secret ids that have ended. Until then
// they work.
const tidyEvery = time.Minute

// early is how much sooner than in left a secret id is made to end, so that it
// is gone by then: the whole time between two looks, less what rounding takes,
// or half of what there is.
func early(left time.Duration) time.Duration {
	return min(tidyEvery-2*time.Second, left/2).Truncate(time.Second)
}

// makeInTime makes a secret id that is gone at end. One that Vault was too slow
// to make, so that it would end later, is destroyed, and another one is made.
func (s *system) makeInTime(ctx context.Context, account connector.Account, end time.Time, wrap time.Duration) (issued, error) {
	var margin time.Duration
	for range setTries {
		sent := s.clock.now()
		left := end.Sub(sent)
		id, err := s.makeSecretID(ctx, account, max(left-early(left)-margin, time.Second), countedUses, wrap)
		if err != nil {
			return issued{}, err
		}
		took := s.clock.now().Sub(sent)
		if took <= margin+setSlack {
			return id, nil
		}
		if err := s.discard(ctx, account.Principal, id.accessor); err != nil {
			return issued{}, err
		}
		margin = 2 * took
	}
	return issued{}, fmt.Errorf("%s: Vault is too slow to set an end: %w", account.Principal, nhi.ErrUnreachable)
}

// makeSecretID makes a secret id that Vault ends after ttl.
func (s *system) makeSecretID(ctx context.Context, account connector.Account, ttl time.Duration, uses int, wrap time.Duration) (issued, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return issued{}, fmt.Errorf("random: %w", err)
	}
	made := issued{tag: account.Mark.Nonce + "-" + hex.EncodeToString(random)}
	metadata, err := json.Marshal(map[string]string{metaMark: made.tag})
	if err != nil {
		return issued{}, err
	}
	if ttl = ttl.Truncate(time.Second); ttl < time.Second {
		return issued{}, fmt.Errorf("the term of %s has ended: %w", account.Principal, nhi.ErrEnded)
	}
	path := s.rolePath(account.Principal) + "/secret-id"
	answer, err := s.vault.Do(ctx, vaulthttp.Call{
		Method: http.MethodPost, Path: path, Wrap: wrap,
		Body: map[string]any{"metadata": string(metadata), "ttl": vaulthttp.Seconds(ttl), "num_uses": uses},
	})
	if err != nil {
		return issued{}, err
	}
	if wrap > 0 {
		if answer == nil || answer.WrapInfo == nil || answer.WrapInfo.Token == "" || answer.WrapInfo.CreationPath != path || checkID(answer.WrapInfo.WrappedAccessor) != nil {
			return issued{}, vaulthttp.Garbage(path, "a secret id that is not wrapped")
		}
		made.accessor, made.wrapping = answer.WrapInfo.WrappedAccessor, answer.WrapInfo.Token
		return made, nil
	}
	var got struct {
		Secret   string      `json:"secret_id"`
		Accessor string      `json:"secret_id_accessor"`
		TTL      json.Number `json:"secret_id_ttl"`
	}
	if err := vaulthttp.Decode(path, answer, &got); err != nil {
		return issued{}, err
	}
	if got.Secret == "" || checkID(got.Accessor) != nil {
		return issued{}, vaulthttp.Garbage(path, "no secret id")
	}
	made.secret, made.accessor, made.ttl = got.Secret, got.Accessor, durationOf(got.TTL)
	return made, nil
}

// issueToken logs in with a secret id for one use, and draws the token's end in.
func (s *system) issueToken(ctx context.Context, account connector.Account, h *held, end time.Time) (connector.Credential, error) {
	id, err := s.makeSecretID(ctx, account, min(probeTTL, end.Sub(s.clock.now())), 1, 0)
	if err != nil {
		return connector.Credential{}, err
	}
	got, err := s.login(ctx, h.role.id, id.secret)
	if errors.Is(err, errNotLetIn) {
		err = fmt.Errorf("a login was refused as %s: %w", account.Principal, nhi.ErrEnded)
	}
	if err != nil {
		return connector.Credential{}, join(err, s.discard(ctx, h.role.name, id.accessor))
	}
	ends, err := s.limitInTime(ctx, got.Accessor, time.Duration(got.LeaseDuration)*time.Second, end)
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return connector.Credential{}, join(err, s.revokeToken(cleanup, got.Accessor))
	}
	values := s.values(h.role.id, got.Accessor)
	values[fieldToken] = nhi.NewSecret(got.ClientToken)
	return connector.Credential{Handle: handle{formToken, got.Accessor, id.tag}.String(), Values: values, ExpiresAt: ends}, nil
}

// limitInTime draws the end of a token that lasts so long in, where it is later
// than end, and returns when the token ends.
func (s *system) limitInTime(ctx context.Context, accessor string, lasts time.Duration, end time.Time) (time.Time, error) {
	for range setTries {
		ends := s.clock.now().Add(lasts)
		if !ends.After(end.Add(setSlack)) {
			return nhi.Earliest(ends, end).Truncate(time.Second), nil
		}
		left := end.Sub(s.clock.now()).Truncate(time.Second)
		if left < time.Second {
			return time.Time{}, fmt.Errorf("the time asked for has ended: %w", nhi.ErrEnded)
		}
		var err error
		if lasts, err = s.limitToken(ctx, accessor, left); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("the token was not limited to %s: %w", nhi.FormatTime(end), nhi.ErrUnreachable)
}

// handle names a credential: its form, its accessor and its tag.
type handle struct{ form, accessor, tag string }

// String implements fmt.Stringer.
func (h handle) String() string { return h.form + " " + h.accessor + " " + h.tag }

// parseHandle reads what String wrote, of a credential of this account.
func parseHandle(account connector.Account, text string) (handle, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 || checkForm(parts[0]) != nil || checkID(parts[1]) != nil || !strings.HasPrefix(parts[2], account.Mark.Nonce+"-") {
		return handle{}, fmt.Errorf("%.80q names no credential of %s: %w", text, account.Principal, nhi.ErrInvalid)
	}
	return handle{parts[0], parts[1], parts[2]}, nil
}

// Withdraw revokes a token, or destroys a secret id together with the tokens
// that came of it. Vault counts the uses of a secret id, so that of one that
// was never used no tokens are looked for.
func (s *system) Withdraw(ctx context.Context, account connector.Account, text string) error {
	if err := checkAccount(account); err != nil {
		return err
	}
	named, err := parseHandle(account, text)
	if err != nil {
		return err
	}
	if named.form == formToken {
		one, err := s.lookupToken(ctx, named.accessor)
		if err != nil || one == nil {
			return unreachable(err)
		}
		if one.Meta[metaMark] != named.tag {
			return fmt.Errorf("the token %s is none of %s: %w", named.accessor, account.Principal, nhi.ErrForeign)
		}
		return unreachable(s.revokeToken(ctx, named.accessor))
	}
	return unreachable(s.withdrawSecretID(ctx, account, named))
}

func (s *system) withdrawSecretID(ctx context.Context, account connector.Account, named handle) error {
	found, err := s.readRole(ctx, account.Principal)
	if err != nil || found == nil {
		return err // the account is gone, and its credentials with it
	}
	one, err := s.secretID(ctx, found.name, named.accessor)
	if err != nil {
		return err
	}
	if one != nil && one.tag() != named.tag {
		return fmt.Errorf("the secret id %s is none of %s: %w", named.accessor, account.Principal, nhi.ErrForeign)
	}
	if one != nil {
		if err := s.destroySecretID(ctx, found.name, named.accessor); err != nil {
			return err
		}
		if uses, err := one.Uses.Int64(); err == nil && uses == countedUses {
			return nil
		}
	}
	return s.sweep(ctx, func(t token) bool { return t.Meta[metaMark] == named.tag })
}
