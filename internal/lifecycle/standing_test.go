package lifecycle

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Everything that is missing, old, forged or unknown is a no, and touches
// nothing.
func TestFailClosed(t *testing.T) {
	t.Parallel()
	sandbox := func(w *world) string { return w.ask(w.request("sandbox", access("one", "reader"))) }
	approved := func(w *world) string { return w.approved(w.three()) }
	cases := []struct {
		name   string
		text   func(*world) string
		damage func(*world, *Engine)
		want   error
	}{
		{"no policy anywhere", sandbox, func(_ *world, e *Engine) { e.PolicyFile = "" }, ErrPolicy},
		{"policy file missing", approved, func(w *world, _ *Engine) { _ = os.Remove(w.path("policy.hcl")) }, ErrPolicy},
		{"signatures missing", approved, func(w *world, _ *Engine) { _ = os.Remove(w.path("policy.hcl.sig")) }, ErrPolicy},
		{"policy file is a folder", approved, func(_ *world, e *Engine) { e.PolicyFile = os.TempDir() }, ErrPolicy},
		{"signed by a stranger", approved, func(w *world, _ *Engine) { w.writePolicy(w.policyText(2), "ana") }, ErrPolicy},
		{"edited after signing", approved, func(w *world, _ *Engine) {
			must(w.t, os.WriteFile(w.path("policy.hcl"), []byte(strings.Replace(w.policyText(1), "count = 1", "count =  1", 1)), 0o600))
		}, ErrPolicy},
		{"unknown field", approved, func(w *world, _ *Engine) { w.writePolicy(w.policyText(2)+"\nanything = true\n", "root") }, ErrPolicy},
		{"wrong ledger", approved, func(w *world, _ *Engine) { w.policy(2, w.book.ID(), strings.Repeat("0", 32)) }, ErrPolicy},
		{"older than the ledger has seen", approved, func(w *world, _ *Engine) {
			w.policy(2)
			must(w.t, w.run(nil).PublishPolicy(w.t.Context()))
			w.policy(1)
		}, ErrPolicy},
		{"same version, other bytes", approved, func(w *world, _ *Engine) {
			must(w.t, w.run(nil).PublishPolicy(w.t.Context()))
			w.policy(1, "count = 1", "count  = 1")
		}, ErrPolicy},
		{"expired", approved, func(w *world, _ *Engine) { w.pass(366 * 24 * time.Hour) }, nhi.ErrDenied},
		{"no pins", approved, func(_ *world, e *Engine) { e.Pins = func() ([]nhi.Digest, error) { return nil, ErrUntrusted } }, ErrUntrusted},
		{"another root pinned", approved, func(_ *world, e *Engine) {
			e.Pins = func() ([]nhi.Digest, error) { return []nhi.Digest{nhi.DigestOf("other")}, nil }
		}, ErrUntrusted},
		{"endpoint not in the policy", approved, func(w *world, _ *Engine) { w.policy(2, "one:1", "elsewhere:1") }, nhi.ErrDenied},
		{"login in clear text, which a check denies", approved, func(w *world, e *Engine) {
			w.policy(2, `rule "all" {`, "check \"NHI4\" {\n level = \"deny\"\n}\nrule \"all\" {")
			for _, one := range e.Systems.entries {
				one.kind.Weak = func(setting.Settings) []string { return []string{"it is clear text"} }
			}
		}, nhi.ErrDenied},
		{"quorum raised", approved, func(w *world, _ *Engine) { w.policy(2, "count = 1", "count = 2") }, nhi.ErrNotApproved},
		{"approver left", approved, func(w *world, _ *Engine) { w.policy(2, keyOf("ana"), keyOf("cyd")) }, nhi.ErrNotApproved},
		{"not approved", func(w *world) string { return w.ask(w.three()) }, nil, nhi.ErrNotApproved},
		{"denied by a person", approved, func(w *world, _ *Engine) { w.sign("ben", nhi.VerdictDeny, textOf(w.t, w.three())) }, nhi.ErrNotApproved},
		{"withdrawn", approved, func(w *world, _ *Engine) {
			w.pass(time.Minute)
			w.sign("ana", nhi.VerdictWithdraw, textOf(w.t, w.three()))
		}, nhi.ErrNotApproved},
		{"lapsed", approved, func(w *world, _ *Engine) { w.pass(25 * time.Hour) }, nhi.ErrNotApproved},
		{"approved by the requester", func(w *world) string { text := w.ask(w.three()); w.sign("eve", nhi.VerdictApprove, text); return text }, nil, nhi.ErrNotApproved},
		{"approved under another text", func(w *world) string {
			w.approved(w.request(environment, access("one", "reader")))
			return w.ask(w.request(environment, access("one", "admin")))
		}, nil, nhi.ErrNotApproved},
		{"identity never recorded", func(w *world) string {
			text := textOf(w.t, w.three())
			must(w.t, w.run(nil).RecordRequest(w.t.Context(), text, "CHG-1", Signed{}))
			w.sign("ana", nhi.VerdictApprove, text)
			w.sign("ben", nhi.VerdictApprove, text)
			return text
		}, nil, nhi.ErrEnded},
		{"identity disabled", approved, func(w *world, _ *Engine) { w.identify(w.three(), nhi.IdentityDisabled, time.Time{}) }, nhi.ErrEnded},
		{"identity ended by time", approved, func(w *world, _ *Engine) { w.identify(w.three(), nhi.IdentityActive, noon) }, nhi.ErrEnded},
		{"identity blocked", approved, func(w *world, _ *Engine) {
			w.record(ledger.IdentityChain(w.three().Identity()), ledger.BlockBody{By: "ben", Reason: "incident"})
		}, nhi.ErrEnded},
		{"grant blocked", approved, func(w *world, _ *Engine) {
			w.record(ledger.GrantChain(w.three().Approval), ledger.BlockBody{By: "ben", Reason: "incident"})
		}, nhi.ErrEnded},
		{"ledger away", approved, func(_ *world, e *Engine) { lifeOf(e).down = true }, ErrNoTrustedLedger},
		{"system not configured", approved, func(_ *world, e *Engine) { e.Systems = NewSystems(nil) }, ErrNoSystem},
		{"system not known yet", approved, func(w *world, e *Engine) { e.Systems.AddUnknown("two", "fake") }, ErrNotKnownYet},
		{"decision file unreadable", approved, func(w *world, _ *Engine) { w.file("x.decision", "nonsense") }, nhi.ErrInvalid},
		{"decision file is a folder's link", approved, func(w *world, _ *Engine) {
			w.file("y.txt", "")
			must(w.t, os.Symlink(w.dir, w.path("approvals/x.decision")))
		}, os.ErrInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			text, e := c.text(w), w.run(nil)
			if c.damage != nil {
				c.damage(w, e)
			}
			_, err := e.Activate(t.Context(), Ask{Text: text}, Record{})
			wantError(t, err, c.want)
			if got := w.log.having("prepare", "enable", "revoke", "write intent"); len(got) > 0 {
				t.Errorf("it did %q", got)
			}
		})
	}
}

// file puts a file into the decisions folder.
func (w *world) file(name, content string) {
	w.t.Helper()
	must(w.t, os.MkdirAll(w.path("approvals"), 0o700))
	must(w.t, os.WriteFile(w.path("approvals/"+name), []byte(content), 0o600))
}

func TestStandingNamesTheReason(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.ask(w.three())
	standing, err := w.run(nil).Standing(t.Context(), text)
	must(t, err)
	if standing.Status != policy.StatusPending || len(standing.Why()) == 0 {
		t.Errorf("standing is %s because %q", standing.Status, standing.Why())
	}
	w.sign("ana", nhi.VerdictApprove, text)
	standing, err = w.run(nil).Standing(t.Context(), text)
	must(t, err)
	if why := strings.Join(standing.Why(), ""); !strings.Contains(why, "approved by ana@example.com (1 of 1)") {
		t.Errorf("why = %q", why)
	}
}

// A decision counts when its file is read, is on record before the intent, and
// a no outlives its file.
func TestDecisionFiles(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text := w.ask(w.three())
	yes := w.decide("ana", nhi.VerdictApprove, text)
	w.file("yes.decision", yes.File())
	w.file("stranger.decision", w.decide("mallory", nhi.VerdictDeny, text).File())
	w.pass(time.Minute)
	w.file("no.decision", w.decide("ana", nhi.VerdictWithdraw, text).File())
	_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, nhi.ErrNotApproved)
	must(t, os.Remove(w.path("approvals/no.decision")))
	_, err = w.run(nil).Activate(t.Context(), Ask{Text: text}, Record{})
	wantError(t, err, nhi.ErrNotApproved)
	w.wantHoldings()
	w.pass(time.Minute)
	w.file("again.decision", w.decide("ana", nhi.VerdictApprove, text).File())
	w.log.lines = nil
	w.activate(text)
	lines := w.log.having("write decision", "write intent")
	if !slices.Equal(lines, []string{"write decision@1", "write intent@1 activate"}) {
		t.Errorf("the journal says %q", lines)
	}
	chain, err := w.book.Read(t.Context(), ledger.ApprovalChain(w.three().Approval))
	must(t, err)
	if n := len(decisionsIn(chain)); n != 3 {
		t.Errorf("%d decisions are on record, and a stranger's is not to be", n)
	}
}

// Less than what is in force needs no new signature; more does.
func TestCovered(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	wide, record := w.active(w.three())
	less := w.request(environment, access("one", "reader"), access("two", "reader"))
	less.TTL = 12 * time.Hour
	text := w.ask(less)
	w.pass(48 * time.Minute)
	standing, err := w.run(nil).Standing(t.Context(), text)
	must(t, err)
	if !standing.Approved() || standing.CoveredBy != nhi.DigestOf(wide) {
		t.Fatalf("standing is %s, covered by %q", standing.Status, standing.CoveredBy)
	}
	after := w.activate(text)
	w.wantHoldings("one: reader", "two: reader")
	if after.Activation != record.Activation || !after.StartedAt.Equal(record.StartedAt) || !after.ExpiresAt.Equal(noon.Add(12*time.Hour)) {
		t.Errorf("activation %d from %s to %s", after.Activation, after.StartedAt, after.ExpiresAt)
	}
	_, err = w.run(nil).Activate(t.Context(), Ask{Text: wide}, Record{})
	wantError(t, err, nhi.ErrSpent)
	longer := less
	longer.TTL = 24 * time.Hour
	for name, more := range map[string]nhi.Request{
		"another role":   w.request(environment, access("one", "admin"), access("two", "reader")),
		"another target": w.three(), "a later end": longer,
	} {
		if more.TTL == less.TTL || name == "another role" {
			more.TTL = less.TTL
		}
		standing, err := w.run(nil).Standing(t.Context(), w.ask(more))
		must(t, err)
		if standing.Approved() {
			t.Errorf("%s needs nobody", name)
		}
	}
	// Nothing is covered by what is not in force any more.
	_, err = w.run(nil).Revoke(t.Context(), after, "test")
	must(t, err)
	least := w.request(environment, access("one", "reader"))
	least.TTL = less.TTL
	standing, err = w.run(nil).Standing(t.Context(), w.ask(least))
	must(t, err)
	if standing.Approved() {
		t.Error("covered by what was revoked")
	}
}

// The end is the earliest of the term, the signed end and the identity's.
func TestTheEarliestEndBinds(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	r := w.three()
	text := w.approved(r)
	w.identify(r, nhi.IdentityActive, noon.Add(90*time.Minute))
	record := w.activate(text)
	if want := noon.Add(90 * time.Minute); !record.ExpiresAt.Equal(want) || !record.Targets["one"].NotAfter.Equal(want) {
		t.Errorf("ends %s, want %s", record.ExpiresAt, want)
	}
	w.pass(2 * time.Hour)
	_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, record)
	wantError(t, err, nhi.ErrEnded)
}

// Saved plans: what was active and has expired is not taken for granted.
func TestActivateAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newMemoryWorld(t)
	text, record := w.active(w.three())
	w.pass(25 * time.Hour)
	_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, record)
	wantError(t, err, nhi.ErrEnded)
}

// On a ledger that was cut short, nothing is granted that was used before.
func TestNothingOnAShortenedLedger(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"grant", "approval"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newMemoryWorld(t)
			r := w.three()
			text := w.approved(r)
			if what == "approval" {
				w.pass(time.Minute)
				w.sign("ana", nhi.VerdictWithdraw, text)
			}
			yesterday := w.memory.Copy()
			known := Record{Grant: r.Approval}
			if what == "grant" {
				record := w.activate(text)
				removal, err := w.run(nil).Revoke(t.Context(), record, "test")
				must(t, err)
				known = removal.Record
			} else {
				known = w.look(text, known, false).Record
				chain := ledger.ApprovalChain(r.Approval)
				keys, err := yesterday.List(t.Context(), chain+"/")
				must(t, err)
				yesterday.Drop(keys[len(keys)-1])
			}
			w.store = yesterday
			view := w.look(text, known, false)
			if view.Step == Activate || len(view.Warnings) == 0 || !errors.Is(view.Warnings[0], ErrShortened) {
				t.Errorf("the view says %s, %v", view.Step, view.Warnings)
			}
			again := w.look(text, view.Record, false)
			if len(again.Warnings) == 0 {
				t.Error("the second look has forgotten")
			}
			_, err := w.run(nil).Activate(t.Context(), Ask{Text: text}, view.Record)
			wantError(t, err, ErrShortened)
			w.wantHoldings()
		})
	}
}
