package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// blockAt is where the block of these tests stands.
const blockAt = 5

// lift is a lift by a person who has seen the block.
func lift(key string) vote { return vote{key: key, verdict: nhi.VerdictLift, seq: blockAt} }

func lifted(t testing.TB, document *policy.Document, request nhi.Request, asked []policy.Asked, votes ...vote) policy.Lift {
	t.Helper()
	for i := range votes {
		if votes[i].request.Ledger == "" {
			votes[i].request = request
		}
	}
	in := policy.Input{Request: request, Text: textOf(t, request), Asked: asked, Now: now}
	return document.Lift(in, policy.Block{Seq: blockAt, HashAt: chain, Decisions: signAll(t, votes...)})
}

func TestLiftTakesTheQuorum(t *testing.T) {
	t.Parallel()
	other := orders()
	other.Approval = "production/payments/etl/other:default"
	wider := orders()
	wider.TTL = 48 * time.Hour
	for name, c := range map[string]struct {
		votes []vote
		want  bool
		why   string
	}{
		"nobody":                        {nil, false, "takes 2 more of security"},
		"one of two":                    {[]vote{lift("ana")}, false, "takes 1 more of security"},
		"two of two":                    {[]vote{lift("ana"), lift("ben")}, true, ""},
		"one person with two keys":      {[]vote{lift("ana"), lift("ana's token")}, false, "1 more"},
		"the requester":                 {[]vote{lift("ana"), lift("eve")}, false, "eve@example.com asked for this access and lifted"},
		"a stranger":                    {[]vote{lift("ana"), lift("mallory")}, false, "belongs to nobody"},
		"approvals lift nothing":        {[]vote{{key: "ana", seq: blockAt}, {key: "ben", seq: blockAt}}, false, "2 more"},
		"blocks lift nothing":           {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictBlock, seq: blockAt}}, false, "1 more"},
		"signed later on the record":    {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: 9}}, true, ""},
		"an old lift for a newer block": {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: blockAt - 1}}, false, "is of before the block"},
		"on another record":             {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: 99}}, false, "not in this one"},
		"dated in the future":           {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: blockAt, at: -time.Hour}}, false, "dated in the future"},
		"with too long a window":        {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: blockAt, window: within + time.Hour}}, false, "the policy allows"},
		"long ago":                      {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: blockAt, at: 1000 * time.Hour}}, true, ""},
		"about another approval":        {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: blockAt, request: other}}, false, "1 more"},
		"about another request of it":   {[]vote{lift("ana"), {key: "ben", verdict: nhi.VerdictLift, seq: blockAt, request: wider}}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := lifted(t, parse(t, source()), orders(), askedBy(t, orders(), "eve"), c.votes...)
			if got.Lifted != c.want || !strings.Contains(strings.Join(got.Reasons, "\n"), c.why) {
				t.Errorf("lifted = %t by %v, want %t and %q: %q", got.Lifted, got.By, c.want, c.why, got.Reasons)
			}
		})
	}
}

func TestLiftFollowsThePolicyInForce(t *testing.T) {
	t.Parallel()
	two := []vote{lift("ana"), lift("ben")}
	without := strings.Replace(source(), keyOf("ben"), keyOf("somebody new"), 1)
	expired := strings.Replace(source(), "2031-01-01", "2029-01-01", 1)
	for name, c := range map[string]struct {
		source string
		asked  []policy.Asked
		votes  []vote
		want   bool
	}{
		"as it was":                    {source(), askedBy(t, orders(), "eve"), two, true},
		"an approver has left":         {without, askedBy(t, orders(), "eve"), two, false},
		"it has expired":               {expired, askedBy(t, orders(), "eve"), two, false},
		"the requester is not proven":  {source(), nil, two, false},
		"one more where not proven":    {source(), nil, append(two, lift("cleo")), true},
		"the requester is one of them": {source(), askedBy(t, orders(), "ana"), two, false},
		"besides the requester":        {source(), askedBy(t, orders(), "ana"), append(two, lift("cleo")), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := lifted(t, parse(t, c.source), orders(), c.asked, c.votes...); got.Lifted != c.want {
				t.Errorf("lifted = %t by %v, want %t: %q", got.Lifted, got.By, c.want, got.Reasons)
			}
		})
	}
}

func TestLiftWhereNoApprovalIsNeeded(t *testing.T) {
	t.Parallel()
	sandbox := orders()
	sandbox.Approval = "sandbox/payments/etl/orders-etl:default"
	sandbox.Access = nhi.Accesses{"db": access("orders", "postgres", "sandbox:5432/orders")}
	for key, want := range map[string]bool{"ana": true, "dora": true, "eve": false, "mallory": false} {
		if got := lifted(t, parse(t, source()), sandbox, nil, lift(key)); got.Lifted != want {
			t.Errorf("%s: lifted = %t: %q", key, got.Lifted, got.Reasons)
		}
	}
	if got := lifted(t, parse(t, source()), sandbox, nil); got.Lifted || !slices.Equal(got.Missing(), []string{`1 more of any group (rule "sandbox")`}) {
		t.Errorf("nobody: %+v", got)
	}
}

// Whoever signs whatever in whatever order, a block is lifted only by as many
// persons who have seen it as an approval would take.
func TestLiftProperties(t *testing.T) {
	t.Parallel()
	document, asked := parse(t, source()), askedBy(t, orders(), "eve")
	made := map[string]nhi.SignedDecision{}
	rapid.Check(t, func(rt *rapid.T) {
		var decisions []nhi.SignedDecision
		good := map[string]bool{}
		for range rapid.IntRange(0, 6).Draw(rt, "votes") {
			v := vote{
				key:     rapid.SampledFrom(keys).Draw(rt, "key"),
				verdict: rapid.SampledFrom([]nhi.Verdict{nhi.VerdictLift, nhi.VerdictLift, nhi.VerdictApprove, nhi.VerdictBlock}).Draw(rt, "verdict"),
				seq:     rapid.SampledFrom([]uint64{4, 5, 5, 6, 99}).Draw(rt, "head"),
			}
			name := fmt.Sprint(v.key, v.verdict, v.seq)
			if _, ok := made[name]; !ok {
				made[name] = v.signed(t)
			}
			decisions = append(decisions, made[name])
			if v.verdict == nhi.VerdictLift && (v.seq == 5 || v.seq == 6) && v.key != "eve" && v.key != "mallory" {
				good[strings.TrimSuffix(v.key, "'s token")] = true
			}
		}
		in := policy.Input{Request: orders(), Text: textOf(t, orders()), Asked: asked, Now: now}
		got := document.Lift(in, policy.Block{Seq: blockAt, HashAt: chain, Decisions: decisions})
		if got.Lifted != (len(good) >= 2) || len(got.By) != len(good) {
			rt.Fatalf("lifted = %t by %v, and %v signed a good lift", got.Lifted, got.By, good)
		}
		shuffled := rapid.Permutation(decisions).Draw(rt, "order")
		again := document.Lift(in, policy.Block{Seq: blockAt, HashAt: chain, Decisions: append(shuffled, shuffled...)})
		if again.Lifted != got.Lifted || !reflect.DeepEqual(again.By, got.By) {
			rt.Fatalf("in another order: %+v, not %+v", again, got)
		}
	})
}
