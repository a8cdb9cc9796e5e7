package lifecycle

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

const (
	asked nhi.Digest = "sha256:asked"
	older nhi.Digest = "sha256:older"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	past, future := noon.Add(-time.Hour), noon.Add(time.Hour)
	active := Facts{Phase: PhaseActive, Held: asked, ExpiresAt: future, Live: true, Now: noon}
	changing := Facts{Phase: PhaseUnfinished, Changing: true, Held: older, ExpiresAt: future, Live: true, Now: noon}
	with := func(f Facts, change func(*Facts)) Facts { change(&f); return f }
	wish := Wish{Request: asked, Identity: nhi.IdentityActive}
	cases := []struct {
		name   string
		wish   Wish
		facts  Facts
		status Status
		step   Step
	}{
		{"nothing yet", wish, Facts{Now: noon}, Pending, Rest},
		{"approved", wish, Facts{Approved: true, Now: noon}, Approved, Activate},
		{"approved, and the time is not known", wish, Facts{Approved: true}, Approved, Activate},
		{"approved, and the wish is not known", Wish{}, Facts{Approved: true, Now: noon}, Pending, Rest},
		{"active", wish, active, Active, Rest},
		{"expired", wish, with(active, func(f *Facts) { f.ExpiresAt = past }), Expired, Revoke},
		{"expired this second", wish, with(active, func(f *Facts) { f.ExpiresAt = noon }), Expired, Revoke},
		{"expired, and the time is not known", wish, with(active, func(f *Facts) { f.ExpiresAt, f.Now = past, time.Time{} }), Active, Rest},
		{"expired, and drifted", wish, with(active, func(f *Facts) { f.ExpiresAt, f.Drift = past, []string{"x"} }), Expired, Revoke},
		{"expired, and not live in state", wish, with(active, func(f *Facts) { f.ExpiresAt, f.Live = past, false }), Expired, Revoke},
		{"expired, and another is approved", wish, with(active, func(f *Facts) { f.ExpiresAt, f.Held, f.Approved = past, older, true }), Approved, Activate},
		{"drifted", wish, with(active, func(f *Facts) { f.Drift = []string{"x"} }), Drifted, Repair},
		{"drifted, and more is approved", wish, with(active, func(f *Facts) { f.Drift, f.Held, f.Approved = []string{"x"}, older, true }), Approved, Activate},
		{"another request is wished and not approved", wish, with(active, func(f *Facts) { f.Held = older }), Active, Rest},
		{"a renewal is approved", wish, with(active, func(f *Facts) { f.Held, f.Approved = older, true }), Approved, Activate},
		{"the approval of what is in force changes nothing", wish, with(active, func(f *Facts) { f.Approved = true }), Active, Rest},
		{"state lost", wish, with(active, func(f *Facts) { f.Live = false }), Approved, Adopt},
		{"state lost, another is wished", wish, with(active, func(f *Facts) { f.Live, f.Held = false, older }), Approved, Adopt},
		{"state lost, another is wished and approved", wish, with(active, func(f *Facts) { f.Live, f.Held, f.Approved = false, older, true }), Approved, Activate},
		{"another value of the trigger", Wish{Request: asked, Identity: nhi.IdentityActive, Trigger: "2"}, with(active, func(f *Facts) { f.Approved, f.Again, f.Trigger = true, true, "1" }), Approved, Activate},
		{"the same value of the trigger", Wish{Request: asked, Identity: nhi.IdentityActive, Trigger: "1"}, with(active, func(f *Facts) { f.Approved, f.Again, f.Trigger = true, true, "1" }), Active, Rest},
		{"a trigger that was used, and the term ended", Wish{Request: asked, Identity: nhi.IdentityActive, Trigger: "1"}, with(active, func(f *Facts) { f.Again, f.Trigger, f.ExpiresAt = true, "1", past }), Expired, Revoke},
		{"ended", wish, with(active, func(f *Facts) { f.Ended = "blocked" }), Ended, Revoke},
		{"ended beats approved", wish, with(active, func(f *Facts) { f.Ended, f.Held, f.Approved = "blocked", older, true }), Ended, Revoke},
		{"ended beats expired", wish, with(active, func(f *Facts) { f.Ended, f.ExpiresAt = "blocked", past }), Ended, Revoke},
		{"identity disabled", Wish{Request: asked, Identity: nhi.IdentityDisabled}, active, Ended, Revoke},
		{"identity not known yet", Wish{Request: asked}, active, Active, Rest},
		{"identity disabled, nothing held", Wish{Request: asked, Identity: nhi.IdentityDisabled}, Facts{Approved: true, Now: noon}, Pending, Rest},
		{"identity disabled, revoked", Wish{Request: asked, Identity: nhi.IdentityDisabled}, Facts{Phase: PhaseRevoked, Now: noon}, Revoked, Rest},
		{"revoked rests", wish, Facts{Phase: PhaseRevoked, Held: asked, Now: noon}, Revoked, Rest},
		{"revoked, and the state believes it live", wish, Facts{Phase: PhaseRevoked, Live: true, Now: noon}, Ended, Revoke},
		{"never there, and the state believes it live", wish, Facts{Live: true, Approved: true, Now: noon}, Ended, Revoke},
		{"revoked, and another is approved", wish, Facts{Phase: PhaseRevoked, Held: older, Approved: true, Now: noon}, Approved, Activate},
		{"revoking", wish, Facts{Phase: PhaseRevoking, Now: noon}, Revoking, Revoke},
		{"revoking beats everything", wish, Facts{Phase: PhaseRevoking, Approved: true, Ended: "x", Drift: []string{"x"}, Live: true, Now: noon}, Revoking, Revoke},
		{"unfinished, approved", wish, Facts{Phase: PhaseUnfinished, Approved: true, Now: noon}, Approved, Activate},
		{"unfinished, not approved", wish, Facts{Phase: PhaseUnfinished, Now: noon}, Revoking, Revoke},
		{"unfinished, ended", wish, Facts{Phase: PhaseUnfinished, Approved: true, Ended: "x", Now: noon}, Revoking, Revoke},
		{"unfinished, and the wish is not known", Wish{}, Facts{Phase: PhaseUnfinished, Approved: true, Now: noon}, Revoking, Revoke},
		{"changing, approved", wish, with(changing, func(f *Facts) { f.Approved = true }), Approved, Activate},
		{"changing, not approved any more", wish, changing, Drifted, Repair},
		{"changing, and what was in force is wished again", Wish{Request: older, Identity: nhi.IdentityActive}, changing, Drifted, Repair},
		{"changing, expired", wish, with(changing, func(f *Facts) { f.ExpiresAt = past }), Expired, Revoke},
		{"changing, ended", wish, with(changing, func(f *Facts) { f.Ended, f.Approved = "x", true }), Ended, Revoke},
		{"changing, state lost", Wish{Request: older, Identity: nhi.IdentityActive}, with(changing, func(f *Facts) { f.Live = false }), Drifted, Repair},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Decide(c.wish, c.facts); got.Status != c.status || got.Step != c.step {
				t.Errorf("got %s, %s (%q), want %s, %s", got.Status, got.Step, got.Findings, c.status, c.step)
			}
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for status, want := range map[Status]Status{
		Pending: Pending, Active: Active, Revoked: Revoked, Revoking: Revoked, Ended: Revoked, Expired: Revoked, Approved: Active, Drifted: Active,
	} {
		if got := next(status); got != want {
			t.Errorf("%s goes to %s, want %s", status, got, want)
		}
	}
}

func drawFacts(t *rapid.T) (Wish, Facts) {
	times := rapid.SampledFrom([]time.Time{{}, noon.Add(-time.Hour), noon, noon.Add(time.Hour)})
	digests := rapid.SampledFrom([]nhi.Digest{"", asked, older})
	words := rapid.SampledFrom([]string{"", "because"})
	wish := Wish{Request: digests.Draw(t, "wished"), Identity: rapid.SampledFrom([]nhi.IdentityStatus{
		"", nhi.IdentityActive, nhi.IdentityDisabled, nhi.IdentityExpired, nhi.IdentityOrphaned, nhi.IdentityDeleted,
	}).Draw(t, "identity"), Trigger: rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "trigger")}
	facts := Facts{
		Phase:    rapid.SampledFrom([]Phase{PhaseNone, PhaseUnfinished, PhaseActive, PhaseRevoking, PhaseRevoked}).Draw(t, "phase"),
		Changing: rapid.Bool().Draw(t, "changing"), Held: digests.Draw(t, "held"), ExpiresAt: times.Draw(t, "expires"),
		Again: rapid.Bool().Draw(t, "again"), Trigger: rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "in force for"), Covered: rapid.Bool().Draw(t, "covered"),
		Live: rapid.Bool().Draw(t, "live"), Approved: rapid.Bool().Draw(t, "approved"), Ended: words.Draw(t, "ended"), Now: times.Draw(t, "now"),
	}
	if drift := words.Draw(t, "drift"); drift != "" {
		facts.Drift = []string{drift}
	}
	return wish, facts
}

// From any facts: no access without approval, none left behind, and every
// step ends where its status says.
func TestDecideHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wish, facts := drawFacts(t)
		got := Decide(wish, facts)
		holds := facts.Phase == PhaseActive || facts.Phase == PhaseUnfinished
		ended := facts.Ended != "" || wish.Identity != "" && wish.Identity != nhi.IdentityActive
		late := overdue(facts.Now, facts.ExpiresAt)
		same := facts.Phase == PhaseActive && facts.Held == wish.Request && (!facts.Again || facts.Trigger == wish.Trigger)
		switch {
		case !reflect.DeepEqual(got, Decide(wish, facts)):
			t.Fatalf("the same facts, decided otherwise: %+v", got)
		case facts.Phase == PhaseRevoking && got.Step != Revoke:
			t.Fatalf("revoking goes to %+v", got)
		case facts.Phase == PhaseActive && late && got.Step == Rest:
			t.Fatalf("expired access is left to rest: %+v", got)
		case facts.Phase == PhaseUnfinished && got.Step == Rest:
			t.Fatalf("an unfinished activation is left to rest: %+v", got)
		case ended && holds && got.Step != Revoke:
			t.Fatalf("ended access is not revoked: %+v", got)
		case ended && (got.Step == Activate || got.Step == Repair):
			t.Fatalf("given although ended: %+v", got)
		case got.Step == Activate && !facts.Approved:
			t.Fatalf("activated without an approval: %+v", got)
		case got.Step == Activate && wish.Request == "":
			t.Fatalf("activated without a wish: %+v", got)
		case got.Step == Adopt && (facts.Phase != PhaseActive || facts.Live || late):
			t.Fatalf("adopted what is not in force: %+v", got)
		case got.Step == Repair && !holds:
			t.Fatalf("repaired without anything in force: %+v", got)
		case facts.Phase == PhaseActive && facts.Approved && !ended && wish.Request != "" && !same && !(facts.Covered && late) && got.Step != Activate:
			t.Fatalf("what is approved, less among it, is blocked: %+v", got)
		case facts.Now.IsZero() && got.Status == Expired:
			t.Fatalf("an unknown time ends access: %+v", got)
		}
		wantEnd := map[Step]Status{Activate: Active, Adopt: Active, Repair: Active, Revoke: Revoked}
		if end, moves := wantEnd[got.Step]; moves && next(got.Status) != end || !moves && next(got.Status) != got.Status {
			t.Fatalf("the status %s does not tell of the step %s", got.Status, got.Step)
		}
	})
}

// Whatever time does to a live grant, more of it never brings access back.
func TestDecideTimeOnlyEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wish, facts := drawFacts(t)
		if facts.Now.IsZero() {
			t.Skip("time is not known")
		}
		before, later := Decide(wish, facts), facts
		later.Now = facts.Now.Add(time.Hour)
		after := Decide(wish, later)
		if before.Step == Revoke && after.Step != Revoke {
			t.Fatalf("%+v becomes %+v", before, after)
		}
	})
}

// next says what apply makes of a status: the right-hand side of a plan's
// arrow. A revoking grant only ever becomes revoked.
func next(status Status) Status {
	switch status {
	case Approved, Drifted:
		return Active
	case Expired, Ended, Revoking:
		return Revoked
	default:
		return status
	}
}
