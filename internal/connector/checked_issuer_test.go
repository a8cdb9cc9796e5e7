package connector_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestIssuerOf(t *testing.T) {
	t.Parallel()
	if _, ok := connector.IssuerOf(guard(&fake{})); ok {
		t.Error("the guard made an issuer out of a connector that is none")
	}
	if _, ok := connector.IssuerOf(guard(&fakeIssuer{fake: &fake{}})); !ok {
		t.Error("the guard hid an issuer")
	}
}

func TestCheckedIssue(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(time.Hour)
	good := connector.Credential{Handle: "x", Values: map[string]nhi.Secret{"password": nhi.NewSecret("y")}, ExpiresAt: end}
	for name, c := range map[string]struct {
		change    func(*connector.Credential)
		withdrawn int64
	}{
		"good":         {func(*connector.Credential) {}, 0},
		"too long":     {func(c *connector.Credential) { c.ExpiresAt = end.Add(time.Second) }, 1},
		"endless":      {func(c *connector.Credential) { c.ExpiresAt = time.Time{} }, 1},
		"undescribed":  {func(c *connector.Credential) { c.Values = map[string]nhi.Secret{"token": {}} }, 1},
		"sooner is ok": {func(c *connector.Credential) { c.ExpiresAt = end.Add(-time.Minute) }, 0},
	} {
		inner := &fakeIssuer{fake: &fake{}, issue: func(context.Context, connector.Account, time.Time) (connector.Credential, error) {
			credential := good
			c.change(&credential)
			return credential, nil
		}}
		issuer, _ := connector.IssuerOf(guard(inner))
		credential, err := issuer.Issue(t.Context(), accountOf(1), end, nil)
		if (err != nil) != (c.withdrawn > 0) || inner.withdrawn.Load() != c.withdrawn || err != nil && credential.Values != nil {
			t.Errorf("%s: %v, and %d were withdrawn", name, err, inner.withdrawn.Load())
		}
	}
	inner := &fakeIssuer{fake: &fake{}}
	issuer, _ := connector.IssuerOf(guard(inner))
	bad := accountOf(1)
	bad.Principal = "../x"
	if _, err := issuer.Issue(t.Context(), bad, end, nil); !errors.Is(err, nhi.ErrInvalid) || inner.reached.Load() != 0 {
		t.Errorf("hostile: %v", err)
	}
	if err := issuer.Withdraw(t.Context(), bad, "x"); !errors.Is(err, nhi.ErrInvalid) || inner.withdrawn.Load() != 0 {
		t.Errorf("hostile: %v", err)
	}
}

// TestCheckedIssueTooLate: a credential that comes after the deadline is
// nobody's, so it is withdrawn.
func TestCheckedIssueTooLate(t *testing.T) {
	t.Parallel()
	inner := &fakeIssuer{fake: &fake{}, issue: func(ctx context.Context, _ connector.Account, end time.Time) (connector.Credential, error) {
		<-ctx.Done()
		return connector.Credential{Handle: "late", ExpiresAt: end}, nil
	}}
	issuer, _ := connector.IssuerOf(guard(inner, connector.WithDeadline(10*time.Millisecond, 0), connector.WithGrace(time.Minute)))
	if _, err := issuer.Issue(t.Context(), accountOf(1), time.Now(), nil); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("late: %v", err)
	}
	if inner.withdrawn.Load() != 1 {
		t.Errorf("%d were withdrawn, want the late one", inner.withdrawn.Load())
	}
}
