package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

const foldGrant nhi.ApprovalID = "production/payments/etl/orders-etl:default"

// chainOf writes bodies as a chain; the hashes are those of a ledger.
func chainOf(bodies ...ledger.Body) ledger.Chain {
	chain := ledger.Chain{Name: ledger.GrantChain(foldGrant)}
	for _, body := range bodies {
		head := chain.Head()
		chain.Entries = append(chain.Entries, ledger.Entry{
			Ledger: strings.Repeat("0", 32), Chain: chain.Name, Seq: head.Seq + 1, Prev: head.Hash, Time: noon, Writer: "test", Body: body,
		})
	}
	return chain
}

// target is one with a nonce of its own.
func target(nonce string) ledger.Target {
	return ledger.Target{System: "one", Kind: "fake", Endpoint: "one:1", Principal: "p", Nonce: nonce}
}

func intentOf(verb string, request nhi.Digest, activation int, targets map[string]ledger.Target) ledger.IntentBody {
	return ledger.IntentBody{Verb: verb, Request: request, Text: string(request), Activation: activation, Targets: targets}
}

func seen(state, open string, keys ...string) map[string]ledger.Verified {
	verified := map[string]ledger.Verified{}
	for _, key := range keys {
		verified[key] = ledger.Verified{State: state, Open: open}
	}
	return verified
}

func effectOf(epoch uint64) ledger.Body {
	return ledger.EffectBody{Epoch: epoch, Step: "prepare"}
}

func verified(epoch uint64, state, open string, keys ...string) ledger.Body {
	return ledger.VerificationBody{Epoch: epoch, Targets: seen(state, open, keys...)}
}

func useOf(epoch uint64, activation int, request nhi.Digest) ledger.Body {
	return ledger.UseBody{Epoch: epoch, Activation: activation, Request: request}
}

// liveChain is an activation of asked, with entries 1 to 4, and then more.
func liveChain(more ...ledger.Body) []ledger.Body {
	a := map[string]ledger.Target{"a": target("n1"), "b": target("n2")}
	return append([]ledger.Body{
		intentOf(ledger.VerbActivate, asked, 1, a), effectOf(1), verified(1, "active", "", "a", "b"), useOf(1, 1, asked),
	}, more...)
}

func TestFold(t *testing.T) {
	t.Parallel()
	a := map[string]ledger.Target{"a": target("n1"), "b": target("n2")}
	wider := map[string]ledger.Target{"a": target("n3"), "c": target("n4")}
	block, lift := ledger.BlockBody{By: "ben", Reason: "x"}, ledger.LiftBody{By: "ben"}
	cases := []struct {
		name    string
		bodies  []ledger.Body
		phase   Phase
		targets string // key=nonce
		uses    int    // of asked
		check   func(Record) bool
	}{
		{"empty", nil, PhaseNone, "", 0, nil},
		{"begun", []ledger.Body{intentOf(ledger.VerbActivate, asked, 1, a)}, PhaseUnfinished, "a=n1 b=n2", 0,
			func(r Record) bool { return !r.Enabled["n1"] && r.Held == "" && !r.Changing() }},
		{"prepared", []ledger.Body{intentOf(ledger.VerbActivate, asked, 1, a), effectOf(1)}, PhaseUnfinished, "a=n1 b=n2", 0,
			func(r Record) bool { return r.Enabled["n1"] && r.Enabled["n2"] }},
		{"begun again after it was prepared", []ledger.Body{intentOf(ledger.VerbActivate, asked, 1, a), effectOf(1), intentOf(ledger.VerbActivate, asked, 1, a)},
			PhaseUnfinished, "a=n1 b=n2", 0, func(r Record) bool { return r.Enabled["n1"] }},
		{"active", liveChain(), PhaseActive, "a=n1 b=n2", 1, func(r Record) bool { return r.Held == asked && r.Activation == 1 }},
		{"the same use twice", liveChain(useOf(1, 1, asked)), PhaseActive, "a=n1 b=n2", 1, nil},
		{"a use of nobody's counts and gives nothing", []ledger.Body{useOf(7, 1, asked)}, PhaseNone, "", 1, nil},
		{"a use after the removal counts and gives nothing", liveChain(intentOf(ledger.VerbRevoke, asked, 1, a), useOf(1, 1, asked)), PhaseRevoking, "a=n1 b=n2", 2, nil},
		{"blocked", liveChain(block), PhaseActive, "a=n1 b=n2", 1, func(r Record) bool { return r.Blocked == "ben: x" && r.Epoch == 5 }},
		{"a lift that nobody signed", liveChain(block, lift), PhaseActive, "a=n1 b=n2", 1, func(r Record) bool { return r.Blocked == "ben: x" && r.BlockedAt == 5 }},
		{"activated after a block", liveChain(block, intentOf(ledger.VerbActivate, older, 2, a), useOf(6, 2, older)), PhaseActive, "a=n1 b=n2", 1,
			func(r Record) bool { return r.Blocked == "" && r.BlockedAt == 0 }},
		{"blocked during an activation", []ledger.Body{intentOf(ledger.VerbActivate, asked, 1, a), block, useOf(1, 1, asked)}, PhaseActive, "a=n1 b=n2", 1,
			func(r Record) bool { return r.Blocked == "ben: x" }},
		{"change begun", liveChain(intentOf(ledger.VerbActivate, older, 2, wider)), PhaseUnfinished, "a=n3 a@5=n1 b@5=n2 c=n4", 1,
			func(r Record) bool { return r.Changing() && r.Held == asked }},
		{"change done", liveChain(intentOf(ledger.VerbActivate, older, 2, wider), effectOf(5), useOf(5, 2, older)), PhaseActive, "a=n3 a@5=n1 b@5=n2 c=n4", 1,
			func(r Record) bool { return r.Held == older && r.Activation == 2 && r.Uses[older] == 1 }},
		{"what was replaced goes", liveChain(intentOf(ledger.VerbActivate, older, 2, wider), useOf(5, 2, older), verified(5, "absent", "", "a@5", "b@5")),
			PhaseActive, "a=n3 c=n4", 1, nil},
		{"what was replaced stays open", liveChain(intentOf(ledger.VerbActivate, older, 2, wider), useOf(5, 2, older), verified(5, "active", "down", "a@5"), verified(5, "absent", "", "b@5")),
			PhaseActive, "a=n3 a@5=n1 c=n4", 1, nil},
		{"a wished target that is absent is not forgotten", liveChain(intentOf(ledger.VerbRepair, asked, 1, a), verified(5, "absent", "", "a")),
			PhaseActive, "a=n1 b=n2", 1, nil},
		{"change put back", liveChain(intentOf(ledger.VerbActivate, older, 2, wider),
			intentOf(ledger.VerbRepair, asked, 1, map[string]ledger.Target{"a": target("n1"), "b": target("n2"), "a@6": target("n3"), "c@6": target("n4")}),
			verified(6, "absent", "", "a@6", "c@6")),
			PhaseActive, "a=n1 b=n2", 1, func(r Record) bool { return r.Held == asked && r.Activation == 1 && !r.Changing() }},
		{"repair with a new account", liveChain(intentOf(ledger.VerbRepair, asked, 1, map[string]ledger.Target{"a": target("n5"), "b": target("n2")})),
			PhaseActive, "a=n5 b=n2", 1, func(r Record) bool { return !r.Enabled["n5"] && r.Enabled["n2"] }},
		{"revoking", liveChain(intentOf(ledger.VerbRevoke, asked, 1, a)), PhaseRevoking, "a=n1 b=n2", 1, nil},
		{"one is open", liveChain(intentOf(ledger.VerbRevoke, asked, 1, a), verified(5, "absent", "", "a"), verified(5, "active", "down", "b")), PhaseRevoking, "b=n2", 1, nil},
		{"revoked", liveChain(intentOf(ledger.VerbRevoke, asked, 1, a), verified(5, "absent", "", "a", "b")), PhaseRevoked, "", 1,
			func(r Record) bool { return r.Held == asked && !r.Destroyed }},
		{"words of an earlier epoch say nothing", liveChain(intentOf(ledger.VerbRevoke, asked, 1, a), verified(1, "absent", "", "a", "b")), PhaseRevoking, "a=n1 b=n2", 1, nil},
		{"a change that was revoked leaves nothing behind to go back to",
			liveChain(intentOf(ledger.VerbActivate, older, 2, wider), intentOf(ledger.VerbRevoke, asked, 2, wider), verified(6, "absent", "", "a", "c", "a@5", "b@5"),
				intentOf(ledger.VerbActivate, older, 3, wider)), PhaseUnfinished, "a=n3 c=n4", 1, func(r Record) bool { return !r.Changing() }},
		{"undone", []ledger.Body{intentOf(ledger.VerbActivate, asked, 1, a), intentOf(ledger.VerbUndo, asked, 1, a), verified(2, "absent", "", "a", "b")}, PhaseNone, "", 0, nil},
		{"undone after its use was recorded unseen", liveChain(intentOf(ledger.VerbUndo, asked, 1, a), verified(5, "absent", "", "a", "b")), PhaseNone, "", 0, nil},
		{"not quite undone after its use was recorded unseen", liveChain(intentOf(ledger.VerbUndo, asked, 1, a), verified(5, "absent", "", "a")), PhaseRevoking, "b=n2", 1, nil},
		{"a removal of something that was never on record was perhaps enabled", []ledger.Body{intentOf(ledger.VerbRevoke, asked, 1, a)}, PhaseRevoking, "a=n1 b=n2", 0,
			func(r Record) bool { return r.Enabled["n1"] }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			record := Fold(foldGrant, chainOf(c.bodies...))
			var targets []string
			for _, key := range slices.Sorted(maps.Keys(record.Targets)) {
				targets = append(targets, key+"="+record.Targets[key].Nonce)
			}
			if got := strings.Join(targets, " "); record.Phase != c.phase || got != c.targets || record.Uses[asked] != c.uses {
				t.Errorf("phase %q, targets %q, uses %d; want %q, %q, %d", record.Phase, got, record.Uses[asked], c.phase, c.targets, c.uses)
			}
			if c.check != nil && !c.check(record) {
				t.Errorf("record = %+v", record)
			}
		})
	}
}

// A removal is late if access was given behind the head that it relied on, or
// if that head is not of this chain.
func TestFoldLateRemoval(t *testing.T) {
	t.Parallel()
	a := map[string]ledger.Target{"a": target("n1"), "b": target("n2")}
	base := chainOf(liveChain()...)
	removal := func(head nhi.Head) ledger.IntentBody {
		intent := intentOf(ledger.VerbRevoke, asked, 1, a)
		intent.Heads = map[string]nhi.Head{base.Name: head}
		return intent
	}
	gone := verified(0, "absent", "", "a", "b")
	repair := intentOf(ledger.VerbRepair, asked, 1, a)
	block := ledger.BlockBody{By: "ben", Reason: "x"}
	cases := []struct {
		name  string
		more  []ledger.Body
		phase Phase
	}{
		{"in time", []ledger.Body{removal(base.Head()), gone}, PhaseRevoked},
		{"behind a block", []ledger.Body{block, removal(base.Head()), gone}, PhaseRevoked},
		{"behind another removal", []ledger.Body{removal(base.Head()), removal(base.Head()), gone}, PhaseRevoked},
		{"behind a repair", []ledger.Body{repair, removal(base.Head()), gone}, PhaseActive},
		{"of another history", []ledger.Body{removal(nhi.Head{Seq: 2, Hash: nhi.DigestOf("other")}), gone}, PhaseActive},
		{"of a longer history", []ledger.Body{removal(nhi.Head{Seq: 99, Hash: nhi.DigestOf("other")}), gone}, PhaseActive},
		{"of no history", []ledger.Body{removal(nhi.Head{}), gone}, PhaseActive},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			record := Fold(foldGrant, chainOf(liveChain(append(c.more, block)...)...))
			wantPhase(t, record, c.phase)
			if record.Blocked == "" {
				t.Error("the block is not seen")
			}
		})
	}
}

// Whatever stands in a chain, no account that an intent named is lost before
// its own removal was verified, and nothing is active without a use.
func TestFoldForgetsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var bodies []ledger.Body
		made, used, removed := map[string]bool{}, false, false
		for i := range rapid.IntRange(1, 12).Draw(t, "entries") {
			epoch := uint64(rapid.IntRange(0, i+1).Draw(t, "epoch"))
			switch rapid.IntRange(0, 5).Draw(t, "entry") {
			case 0, 1:
				verb := rapid.SampledFrom([]string{ledger.VerbActivate, ledger.VerbActivate, ledger.VerbRevoke, ledger.VerbUndo}).Draw(t, "verb")
				targets := map[string]ledger.Target{}
				for _, key := range []string{"a", "b", "b@2", "b@3"} {
					if rapid.Bool().Draw(t, key) {
						nonce := fmt.Sprintf("n%d", rapid.IntRange(0, 5).Draw(t, "nonce"))
						if key != "a" {
							nonce = "m" + nonce
						}
						targets[key], made[nonce] = target(nonce), true
					}
				}
				bodies = append(bodies, intentOf(verb, asked, 1, targets))
			case 2:
				bodies = append(bodies, effectOf(epoch))
			case 3:
				removed = true
				bodies = append(bodies, verified(epoch, "absent", "", "a"))
			case 4:
				used = true
				bodies = append(bodies, useOf(epoch, 1, asked))
			case 5:
				bodies = append(bodies, ledger.BlockBody{By: "ben"})
			}
		}
		record := Fold(foldGrant, chainOf(bodies...))
		if record.Phase == PhaseActive && !used {
			t.Fatalf("active without a use: %+v", record)
		}
		kept := nonces(record.Targets)
		for nonce := range made {
			if !kept[nonce] && !removed {
				t.Fatalf("%s is forgotten: %v", nonce, record.Targets)
			}
			if !kept[nonce] && strings.HasPrefix(nonce, "m") {
				t.Fatalf("%s was never verified as gone: %v", nonce, record.Targets)
			}
		}
		if (record.Phase == PhaseNone || record.Phase == PhaseRevoked) && len(record.Targets) > 0 {
			t.Fatalf("%q with %v", record.Phase, record.Targets)
		}
	})
}
