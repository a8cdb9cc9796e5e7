package policy_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

var keys = []string{"ana", "ana's token", "ben", "cleo", "dora", "eve", "mallory"}

// drawVotes draws what people may have signed: mostly good, some spoilt.
func drawVotes(t *rapid.T) []vote {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) vote {
		return vote{
			key: rapid.SampledFrom(keys).Draw(t, "key"),
			verdict: rapid.SampledFrom([]nhi.Verdict{
				nhi.VerdictApprove, nhi.VerdictApprove, nhi.VerdictApprove, nhi.VerdictApprove, nhi.VerdictApprove, nhi.VerdictApprove,
				nhi.VerdictDeny, nhi.VerdictWithdraw,
			}).Draw(t, "verdict"),
			at:     time.Duration(rapid.SampledFrom([]int{0, 0, 1, 2, 3, -1}).Draw(t, "hours ago")) * time.Hour,
			seq:    rapid.SampledFrom([]uint64{0, 0, 0, 1, 2, 3, 99}).Draw(t, "head"),
			window: rapid.SampledFrom([]time.Duration{within, within, within, within, within, 2 * time.Hour, within + time.Hour}).Draw(t, "window"),
		}
	}), 0, 8).Draw(t, "votes")
}

// property runs check with a drawn input. Signatures are made once for each
// vote that can be drawn, because they take the time.
func property(t *testing.T, check func(t *rapid.T, document *policy.Document, votes []vote, in policy.Input)) {
	t.Helper()
	document := parse(t, source())
	asked := map[string]policy.Asked{}
	for _, key := range append([]string{""}, keys...) {
		asked[key] = askedBy(t, orders(), key)[0]
	}
	made := map[string]nhi.SignedDecision{}
	rapid.Check(t, func(rt *rapid.T) {
		votes := drawVotes(rt)
		in := policy.Input{Request: orders(), Text: textOf(t, orders()), HashAt: chain, Now: now}
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"eve", "eve", "eve", "ana", "ben", "", "mallory"}), 0, 2).Draw(rt, "asked") {
			in.Asked = append(in.Asked, asked[key])
		}
		for _, v := range votes {
			name := fmt.Sprint(v.key, v.verdict, v.at, v.seq, v.window)
			if _, ok := made[name]; !ok {
				made[name] = v.signed(t)
			}
			in.Decisions = append(in.Decisions, made[name])
		}
		check(rt, document, votes, in)
	})
}

// unordered is a verdict without the order of its sentences.
func unordered(v policy.Verdict) policy.Verdict {
	slices.Sort(v.Reasons)
	return v
}

func TestTheOrderOfDecisionsDoesNotMatter(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, _ []vote, in policy.Input) {
		before := unordered(document.Evaluate(in))
		in.Decisions = rapid.Permutation(in.Decisions).Draw(t, "order")
		if after := unordered(document.Evaluate(in)); !reflect.DeepEqual(before, after) {
			t.Fatalf("before %+v\nafter %+v", before, after)
		}
	})
}

func TestADecisionShownTwiceIsOne(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, _ []vote, in policy.Input) {
		before := unordered(document.Evaluate(in))
		in.Decisions = append(in.Decisions, in.Decisions...)
		if after := unordered(document.Evaluate(in)); !reflect.DeepEqual(before, after) {
			t.Fatalf("before %+v\nafter %+v", before, after)
		}
	})
}

// Removing a person's no may of course approve. Removing a yes never does; the
// one exception would be a yes that ended sooner than an older one of the same
// person, so windows are alike here.
func TestRemovingAYesNeverApproves(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, votes []vote, in policy.Input) {
		windows := map[time.Duration]bool{}
		for _, v := range votes {
			windows[v.window] = true
		}
		if len(windows) != 1 || document.Evaluate(in).Status == policy.StatusApproved {
			return
		}
		for i, v := range votes {
			if v.verdict != nhi.VerdictApprove {
				continue
			}
			rest := in
			rest.Decisions = slices.Delete(slices.Clone(in.Decisions), i, i+1)
			if verdict := document.Evaluate(rest); verdict.Status == policy.StatusApproved {
				t.Fatalf("approved without %+v: %+v", v, verdict)
			}
		}
	})
}

func TestANoNeverApproves(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, votes []vote, in policy.Input) {
		if document.Evaluate(in).Status == policy.StatusApproved {
			return
		}
		verdict := rapid.SampledFrom([]nhi.Verdict{nhi.VerdictDeny, nhi.VerdictWithdraw}).Draw(t, "no")
		key := rapid.SampledFrom(keys).Draw(t, "by")
		// A withdrawal may take back a denial, so without denials here.
		if verdict == nhi.VerdictWithdraw && slices.ContainsFunc(votes, func(v vote) bool { return v.verdict == nhi.VerdictDeny }) {
			return
		}
		added := no(key, verdict, time.Duration(rapid.IntRange(-1, 3).Draw(t, "hours ago"))*time.Hour)
		in.Decisions = append(in.Decisions, added.signed(testingT))
		if got := document.Evaluate(in); got.Status == policy.StatusApproved {
			t.Fatalf("approved by %+v", added)
		}
	})
}

func TestTheRequestersOwnYesNeverApproves(t *testing.T) {
	t.Parallel()
	own := map[string]nhi.SignedDecision{}
	for _, key := range keys {
		own[key] = vote{key: key, seq: 3}.signed(t)
	}
	property(t, func(t *rapid.T, document *policy.Document, _ []vote, in policy.Input) {
		key := rapid.SampledFrom([]string{"ana", "ben", "cleo"}).Draw(t, "requester")
		in.Asked = append(in.Asked, askedBy(testingT, orders(), key)...)
		before := document.Evaluate(in)
		if before.Status == policy.StatusApproved || before.Status == policy.StatusDenied {
			return // a yes may lift one's own denial
		}
		in.Decisions = append(in.Decisions, own[key])
		if key == "ana" {
			in.Decisions = append(in.Decisions, own["ana's token"])
		}
		if after := document.Evaluate(in); after.Status == policy.StatusApproved {
			t.Fatalf("approved by the requester: %+v", after)
		}
	})
}

func TestAnUnprovenRequestNeverHelps(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, _ []vote, in policy.Input) {
		if document.Evaluate(in).Status == policy.StatusApproved {
			return
		}
		in.Asked = append(in.Asked, policy.Asked{})
		if len(in.Asked) > 0 && document.Evaluate(in).Status == policy.StatusApproved {
			t.Fatal("approved")
		}
	})
}

func TestTimeAloneNeverApproves(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, votes []vote, in policy.Input) {
		// But for what is dated in the future and comes true.
		if slices.ContainsFunc(votes, func(v vote) bool { return v.at < 0 }) || document.Evaluate(in).Status == policy.StatusApproved {
			return
		}
		in.Now = in.Now.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "hours")) * time.Hour)
		if verdict := document.Evaluate(in); verdict.Status == policy.StatusApproved {
			t.Fatalf("approved by waiting: %+v", verdict)
		}
	})
}

func TestApprovedMeansEnoughPersons(t *testing.T) {
	t.Parallel()
	property(t, func(t *rapid.T, document *policy.Document, _ []vote, in policy.Input) {
		verdict := document.Evaluate(in)
		if verdict.Status != policy.StatusApproved {
			return
		}
		persons := slices.Compact(slices.Clone(verdict.ApprovedBy))
		if len(persons) < verdict.Needs[0].Want || len(persons) != len(verdict.ApprovedBy) || slices.Contains(persons, verdict.Requester) ||
			!verdict.ActivateBefore.After(in.Now) || !verdict.NotAfter.Equal(verdict.ActivateBefore.Add(in.Request.TTL)) {
			t.Fatalf("got %+v", verdict)
		}
	})
}

// testingT fails by panic: what is signed inside a property cannot fail.
var testingT testing.TB = panicker{}

type panicker struct{ testing.TB }

func (panicker) Helper()           {}
func (panicker) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
