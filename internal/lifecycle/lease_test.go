package lifecycle

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestParseLease(t *testing.T) {
	t.Parallel()
	good := Lease{Grant: foldGrant, Activation: 12}
	if got, err := ParseLease(good.String()); err != nil || got != good {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "x", string(foldGrant), string(foldGrant) + "#", string(foldGrant) + "#0", string(foldGrant) + "#01",
		string(foldGrant) + "#+1", string(foldGrant) + "#-1", string(foldGrant) + "#1#2", "#1", string(foldGrant) + "# 1"} {
		if lease, err := ParseLease(bad); err == nil {
			t.Errorf("%q is read as %v", bad, lease)
		}
	}
}

func TestIssueAndWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, record := w.active(w.three())
	lease, e := Lease{record.Grant, record.Activation}, w.run(nil)
	issued, err := e.Issue(t.Context(), lease, "two", time.Hour, nil)
	must(t, err)
	if !issued.ExpiresAt.Equal(noon.Add(time.Hour)) || issued.Values["password"].Reveal() == "" {
		t.Errorf("issued %+v", issued)
	}
	long, err := e.Issue(t.Context(), lease, "two", 1000*time.Hour, nil)
	must(t, err)
	if !long.ExpiresAt.Equal(record.ExpiresAt) {
		t.Errorf("it ends %s, and the grant %s", long.ExpiresAt, record.ExpiresAt)
	}
	lifeOf(e).down = true // what was issued is withdrawn without the ledger
	for _, one := range []Issued{issued, long} {
		must(t, e.Withdraw(t.Context(), one.Held, one.Account, one.Handle))
	}
	if n := len(w.systems["two"].issued); n != 0 {
		t.Errorf("%d credentials are left", n)
	}
}

// Nothing is issued unless the whole grant is active under this activation.
func TestIssueIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		damage func(w *world, e *Engine, record Record, lease *Lease)
		want   error
	}{
		"never active":     {func(_ *world, _ *Engine, _ Record, l *Lease) { l.Grant = "production/payments/etl/orders-etl:other" }, nhi.ErrEnded},
		"other activation": {func(_ *world, _ *Engine, _ Record, l *Lease) { l.Activation = 2 }, nhi.ErrEnded},
		"expired":          {func(w *world, _ *Engine, _ Record, _ *Lease) { w.pass(24 * time.Hour) }, nhi.ErrEnded},
		"blocked": {func(w *world, _ *Engine, r Record, _ *Lease) {
			w.record(ledger.GrantChain(r.Grant), ledger.BlockBody{By: "ben"})
		}, nhi.ErrEnded},
		"identity ended": {func(w *world, _ *Engine, _ Record, _ *Lease) {
			w.identify(w.three(), nhi.IdentityDisabled, time.Time{})
		}, nhi.ErrEnded},
		"revoked": {func(w *world, _ *Engine, r Record, _ *Lease) {
			_, err := w.run(nil).Revoke(w.t.Context(), r, "test")
			must(w.t, err)
		}, nhi.ErrEnded},
		"revoking elsewhere": {func(w *world, _ *Engine, r Record, _ *Lease) {
			w.systems["one"].trip("revoke", fails, -1)
			_, _ = w.run(nil).Revoke(w.t.Context(), r, "test")
		}, nhi.ErrEnded},
		"ledger away": {func(_ *world, e *Engine, _ Record, _ *Lease) { lifeOf(e).down = true }, ErrNoTrustedLedger},
		"untrusted ledger": {func(_ *world, e *Engine, _ Record, _ *Lease) {
			e.Pins = func() ([]nhi.Digest, error) { return []nhi.Digest{nhi.DigestOf("other")}, nil }
		}, ErrUntrusted},
		"chain broken": {func(w *world, _ *Engine, r Record, _ *Lease) {
			keys, err := w.memory.List(w.t.Context(), ledger.GrantChain(r.Grant)+"/")
			must(w.t, err)
			w.memory.Set(keys[len(keys)-1], []byte("{}"))
		}, ledger.ErrBroken},
		"account disabled by hand": {func(w *world, _ *Engine, _ Record, _ *Lease) {
			w.systems["two"].change(func(o map[string]*object) { clear(o) })
		}, nhi.ErrEnded},
		"revoked meanwhile": {func(w *world, _ *Engine, r Record, _ *Lease) {
			w.systems["two"].mu.Lock()
			defer w.systems["two"].mu.Unlock()
			w.systems["two"].meet = func(verb, _ string) trouble {
				if verb == "issue" { // the block lands while the target issues
					w.record(ledger.GrantChain(r.Grant), ledger.BlockBody{By: "ben"})
				}
				return ""
			}
		}, nhi.ErrEnded},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			_, record := w.active(w.three())
			e, lease := w.run(nil), Lease{record.Grant, record.Activation}
			c.damage(w, e, record, &lease)
			_, err := e.Issue(t.Context(), lease, "two", time.Hour, nil)
			wantError(t, err, c.want)
			if n := len(w.systems["two"].issued); n != 0 {
				t.Errorf("%d credentials are left", n)
			}
		})
	}
	t.Run("no such target", func(t *testing.T) {
		t.Parallel()
		w := newMemoryWorld(t)
		_, record := w.active(w.three())
		_, err := w.run(nil).Issue(t.Context(), Lease{record.Grant, 1}, "four", time.Hour, nil)
		wantError(t, err, nhi.ErrInvalid)
	})
}
