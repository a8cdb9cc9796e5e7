package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// copyAway copies the ledger and the state, as somebody does who means to put
// them back, and returns what puts them back.
func (l *landscape) copyAway() func() {
	l.t.Helper()
	kept := l.t.TempDir()
	must(l.t, os.CopyFS(filepath.Join(kept, "nhi"), os.DirFS(filepath.Join(l.Dir, ".nhi"))))
	state, err := os.ReadFile(filepath.Join(l.Dir, "terraform.tfstate"))
	must(l.t, err)
	return func() {
		l.t.Helper()
		must(l.t, os.RemoveAll(filepath.Join(l.Dir, ".nhi")))
		must(l.t, os.CopyFS(filepath.Join(l.Dir, ".nhi"), os.DirFS(filepath.Join(kept, "nhi"))))
		must(l.t, os.WriteFile(filepath.Join(l.Dir, "terraform.tfstate"), state, 0o600))
	}
}

// TestCase23CopiedBack: whoever owns a local ledger copies it and the state
// away, applies, and copies both back, so that nothing remembers the
// activation. The signatures do: what is got by it ends when they said, and no
// copy brings anything back after that. A witness notices each time.
func TestCase23CopiedBack(t *testing.T) {
	t.Parallel()
	l := newLandscape(t, false) // no ssh: its host's clock is not moved
	l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()+externalAccess))
	wants(t, l.Apply(t), 0)
	l.decide(nhi.VerdictApprove, l.etl, ana, ben) // 168h to activate, and 720h from then on
	l.configured()
	gone := func(when string) {
		t.Helper()
		if roles := l.roles(); len(roles) > 0 {
			t.Fatalf("%s: roles: %v", when, roles)
		}
	}
	memory := filepath.Join(t.TempDir(), "memory")
	witness := func(code int, texts ...string) {
		t.Helper()
		wants(t, l.NHI(t, "witness", memory), code, texts...)
	}
	wants(t, l.NHI(t, "witness", "init", memory), 0, "an empty memory")
	witness(0, "as it was")
	unused := l.copyAway()
	l.advance(time.Minute) // the witness counts whole seconds
	wants(t, l.Apply(t), 0, "active = true")
	witness(0, "as it was")
	used := l.copyAway()

	// Copied back while the access is there: it is not had twice.
	unused()
	witness(1, "grant/production", "gone, and with it the whole chain", "the ledger is as it was on")
	wants(t, l.NHI(t, "verify"), 0) // the links alone cannot show it
	l.Apply(t)
	if roles := l.roles(); len(roles) != 1 {
		t.Fatalf("roles: %v", roles)
	}
	witness(1, "another entry") // at once, and ever after

	// Copied back after the access was given up: within the time to activate,
	// the approval serves again, and no longer than was signed.
	used()
	witness(1)
	wants(t, l.Destroy(t), 0)
	gone("destroyed")
	l.advance(100 * time.Hour)
	unused()
	wants(t, l.Apply(t), 0, "active = true")
	witness(1, "another entry")
	l.advance(721 * time.Hour)
	l.follow("expired", "revoked")
	gone("expired")

	// After that, no copy brings anything back: neither the one from before the
	// activation, nor the one in which it was in force.
	l.advance(68 * time.Hour) // 889h: the signed not_after is over
	for name, back := range map[string]func(){"unused": unused, "used": used} {
		back()
		result := l.Apply(t)
		if strings.Contains(result.Text(), "Outputs: active = true") {
			t.Errorf("%s: the access is back:\n%s", name, result.Text())
		}
		gone(name)
		witness(1)
	}
}
