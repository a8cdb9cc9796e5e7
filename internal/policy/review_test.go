package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

const breakGlass = "quorum \"security\" { count = 1 }\n review \"data\" {\n count = 1\n within = \"24h\"\n}"

// A review counts by whoever neither asked nor approved, made after the
// activation; a missing one is overdue after its time, and not before.
func TestReview(t *testing.T) {
	t.Parallel()
	document := parse(t, classes(rule("break glass", breakGlass)+rule("later", oneOfSecurity)))
	began := now.Add(-time.Hour)
	review := func(key string, seq uint64) vote { return vote{key: key, verdict: nhi.VerdictReview, seq: seq} }
	for name, c := range map[string]struct {
		approved []vote
		reviews  []vote
		asked    string
		want     []string
	}{
		"nobody":                        {[]vote{yes("ben")}, nil, "eve", nil},
		"one of data":                   {[]vote{yes("ben")}, []vote{review("finn", 5)}, "eve", []string{person("finn")}},
		"before the activation":         {[]vote{yes("ben")}, []vote{review("finn", 3)}, "eve", nil},
		"of another group":              {[]vote{yes("ben")}, []vote{review("ana", 5)}, "eve", nil},
		"a stranger":                    {[]vote{yes("ben")}, []vote{review("mallory", 5)}, "eve", nil},
		"who approved":                  {[]vote{yes("dora")}, []vote{review("dora", 5)}, "eve", nil},
		"who approved and took it back": {[]vote{yes("dora"), no("dora", nhi.VerdictWithdraw, 0)}, []vote{review("dora", 5)}, "eve", nil},
		"who asked":                     {[]vote{yes("ben")}, []vote{review("finn", 5)}, "finn", nil},
		"on another record":             {[]vote{yes("ben")}, []vote{review("finn", 99)}, "eve", nil},
		"an approval is none":           {[]vote{yes("ben")}, []vote{{key: "finn", seq: 5}}, "eve", nil},
	} {
		in := input(t, orders(), c.approved...)
		in.Asked = askedBy(t, orders(), c.asked)
		for i := range c.reviews {
			c.reviews[i].request = orders()
		}
		block := policy.Block{Seq: 5, HashAt: chain, Decisions: signAll(t, c.reviews...)}
		state := document.Review(in, policy.Activation{Block: block, At: began})
		if !slices.Equal(state.By, c.want) {
			t.Errorf("%s: by %v, want %v: %q", name, state.By, c.want, state.Reasons)
		}
		due := began.Add(24 * time.Hour)
		missing := len(c.want) == 0
		if missing != state.Due().Equal(due) || state.Overdue(due.Add(-time.Second)) || state.Overdue(due) != missing || state.Overdue(time.Time{}) {
			t.Errorf("%s: due %s", name, state.Due())
		}
	}
	plain := parse(t, classes(rule("a", oneOfSecurity)))
	if state := plain.Review(input(t, orders()), policy.Activation{At: began}); len(state.Needs) != 0 || !state.Due().IsZero() || state.Overdue(now.Add(1e6*time.Hour)) {
		t.Errorf("without a review block: %+v", state)
	}
}

// A review is no yes and no no: it changes nothing about the approval.
func TestAReviewDecidesNothing(t *testing.T) {
	t.Parallel()
	document := parse(t, source())
	for _, votes := range [][]vote{{yes("ben")}, {yes("ben"), yes("cleo")}, {no("ben", nhi.VerdictDeny, 0)}, {}} {
		in := input(t, orders(), votes...)
		before := document.Evaluate(in)
		in.Decisions = append(in.Decisions, vote{key: "cleo", verdict: nhi.VerdictReview}.signed(t), vote{key: "ben", verdict: nhi.VerdictReview, seq: 9}.signed(t))
		if after := document.Evaluate(in); after.Status != before.Status || !slices.Equal(after.ApprovedBy, before.ApprovedBy) {
			t.Errorf("%s became %s", before.Status, after.Status)
		}
	}
}
