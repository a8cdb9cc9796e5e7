package policy_test

import (
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// early is a vote on a request that was not on record when it was signed.
func early(key string, verdict nhi.Verdict, at time.Duration) vote {
	return vote{key: key, verdict: verdict, at: at, change: func(d *nhi.Decision) { d.Head = nhi.Unrecorded(d.Request) }}
}

// TestDecisionBeforeTheRecord: what was signed on a plan counts for that text
// alone, has seen nothing of a record, and is behind whatever was signed on one.
func TestDecisionBeforeTheRecord(t *testing.T) {
	t.Parallel()
	yes, wider := early("ana", nhi.VerdictApprove, time.Hour), orders()
	wider.TTL = 48 * time.Hour
	forged := early("ben", nhi.VerdictApprove, time.Hour)
	forged.change = func(d *nhi.Decision) { d.Head = nhi.Head{Hash: nhi.DigestOf("something else")} }
	late := early("ben", nhi.VerdictApprove, within+time.Hour)
	other := early("ben", nhi.VerdictApprove, time.Hour)
	other.request = wider
	for name, c := range map[string]struct {
		votes []vote
		want  policy.Status
	}{
		"two of two":                          {[]vote{yes, early("ben", nhi.VerdictApprove, 0)}, policy.StatusApproved},
		"beside one on the record":            {[]vote{yes, {key: "ben", seq: 3}}, policy.StatusApproved},
		"two keys of one person":              {[]vote{yes, early("ana's token", nhi.VerdictApprove, 0)}, policy.StatusPending},
		"the requester":                       {[]vote{yes, early("eve", nhi.VerdictApprove, 0)}, policy.StatusPending},
		"a head of nothing":                   {[]vote{yes, forged}, policy.StatusPending},
		"about another text":                  {[]vote{yes, other}, policy.StatusPending},
		"lapsed":                              {[]vote{yes, late}, policy.StatusLapsed},
		"denied, also before the record":      {[]vote{yes, early("ben", nhi.VerdictApprove, 0), early("cleo", nhi.VerdictDeny, 0)}, policy.StatusDenied},
		"withdrawn before the record":         {[]vote{early("ben", nhi.VerdictApprove, 0), yes, early("ana", nhi.VerdictWithdraw, 0)}, policy.StatusWithdrawn},
		"withdrawn, then again":               {[]vote{early("ben", nhi.VerdictApprove, 0), early("ana", nhi.VerdictWithdraw, time.Hour), early("ana", nhi.VerdictApprove, 0)}, policy.StatusApproved},
		"withdrawn on the record, then again": {[]vote{early("ben", nhi.VerdictApprove, 0), {key: "ana", verdict: nhi.VerdictWithdraw, at: time.Hour, seq: 2}, early("ana", nhi.VerdictApprove, 0)}, policy.StatusWithdrawn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantStatus(t, parse(t, source()).Evaluate(input(t, orders(), c.votes...)), c.want)
		})
	}
	t.Run("has seen nothing", func(t *testing.T) {
		t.Parallel()
		if verdict := parse(t, source()).Evaluate(input(t, orders(), yes, vote{key: "ben", seq: 3})); verdict.Seen != 0 {
			t.Errorf("it has seen %d entries", verdict.Seen)
		}
	})
	t.Run("no record at all", func(t *testing.T) {
		t.Parallel()
		in := input(t, orders(), yes, early("ben", nhi.VerdictApprove, 0))
		in.HashAt = nil
		wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusPending)
	})
	t.Run("after a restore", func(t *testing.T) {
		t.Parallel()
		in := input(t, orders(), yes, early("ben", nhi.VerdictApprove, 0))
		in.Since = now
		wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusPending)
	})
	t.Run("lifts nothing", func(t *testing.T) {
		t.Parallel()
		got := lifted(t, parse(t, source()), orders(), askedBy(t, orders(), "eve"), early("ana", nhi.VerdictLift, 0), early("ben", nhi.VerdictLift, 0))
		if got.Lifted || len(got.By) > 0 {
			t.Errorf("lifted by %q", got.By)
		}
	})
}
