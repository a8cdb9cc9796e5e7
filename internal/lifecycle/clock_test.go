package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// wrongClocks are how far the clock of a runner may be from the ledger's.
var wrongClocks = map[string]time.Duration{
	"a day ahead": 24 * time.Hour, "ten years ahead": 10 * 365 * 24 * time.Hour, "a day back": -24 * time.Hour, "right": 0,
}

// TestTheLedgersTimeCounts: where the store has a clock of its own, a run on a
// machine with a wrong one gives no longer term, ends nothing early, revokes at
// the end, and writes nothing from the future.
func TestTheLedgersTimeCounts(t *testing.T) {
	t.Parallel()
	for name, wrong := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text := w.approved(w.three())
			run := func() *Engine { return w.wrongRun(wrong) }
			record, err := run().Activate(t.Context(), Ask{Text: text}, Record{})
			must(t, err)
			if !record.StartedAt.Equal(noon) || !record.ExpiresAt.Equal(noon.Add(24*time.Hour)) {
				t.Errorf("the term is %s to %s", record.StartedAt, record.ExpiresAt)
			}
			w.pass(24*time.Hour - time.Second)
			if swept, err := run().Sweep(t.Context(), SweepOptions{Revoke: true}); err != nil || len(swept) > 0 {
				t.Errorf("before the end: %+v, %v", swept, err)
			}
			w.wantThree()
			for _, entry := range w.fold(text).chain.Entries {
				if entry.Time.After(w.clock()) || entry.Time.Before(noon) {
					t.Errorf("entry %d is of %s", entry.Seq, entry.Time)
				}
			}
			w.pass(time.Second)
			if swept, err := run().Sweep(t.Context(), SweepOptions{Revoke: true}); err != nil || len(swept) != 1 || !swept[0].Done {
				t.Errorf("at the end: %+v, %v", swept, err)
			}
			w.wantHoldings()
			// Nothing is poisoned for others.
			again := w.approved(w.request(environment, access("two", "reader")))
			w.activate(again)
		})
	}
}

// wrongRun is a run on a machine whose own clock is wrong.
func (w *world) wrongRun(wrong time.Duration) *Engine {
	e := w.run(nil)
	e.Clock = NewClock(func() time.Time { return w.clock().Add(wrong) })
	return e
}

// TestAWrongClockStopsNoRemoval: with a local ledger, whose time is the
// machine's, a jump back is noticed and grants nothing, and revokes all the same.
func TestAWrongClockStopsNoRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, record := w.active(w.three())
	w.pass(-24 * time.Hour)
	_, err := w.run(nil).Activate(t.Context(), Ask{Text: text, Trigger: "again"}, record)
	wantError(t, err, ledger.ErrAhead)
	_, err = w.run(nil).Revoke(t.Context(), record, "over")
	must(t, err)
	w.wantHoldings()
	w.pass(24 * time.Hour)
	must(t, w.run(nil).Flush(t.Context()))
	wantPhase(t, w.fold(text), PhaseRevoked)
}

// TestClock: a clock goes by the ledger's, and keeps its own where the two agree.
func TestClock(t *testing.T) {
	t.Parallel()
	local := noon
	clock := NewClock(func() time.Time { return local })
	for _, ledgers := range []time.Time{noon.Add(time.Hour), noon.Add(-87600 * time.Hour), noon.Add(clockSlack - 1), noon} {
		clock.set(ledgers)
		want := ledgers
		if want.Sub(noon).Abs() < clockSlack {
			want = noon
		}
		if got := clock.Now(); !got.Equal(want) {
			t.Errorf("it shows %s, want %s", got, want)
		}
	}
	clock.set(noon.Add(time.Hour))
	local = noon.Add(time.Minute)
	if got := clock.Now(); !got.Equal(noon.Add(61 * time.Minute)) {
		t.Errorf("a minute later it shows %s", got)
	}
}

// TestCertificatesEndByTheLedgersTime: a certificate authority is a file and has
// no clock. On a machine whose clock is ten years ahead, its certificate is not
// taken for ended: it is neither given up as gone nor replaced, and is revoked
// where it stands.
func TestCertificatesEndByTheLedgersTime(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	for name, wrong := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			ca := w.certificates()
			request := w.request(environment, access("one", "reader"))
			request.Access["box"] = ca.access
			w.policy(1, `system "dark" { blind = "dark:1" }`, fmt.Sprintf("system \"dark\" { blind = \"dark:1\" }\n  system \"box\" { ssh = %q }", ca.access.Endpoint))
			text := w.approved(request)
			record, err := ca.run(wrong).Activate(t.Context(), Ask{Text: text}, Record{})
			must(t, err)
			if end := record.Targets["box"].NotAfter; !end.Equal(noon.Add(24 * time.Hour)) {
				t.Errorf("the certificate ends %s", end)
			}
			w.pass(time.Hour)
			view := ca.run(wrong).Look(t.Context(), text, record, Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, true)
			if view.Step != Rest || len(view.Findings) > 0 {
				t.Errorf("it is %s: %q", view.Status, view.Findings)
			}
			// No host can be asked: until its end it stays open.
			_, err = ca.run(wrong).Revoke(t.Context(), record, "over")
			wantError(t, err, nhi.ErrUnconfirmed)
			w.pass(23 * time.Hour)
			_, err = ca.run(wrong).Revoke(t.Context(), record, "over")
			must(t, err)
			wantPhase(t, w.fold(text), PhaseRevoked)
		})
	}
}

// authority is a real certificate authority in a world.
type authority struct {
	*world
	access   nhi.Access
	settings nhi.Values
}

func (w *world) certificates() *authority {
	w.t.Helper()
	dir := w.t.TempDir()
	testserver.NewSSHKey(w.t, filepath.Join(dir, "ca"))
	testserver.NewSSHKey(w.t, filepath.Join(dir, "etl"))
	public := readAll(w.t, filepath.Join(dir, "etl.pub"))
	a := &authority{world: w, settings: nhi.Values{"ca_key_file": nhi.Text(filepath.Join(dir, "ca")), "krl_file": nhi.Text(filepath.Join(dir, "krl"))}}
	systems := a.run(0).Systems
	endpoint, err := systems.Endpoint("box", "ssh")
	must(w.t, err)
	kind, _ := systems.Kind("ssh")
	a.access = nhi.Access{System: "box", Kind: "ssh", Endpoint: endpoint,
		Settings: completed(w.t, kind, nhi.Values{"principals": nhi.List("deploy"), "public_key": nhi.Text(public)})}
	return a
}

// run is a run on a machine whose clock is wrong.
func (a *authority) run(wrong time.Duration) *Engine {
	a.t.Helper()
	e := a.wrongRun(wrong)
	l := lifeOf(e)
	e.Systems = NewSystems(append(a.fakeKinds(l), ssh.KindAt(e.Clock.Now)))
	for _, name := range []string{"one", "two", "three"} {
		must(a.t, e.Systems.Add(name, "fake", setting.Settings{Values: nhi.Values{"name": nhi.Text(name)}}))
	}
	must(a.t, errors.Join(e.Systems.Configure("box", "ssh", a.settings)...))
	return e
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func completed(t *testing.T, kind connector.Kind, values nhi.Values) nhi.Values {
	t.Helper()
	complete, wrong := setting.Complete(kind.Access, values)
	for _, err := range wrong {
		t.Fatal(err)
	}
	return complete
}
