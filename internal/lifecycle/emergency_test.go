package lifecycle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// breakGlass is a world whose trust root has three keys, two of which sign, and
// in which the ledger is down.
type breakGlass struct {
	*world
	down *life
}

func newBreakGlass(t *testing.T) *breakGlass {
	t.Helper()
	w := &world{t: t, now: noon, memory: &storetest.Memory{}, roots: []string{"root", "root2", "root3"}}
	w.memory.SetClock(w.clock)
	return &breakGlass{w.found(w.memory), &life{down: true}}
}

// offline is the engine of a run that cannot reach the ledger.
func (b *breakGlass) offline() *Engine { return b.run(b.down) }

// emergency is what most tests are about: a role on each of three systems, for
// four hours.
func (b *breakGlass) emergency() nhi.Emergency {
	b.t.Helper()
	text := b.book.RootText()
	nonce, err := newNonce()
	must(b.t, err)
	request := b.three()
	e := nhi.Emergency{Ledger: b.book.ID(), Grant: nhi.ApprovalID(string(request.Identity()) + ":emergency"), Owner: request.Owner, Purpose: request.Purpose,
		Reason: "INC-1", Nonce: nonce, MadeAt: b.clock(), NotAfter: b.clock().Add(4 * time.Hour), Access: nhi.Accesses{}, Root: text}
	for key, access := range request.Access {
		access.Settings["roles"] = nhi.List(access.Settings.Items("roles")...)
		e.Access[key] = access
	}
	return e
}

func (b *breakGlass) signedBy(e nhi.Emergency, names ...string) SignedEmergency {
	b.t.Helper()
	text, err := e.Text()
	must(b.t, err)
	signed := SignedEmergency{Text: text}
	for _, name := range names {
		block, err := policy.SignEmergency(text, signerOf(name))
		must(b.t, err)
		signed.Signatures += block
	}
	return signed
}

func (b *breakGlass) grantedBy(e *Engine, signed SignedEmergency) GrantedEmergency {
	b.t.Helper()
	granted, err := e.GrantEmergency(b.t.Context(), signed, b.clock)
	must(b.t, err)
	wantPhase(b.t, granted.Record, PhaseActive)
	return granted
}

// granted is an emergency that was granted while the ledger was down.
func (b *breakGlass) granted() (SignedEmergency, GrantedEmergency) {
	b.t.Helper()
	signed := b.signedBy(b.emergency(), "root", "root3")
	granted := b.grantedBy(b.offline(), signed)
	b.wantThree()
	return signed, granted
}

func (b *breakGlass) recorded() {
	b.t.Helper()
	must(b.t, b.run(nil).Flush(b.t.Context()))
}

func (b *breakGlass) foldOf(signed SignedEmergency) Record {
	b.t.Helper()
	emergency, err := nhi.ParseEmergency(signed.Text)
	must(b.t, err)
	chain, err := b.book.Read(b.t.Context(), ledger.GrantChain(emergency.Grant))
	must(b.t, err)
	return Fold(emergency.Grant, chain)
}

func (b *breakGlass) sweep() []Swept {
	b.t.Helper()
	swept, err := b.run(nil).Sweep(b.t.Context(), SweepOptions{Revoke: true})
	must(b.t, err)
	return swept
}

func (b *breakGlass) wantUntouched() {
	b.t.Helper()
	if calls := b.log.having("prepare", "enable", "write"); len(calls) > 0 {
		b.t.Errorf("something was done: %q", calls)
	}
	b.wantHoldings()
}

func TestEmergencyIsRecordedAfterwards(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, granted := b.granted()
	if granted.Away == nil || len(b.log.having("write")) > 0 {
		t.Fatalf("away %v, and %q", granted.Away, b.log.having("write"))
	}
	b.recorded()
	b.recorded() // and once more, without effect
	want := []string{"write intent@1 activate", "write emergency@1", "write effect@1", "write effect@1", "write verification@1", "write use@1"}
	if got := b.log.having("write"); strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("recorded %q, want %q", got, want)
	}
	record := b.foldOf(signed)
	wantPhase(t, record, PhaseActive)
	if record.Held != signed.digest() || !record.ExpiresAt.Equal(noon.Add(4*time.Hour)) || record.Activation != 1 {
		t.Errorf("held %s until %s, activation %d", record.Held, record.ExpiresAt, record.Activation)
	}
	for key, target := range record.Targets {
		if target.ID == "" || !target.NotAfter.Equal(record.ExpiresAt) || !record.Enabled[target.Nonce] {
			t.Errorf("%s: %+v", key, target)
		}
	}
	if swept := b.sweep(); len(swept) > 0 {
		t.Errorf("something is due: %+v", swept)
	}
	b.wantThree()
	b.pass(4*time.Hour - time.Second)
	if swept := b.sweep(); len(swept) > 0 {
		t.Errorf("something is due before the end: %+v", swept)
	}
	b.pass(time.Second)
	if swept := b.sweep(); len(swept) != 1 || !swept[0].Done {
		t.Errorf("swept %+v", swept)
	}
	b.wantHoldings()
	wantPhase(t, b.foldOf(signed), PhaseRevoked)
}

// What people sign is checked before anything is asked of a system, and before
// this machine claims the emergency.
func TestEmergencyIsRefused(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	both := []string{"root", "root2"}
	replaced := func(old, with string) func(*SignedEmergency) {
		return func(s *SignedEmergency) { s.Text = strings.Replace(s.Text, old, with, 1) }
	}
	for name, c := range map[string]struct {
		make    func(*nhi.Emergency)
		signers []string
		forge   func(*SignedEmergency)
		at      time.Duration
		want    error
	}{
		"nobody signed":              {want: nhi.ErrDenied},
		"one signed":                 {signers: both[:1], want: nhi.ErrDenied},
		"one signed twice":           {signers: []string{"root", "root"}, want: nhi.ErrDenied},
		"one, and a stranger":        {signers: []string{"root", "ana"}, want: nhi.ErrDenied},
		"more roles than were":       {signers: both, forge: replaced("- reader", "- leader"), want: nhi.ErrDenied},
		"a later end than signed":    {signers: both, forge: replaced("not after: 2030-01-10T16", "not after: 2030-01-10T17"), want: nhi.ErrDenied},
		"not canonical":              {signers: both, forge: replaced("reason: INC-1", "reason:  INC-1"), want: nhi.ErrInvalid},
		"it has ended":               {signers: both, at: 4 * time.Hour, want: nhi.ErrEnded},
		"it is of tomorrow":          {signers: both, at: -ledger.MaxAhead - time.Second, want: nhi.ErrDenied},
		"another endpoint":           {make: onOne(func(a *nhi.Access) { a.Endpoint = "one:2" }), signers: both, want: ErrNoSystem},
		"another system":             {make: onOne(func(a *nhi.Access) { a.System = "nine" }), signers: both, want: ErrNoSystem},
		"another kind":               {make: onOne(func(a *nhi.Access) { a.Kind = "fixed" }), signers: both, want: ErrNoSystem},
		"a setting that nobody has":  {make: onOne(func(a *nhi.Access) { a.Settings["more"] = nhi.Text("x") }), signers: both, want: nhi.ErrInvalid},
		"a setting that is missing":  {make: onOne(func(a *nhi.Access) { delete(a.Settings, "roles") }), signers: both, want: nhi.ErrInvalid},
		"an account is taken over":   {make: onOne(func(a *nhi.Access) { a.Settings["adopt"] = nhi.Text("postgres") }), signers: both, want: nhi.ErrInvalid},
		"a root that nobody trusts":  {make: func(e *nhi.Emergency) { e.Root = strangeRoot(t, "ana", "ben") }, signers: []string{"ana", "ben"}, want: ErrUntrusted},
		"signatures for other texts": {signers: both, forge: func(s *SignedEmergency) { s.Signatures = policyBlocks(t, s.Text) }, want: nhi.ErrDenied},
	} {
		emergency := b.emergency()
		if c.make != nil {
			c.make(&emergency)
		}
		signed := b.signedBy(emergency, c.signers...)
		if c.forge != nil {
			c.forge(&signed)
		}
		clock := func() time.Time { return b.clock().Add(c.at) }
		_, err := b.offline().GrantEmergency(t.Context(), signed, clock)
		if !errors.Is(err, c.want) && !(errors.Is(c.want, nhi.ErrInvalid) && errors.Is(err, nhi.ErrNotCanonical)) {
			t.Errorf("%s: err = %v, want %v", name, err, c.want)
		}
		b.wantUntouched()
	}
	if left, _ := filepath.Glob(filepath.Join(b.path("spool"), "*", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// onOne changes the access on system one, and leaves the others alone.
func onOne(change func(*nhi.Access)) func(*nhi.Emergency) {
	return func(e *nhi.Emergency) {
		one := e.Access["one"]
		change(&one)
		e.Access["one"] = one
	}
}

func strangeRoot(t *testing.T, names ...string) string {
	t.Helper()
	w := &world{t: t, roots: names}
	text, err := w.rootOf().Text()
	must(t, err)
	return text
}

// policyBlocks are signatures of the right keys, made for another purpose.
func policyBlocks(t *testing.T, text string) (blocks string) {
	t.Helper()
	for _, name := range []string{"root", "root2"} {
		block, err := signature.Sign(signerOf(name), signature.NamespacePolicy, text)
		must(t, err)
		blocks += block
	}
	return blocks
}

// A failure at any step undoes what was done, on every target, uses nothing up,
// and leaves a record that says so.
func TestEmergencyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"prepare", "enable", "probe"} {
		b := newBreakGlass(t)
		signed := b.signedBy(b.emergency(), "root", "root2")
		b.systems["two"].trip(step, fails, 1)
		granted, err := b.offline().GrantEmergency(t.Context(), signed, b.clock)
		var undone *UndoError
		if !errors.As(err, &undone) || len(undone.Open) > 0 || len(undone.Undone) != 3 {
			t.Fatalf("%s: err = %v, want three targets undone", step, err)
		}
		wantPhase(t, granted.Record, PhaseNone)
		b.wantHoldings()
		// It may be tried again, and both attempts are recorded in their order.
		b.grantedBy(b.offline(), signed)
		b.wantThree()
		b.recorded()
		record := b.foldOf(signed)
		wantPhase(t, record, PhaseActive)
		if record.Uses[signed.digest()] != 1 || len(record.retired()) > 0 {
			t.Errorf("%s: used %d times, %q are left", step, record.Uses[signed.digest()], record.retired())
		}
		if swept := b.sweep(); len(swept) > 0 {
			t.Errorf("%s: something is due: %+v", step, swept)
		}
	}
}

// What could not be undone is remembered, is on record, and is removed later.
func TestEmergencyThatCannotBeUndone(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed := b.signedBy(b.emergency(), "root", "root2")
	b.systems["two"].trip("enable", lost, 1)
	b.systems["one"].trip("revoke", fails, -1)
	granted, err := b.offline().GrantEmergency(t.Context(), signed, b.clock)
	var undone *UndoError
	if !errors.As(err, &undone) || undone.Open["one"] == nil {
		t.Fatalf("err = %v, want one left open", err)
	}
	wantPhase(t, granted.Record, PhaseRevoking)
	b.wantHoldings("one: reader writer")
	_, err = b.offline().GrantEmergency(t.Context(), signed, b.clock)
	wantError(t, err, nhi.ErrSpent)
	b.systems["one"].mend()
	b.recorded()
	b.pass(StaleAfter)
	if swept := b.sweep(); len(swept) != 1 || !swept[0].Done {
		t.Errorf("swept %+v", swept)
	}
	b.wantHoldings()
}

// The process is killed right after an effect. The spool and this machine's
// memory have the intent: it can be taken back with the ledger still down, and
// by a sweep once that is back.
func TestEmergencyThatIsKilled(t *testing.T) {
	t.Parallel()
	for _, after := range []int{1, 2, 4, 6} {
		for _, ledgerBack := range []bool{false, true} {
			b := newBreakGlass(t)
			signed := b.signedBy(b.emergency(), "root", "root2")
			wantError(t, b.killed(signed, after), nhi.ErrUnreachable)
			if len(b.holdings()) == 0 {
				t.Fatalf("killed after %d steps: nothing was done yet", after)
			}
			_, err := b.offline().GrantEmergency(t.Context(), signed, b.clock)
			wantError(t, err, nhi.ErrSpent)
			if ledgerBack {
				b.recorded()
				b.pass(StaleAfter)
				b.sweep()
				b.wantHoldings()
				continue
			}
			_, err = b.offline().RevokeEmergency(t.Context(), signed.Text, "not finished")
			must(t, err)
			b.wantHoldings()
			b.grantedBy(b.offline(), signed)
			b.recorded()
			wantPhase(t, b.foldOf(signed), PhaseActive)
			b.wantThree()
		}
	}
}

// killed is a run that is killed after so many effects: its disk is left as it
// was at that moment.
func (b *breakGlass) killed(signed SignedEmergency, after int) error {
	b.t.Helper()
	run, steps, frozen := &life{down: true, killAfter: after}, 0, filepath.Join(b.t.TempDir(), "frozen")
	run.after = func(string) {
		run.mu.Lock()
		defer run.mu.Unlock()
		if steps++; steps == after {
			must(b.t, os.CopyFS(frozen, os.DirFS(b.path("spool"))))
		}
	}
	_, err := b.run(run).GrantEmergency(b.t.Context(), signed, b.clock)
	must(b.t, os.RemoveAll(b.path("spool")))
	must(b.t, os.CopyFS(b.path("spool"), os.DirFS(frozen)))
	return err
}

// The intent is on disk before the first effect: nothing is done where it
// cannot be written.
func TestEmergencyNeedsItsRecord(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	e := b.offline()
	e.SpoolDir = filepath.Join(b.path("policy.hcl"), "below-a-file")
	if _, err := e.GrantEmergency(t.Context(), b.signedBy(b.emergency(), "root", "root2"), b.clock); err == nil {
		t.Error("granted without a record")
	}
	b.wantUntouched()
}

func TestEmergencyServesOnce(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, _ := b.granted()
	refused := func(what string, e *Engine) {
		t.Helper()
		before := len(b.log.having("prepare", "enable"))
		if _, err := e.GrantEmergency(t.Context(), signed, b.clock); !errors.Is(err, nhi.ErrSpent) {
			t.Errorf("%s: err = %v, want ErrSpent", what, err)
		}
		if len(b.log.having("prepare", "enable")) != before {
			t.Errorf("%s: a system was changed", what)
		}
	}
	elsewhere := func(l *life) *Engine {
		e := b.run(l)
		e.SpoolDir = b.path("another machine")
		return e
	}
	refused("in force, ledger down", b.offline())
	refused("in force, ledger back", b.run(nil)) // which records it
	refused("in force, on another machine", elsewhere(nil))
	_, err := b.run(nil).RevokeEmergency(t.Context(), signed.Text, "done")
	must(t, err)
	b.wantHoldings()
	refused("ended, ledger back", b.run(nil))
	refused("ended, ledger down", b.offline())
	refused("ended, on another machine", elsewhere(nil))
	b.wantHoldings()
}

// Ended while the ledger is still down: what is recorded afterwards says so.
func TestEmergencyEndsOffline(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, _ := b.granted()
	removal, err := b.offline().RevokeEmergency(t.Context(), signed.Text, "the incident is over")
	must(t, err)
	if removal.Away == nil {
		t.Error("the ledger is down, and the removal does not say so")
	}
	b.wantHoldings()
	b.recorded()
	record := b.foldOf(signed)
	wantPhase(t, record, PhaseRevoked)
	if record.Uses[signed.digest()] != 1 {
		t.Errorf("used %d times", record.Uses[signed.digest()])
	}
	if _, err := b.offline().RevokeEmergency(t.Context(), signed.Text, "again"); err != nil {
		t.Error(err)
	}
	other := b.signedBy(b.emergency(), "root", "root2")
	_, err = b.offline().RevokeEmergency(t.Context(), other.Text, "never granted")
	wantError(t, err, nhi.ErrInvalid)
}

// Ended while the ledger can be read and not written: the removal has seen how
// far the record went, and the emergency is not in there yet. It ends that
// emergency all the same, and no other.
func TestEmergencyEndsOnAFullDisk(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, _ := b.granted()
	emergency, err := nhi.ParseEmergency(signed.Text)
	must(t, err)
	// The grant's chain is known, and holds something.
	b.record(ledger.GrantChain(emergency.Grant), ledger.HolderBody{Holder: "x", Activation: 1})
	removal, err := b.run(&life{full: true}).RevokeEmergency(t.Context(), signed.Text, "the incident is over")
	must(t, err)
	if removal.Away == nil {
		t.Error("the ledger is full, and the removal does not say so")
	}
	b.wantHoldings()
	b.recorded()
	wantPhase(t, b.foldOf(signed), PhaseRevoked)
}

// With the ledger there, it is asked and recorded at once.
func TestEmergencyWithTheLedger(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed := b.signedBy(b.emergency(), "root", "root2")
	if granted := b.grantedBy(b.run(nil), signed); granted.Away != nil {
		t.Errorf("away: %v", granted.Away)
	}
	wantPhase(t, b.foldOf(signed), PhaseActive)
	if n, err := ledger.NewSpool(b.path("spool"), b.book.ID()).Pending(); n != 0 || err != nil {
		t.Errorf("%d records wait, %v", n, err)
	}
	if got := b.log.having("write", "prepare"); got[0] != "write intent@1 activate" || got[1] != "write emergency@1" {
		t.Errorf("the first steps are %q", got)
	}
	// The same name cannot be used twice at once.
	_, err := b.run(nil).GrantEmergency(t.Context(), b.signedBy(b.emergency(), "root", "root2"), b.clock)
	wantError(t, err, nhi.ErrEnded)
	// Another one, behind the first.
	_, err = b.run(nil).RevokeEmergency(t.Context(), signed.Text, "done")
	must(t, err)
	next := b.signedBy(b.emergency(), "root2", "root3")
	b.grantedBy(b.run(nil), next)
	if record := b.foldOf(next); record.Activation != 2 || record.Held != next.digest() {
		t.Errorf("activation %d of %s", record.Activation, record.Held)
	}
}

// Blocked by hand, or an identity that was disabled: the ledger says so where it
// answers, and else the access ends when it is recorded.
func TestEmergencyOfWhatWasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*breakGlass, nhi.Emergency){
		"the grant was blocked": func(b *breakGlass, e nhi.Emergency) {
			b.record(ledger.GrantChain(e.Grant), ledger.BlockBody{By: "ana@example.com", Reason: "stolen"})
		},
		"the identity was blocked": func(b *breakGlass, e nhi.Emergency) {
			b.record(ledger.IdentityChain(e.Identity()), ledger.BlockBody{By: "ana@example.com", Reason: "stolen"})
		},
		"the identity is disabled": func(b *breakGlass, _ nhi.Emergency) {
			b.identify(b.three(), nhi.IdentityDisabled, time.Time{})
		},
	} {
		b := newBreakGlass(t)
		emergency := b.emergency()
		end(b, emergency)
		signed := b.signedBy(emergency, "root", "root2")
		if _, err := b.run(nil).GrantEmergency(t.Context(), signed, b.clock); !errors.Is(err, nhi.ErrEnded) {
			t.Errorf("%s: err = %v, want ErrEnded", name, err)
		}
		b.wantHoldings()
		b.grantedBy(b.offline(), signed)
		b.recorded()
		if swept := b.sweep(); len(swept) != 1 || !swept[0].Done {
			t.Errorf("%s: swept %+v", name, swept)
		}
		b.wantHoldings()
	}
}

// A block of the identity that was lifted for another grant does not stand in
// the way.
func TestEmergencyBehindALiftedBlock(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	text := b.approved(b.three())
	request := b.three()
	b.record(ledger.IdentityChain(request.Identity()), ledger.BlockBody{By: "ana@example.com", Reason: "drill"})
	b.lifts("ana", text, ledger.IdentityChain(request.Identity()))
	b.activate(text)
	_, err := b.run(nil).Revoke(t.Context(), Record{Grant: request.Approval}, "room for the emergency")
	must(t, err)
	signed := b.signedBy(b.emergency(), "root", "root2")
	b.grantedBy(b.offline(), signed)
	b.recorded()
	if swept := b.sweep(); len(swept) > 0 {
		t.Errorf("swept %+v", swept)
	}
	b.wantThree()
}

// A recorded emergency that does not verify gives nothing, and its accounts are
// revoked.
func TestForgedEmergencyGivesNothing(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(*breakGlass, *ledger.IntentBody, *ledger.EmergencyBody){
		"one signature": func(b *breakGlass, _ *ledger.IntentBody, proof *ledger.EmergencyBody) {
			proof.Signatures = b.signedBy(b.emergency(), "root").Signatures
		},
		"one signature twice": func(_ *breakGlass, _ *ledger.IntentBody, proof *ledger.EmergencyBody) {
			block := signature.Blocks(proof.Signatures)[0]
			proof.Signatures = block + block
		},
		"of another text": func(b *breakGlass, intent *ledger.IntentBody, _ *ledger.EmergencyBody) {
			intent.Text = strings.Replace(intent.Text, "reason: INC-1", "reason: INC-2", 1)
			intent.Request = nhi.DigestOf(intent.Text)
		},
		"another digest": func(_ *breakGlass, intent *ledger.IntentBody, _ *ledger.EmergencyBody) {
			intent.Request = nhi.DigestOf("another")
		},
		"another root": func(b *breakGlass, intent *ledger.IntentBody, proof *ledger.EmergencyBody) {
			e := b.emergency()
			e.Root = strangeRoot(b.t, "ana", "ben")
			signed := b.signedBy(e, "ana", "ben")
			*proof = ledger.EmergencyBody{Text: signed.Text, Signatures: signed.Signatures, Root: nhi.DigestOf(e.Root)}
			intent.Text, intent.Request = signed.Text, signed.digest()
		},
	} {
		b := newBreakGlass(t)
		signed, granted := b.granted()
		emergency, err := nhi.ParseEmergency(signed.Text)
		must(t, err)
		intent := ledger.IntentBody{Verb: ledger.VerbActivate, Request: signed.digest(), Text: signed.Text, StartedAt: noon,
			ExpiresAt: emergency.NotAfter.Add(time.Hour), Targets: granted.Record.Targets}
		proof := ledger.EmergencyBody{Text: signed.Text, Signatures: signed.Signatures, Root: nhi.DigestOf(emergency.Root)}
		forge(b, &intent, &proof)
		b.record(ledger.GrantChain(emergency.Grant), intent, proof, ledger.EffectBody{Step: "prepare", Targets: intent.Targets},
			ledger.UseBody{Request: intent.Request})
		e := b.run(nil)
		wantPhase(t, b.foldOf(signed), PhaseActive)
		_, err = e.Issue(t.Context(), Lease{emergency.Grant, 1}, "one", time.Minute, nil)
		if !errors.Is(err, nhi.ErrEnded) {
			t.Errorf("%s: issue: %v, want ErrEnded", name, err)
		}
		if swept := b.sweep(); len(swept) != 1 || !swept[0].Done {
			t.Errorf("%s: swept %+v", name, swept)
		}
		b.wantHoldings()
	}
}

// The end that was signed holds, whatever the record says.
func TestEmergencyIsNeverExtended(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, granted := b.granted()
	emergency, err := nhi.ParseEmergency(signed.Text)
	must(t, err)
	b.record(ledger.GrantChain(emergency.Grant),
		ledger.IntentBody{Verb: ledger.VerbActivate, Request: signed.digest(), Text: signed.Text, StartedAt: noon,
			ExpiresAt: emergency.NotAfter.Add(time.Hour), Targets: granted.Record.Targets},
		ledger.EmergencyBody{Text: signed.Text, Signatures: signed.Signatures, Root: nhi.DigestOf(emergency.Root)},
		ledger.UseBody{Request: signed.digest()})
	if record := b.foldOf(signed); !record.ExpiresAt.Equal(emergency.NotAfter) {
		t.Errorf("it ends %s, want %s", record.ExpiresAt, emergency.NotAfter)
	}
}

// Terraform's grant of the same id shows the emergency, takes nothing over,
// mends nothing, and revokes at its end.
func TestEmergencyInAPlan(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	emergency := b.emergency()
	request := b.three()
	emergency.Grant = request.Approval
	text := b.ask(request) // nobody approves it
	signed := b.signedBy(emergency, "root", "root2")
	b.grantedBy(b.offline(), signed)
	b.recorded()
	known := Record{Grant: request.Approval}
	for _, live := range []bool{false, true} {
		view := b.look(text, known, live)
		want := map[bool]Status{false: Pending, true: Active}[live]
		if view.Status != want || view.Step != Rest || !strings.Contains(strings.Join(view.Findings, ";"), "INC-1") {
			t.Errorf("live %t: %s, %s, %q", live, view.Status, view.Step, view.Findings)
		}
	}
	b.systems["one"].change(func(objects map[string]*object) {
		for _, o := range objects {
			o.privileges = append(o.privileges, "admin")
		}
	})
	if view := b.look(text, known, true); view.Step != Rest || len(view.Findings) != 2 {
		t.Errorf("drifted: %s, %q", view.Step, view.Findings)
	}
	record := b.fold(text)
	_, err := b.run(nil).Adopt(t.Context(), record, "holder")
	wantError(t, err, ErrOvertaken)
	if _, err := b.run(nil).Repair(t.Context(), record); err == nil {
		t.Error("repaired")
	}
	if _, err := b.run(nil).Activate(t.Context(), Ask{Text: text}, known); !errors.Is(err, nhi.ErrNotApproved) {
		t.Errorf("activate: %v, want ErrNotApproved", err)
	}
	b.pass(4 * time.Hour)
	if view := b.look(text, known, false); view.Step != Revoke || view.Status != Expired {
		t.Errorf("at its end: %s, %s", view.Status, view.Step)
	}
	// Its own approval puts the request in force in place of the emergency.
	b.pass(-time.Hour)
	b.sign("ana", nhi.VerdictApprove, text)
	if record := b.activate(text); record.Held != nhi.DigestOf(text) || !record.ExpiresAt.After(emergency.NotAfter) {
		t.Errorf("held %s until %s", record.Held, record.ExpiresAt)
	}
	b.wantThree()
}

// A record of the emergency in the middle of which another run goes on leaves
// every account on record, and none as in force.
func TestEmergencyIsRecordedAmongOthers(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, _ := b.granted()
	emergency, err := nhi.ParseEmergency(signed.Text)
	must(t, err)
	recorder := b.run(nil)
	life := lifeOf(recorder)
	life.after = func(step string) {
		if step == "write emergency@1" {
			life.after = nil
			b.record(ledger.GrantChain(emergency.Grant), ledger.IntentBody{Verb: ledger.VerbActivate, Activation: 7, Text: "nhi request 1\n", Request: nhi.DigestOf("x")})
		}
	}
	must(t, recorder.Flush(t.Context()))
	record := b.foldOf(signed)
	wantPhase(t, record, PhaseUnfinished)
	if len(record.retired()) != 3 || record.Uses[signed.digest()] != 1 {
		t.Errorf("%q are to go, used %d times", record.retired(), record.Uses[signed.digest()])
	}
	for key, target := range record.Targets {
		if !record.Enabled[target.Nonce] {
			t.Errorf("%s counts as never enabled", key)
		}
	}
	b.pass(StaleAfter)
	b.sweep()
	b.wantHoldings()
}

func TestEmergencyCredential(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, _ := b.granted()
	issued, err := b.offline().IssueEmergency(t.Context(), signed.Text, "one", b.clock)
	must(t, err)
	if issued.Values["password"].Reveal() != "hunter2" || !issued.ExpiresAt.Equal(noon.Add(4*time.Hour)) {
		t.Errorf("issued until %s", issued.ExpiresAt)
	}
	b.recorded()
	if _, err := b.run(nil).IssueEmergency(t.Context(), signed.Text, "one", b.clock); err != nil {
		t.Error(err)
	}
	b.pass(4 * time.Hour)
	for name, e := range map[string]*Engine{"ledger down": b.offline(), "ledger back": b.run(nil)} {
		if _, err := e.IssueEmergency(t.Context(), signed.Text, "one", b.clock); !errors.Is(err, nhi.ErrEnded) {
			t.Errorf("%s, after its end: %v, want ErrEnded", name, err)
		}
	}
	other := b.signedBy(b.emergency(), "root", "root2")
	if _, err := b.offline().IssueEmergency(t.Context(), other.Text, "one", b.clock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("never granted here: %v", err)
	}
}

// A release that does not know emergencies sees the intent, which stands before
// the entry that it cannot read: it grants nothing, and removes every account.
func TestEmergencyBeforeAnOlderRelease(t *testing.T) {
	t.Parallel()
	b := newBreakGlass(t)
	signed, _ := b.granted()
	b.recorded()
	emergency, err := nhi.ParseEmergency(signed.Text)
	must(t, err)
	key := ledger.GrantChain(emergency.Grant) + "/00000002"
	b.memory.Set(key, []byte(strings.Replace(string(b.memory.Value(key)), "emergency@1", "emergency@9", 1)))
	_, err = b.run(nil).Record(t.Context(), emergency.Grant)
	wantError(t, err, ledger.ErrUnknownEntry)
	removal, err := b.run(nil).Revoke(t.Context(), Record{Grant: emergency.Grant}, "by an older release")
	must(t, err)
	if removal.Away == nil || len(removal.Seen) != 3 {
		t.Errorf("away %v, %d targets", removal.Away, len(removal.Seen))
	}
	b.wantHoldings()
}
