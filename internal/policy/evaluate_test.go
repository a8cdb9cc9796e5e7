package policy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestQuorum(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		votes []vote
		want  policy.Status
		by    []string
	}{
		"nobody":                     {nil, policy.StatusPending, nil},
		"one of two":                 {[]vote{yes("ana")}, policy.StatusPending, []string{"ana"}},
		"two of two":                 {[]vote{yes("ben"), yes("ana")}, policy.StatusApproved, []string{"ana", "ben"}},
		"three of two":               {[]vote{yes("ben"), yes("ana"), yes("dora")}, policy.StatusApproved, []string{"ana", "ben", "dora"}},
		"two keys of one person":     {[]vote{yes("ana"), yes("ana's token")}, policy.StatusPending, []string{"ana"}},
		"one person twice":           {[]vote{yes("ana"), {key: "ana", at: time.Hour}}, policy.StatusPending, []string{"ana"}},
		"a stranger":                 {[]vote{yes("ana"), yes("mallory")}, policy.StatusPending, []string{"ana"}},
		"of no group":                {[]vote{yes("ana"), yes("eve")}, policy.StatusPending, []string{"ana"}},
		"denied":                     {[]vote{yes("ana"), yes("ben"), no("cleo", nhi.VerdictDeny, 0)}, policy.StatusDenied, []string{"ana", "ben"}},
		"denied by a stranger":       {[]vote{yes("ana"), yes("ben"), no("mallory", nhi.VerdictDeny, 0)}, policy.StatusApproved, []string{"ana", "ben"}},
		"denied by one of no group":  {[]vote{yes("ana"), yes("ben"), no("eve", nhi.VerdictDeny, 0)}, policy.StatusApproved, []string{"ana", "ben"}},
		"denied, then approved":      {[]vote{yes("ana"), no("ben", nhi.VerdictDeny, time.Hour), yes("ben")}, policy.StatusApproved, []string{"ana", "ben"}},
		"approved, then denied":      {[]vote{yes("ana"), {key: "ben", at: time.Hour}, no("ben", nhi.VerdictDeny, 0)}, policy.StatusDenied, []string{"ana"}},
		"denied, then taken back":    {[]vote{yes("ana"), yes("cleo"), no("ben", nhi.VerdictDeny, time.Hour), no("ben", nhi.VerdictWithdraw, 0)}, policy.StatusApproved, []string{"ana", "cleo"}},
		"approved, then withdrawn":   {[]vote{yes("ana"), {key: "ben", at: time.Hour}, no("ben", nhi.VerdictWithdraw, 0)}, policy.StatusWithdrawn, []string{"ana"}},
		"withdrawn, then approved":   {[]vote{yes("ana"), no("ben", nhi.VerdictWithdraw, time.Hour), yes("ben")}, policy.StatusApproved, []string{"ana", "ben"}},
		"withdrawn by another":       {[]vote{yes("ana"), yes("ben"), no("cleo", nhi.VerdictWithdraw, 0)}, policy.StatusApproved, []string{"ana", "ben"}},
		"withdrawn with other key":   {[]vote{yes("ben"), {key: "ana", at: time.Hour}, no("ana's token", nhi.VerdictWithdraw, 0)}, policy.StatusWithdrawn, []string{"ben"}},
		"withdrawn, one yes missing": {[]vote{{key: "ben", at: time.Hour}, no("ben", nhi.VerdictWithdraw, 0)}, policy.StatusPending, nil},
		"blocks are no decisions":    {[]vote{yes("ana"), yes("ben"), no("cleo", nhi.VerdictBlock, 0)}, policy.StatusApproved, []string{"ana", "ben"}},
		"lifts are no decisions":     {[]vote{yes("ana"), no("ben", nhi.VerdictLift, 0)}, policy.StatusPending, []string{"ana"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdict := parse(t, source()).Evaluate(input(t, orders(), c.votes...))
			wantStatus(t, verdict, c.want)
			var by []string
			for _, name := range c.by {
				by = append(by, person(name))
			}
			if !reflect.DeepEqual(verdict.ApprovedBy, by) || !reflect.DeepEqual(verdict.Needs[0].Have, by) {
				t.Errorf("approved by %q, have %q, want %q", verdict.ApprovedBy, verdict.Needs[0].Have, by)
			}
		})
	}
}

// What was withdrawn stays withdrawn, whatever file is shown again and however
// wrong a clock is.
func TestAWithdrawalOutlivesOlderFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		older, withdrawal vote
		want              policy.Status
	}{
		"shown again":                           {vote{key: "ben", at: 2 * time.Hour}, vote{at: time.Hour}, policy.StatusWithdrawn},
		"in the same second":                    {vote{key: "ben"}, vote{}, policy.StatusWithdrawn},
		"in the same second, seen before":       {vote{key: "ben", seq: 2}, vote{seq: 3}, policy.StatusWithdrawn},
		"in the same second, approved anew":     {vote{key: "ben", seq: 4}, vote{seq: 3}, policy.StatusApproved},
		"by a clock that was ahead":             {vote{key: "ben", seq: 2}, vote{at: time.Minute, seq: 3}, policy.StatusWithdrawn},
		"of an older record, approved later":    {vote{key: "ben", seq: 2}, vote{at: time.Hour, seq: 3}, policy.StatusWithdrawn},
		"withdrawal dated in the future":        {vote{key: "ben"}, vote{at: -time.Hour}, policy.StatusWithdrawn},
		"withdrawal whose dates are over":       {vote{key: "ben", at: 2 * time.Hour}, vote{at: time.Hour, window: time.Minute}, policy.StatusWithdrawn},
		"withdrawal with too long a window":     {vote{key: "ben", at: 2 * time.Hour}, vote{at: time.Hour, window: 1000 * time.Hour}, policy.StatusWithdrawn},
		"withdrawal on a record that was cut":   {vote{key: "ben", at: 2 * time.Hour}, vote{at: time.Hour, seq: 99}, policy.StatusWithdrawn},
		"approved anew after a cut withdrawal":  {vote{key: "ben"}, vote{at: time.Hour, seq: 99}, policy.StatusApproved},
		"approved anew with more of the record": {vote{key: "ben", seq: 5}, vote{at: time.Hour, seq: 3}, policy.StatusApproved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.withdrawal.key, c.withdrawal.verdict = "ben", nhi.VerdictWithdraw
			for _, votes := range [][]vote{
				{yes("ana"), c.older, c.withdrawal}, {yes("ana"), c.withdrawal, c.older}, {yes("ana"), c.older, c.withdrawal, c.older},
			} {
				wantStatus(t, parse(t, source()).Evaluate(input(t, orders(), votes...)), c.want)
			}
		})
	}
}

// A no needs less than a yes: every unknown is a no.
func TestADenialHoldsWhateverItsDates(t *testing.T) {
	t.Parallel()
	for name, deny := range map[string]vote{
		"lapsed":                   {at: time.Hour, window: time.Minute},
		"dated in the future":      {at: -time.Hour},
		"too long a window":        {window: 1000 * time.Hour},
		"on a record that was cut": {seq: 99},
	} {
		deny.key, deny.verdict = "cleo", nhi.VerdictDeny
		verdict := parse(t, source()).Evaluate(input(t, orders(), yes("ana"), yes("ben"), deny))
		wantStatus(t, verdict, policy.StatusDenied)
		wantReason(t, verdict, "cleo@example.com said no")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// Only a withdrawal about which nothing is wrong takes a no back.
	verdict := parse(t, source()).Evaluate(input(t, orders(), yes("ana"), yes("ben"), no("cleo", nhi.VerdictDeny, time.Hour),
		vote{key: "cleo", verdict: nhi.VerdictWithdraw, seq: 99}))
	wantStatus(t, verdict, policy.StatusDenied)
}

func TestAYesCountsOnlyWhereAllOfItHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vote vote
		say  string
	}{
		"head of another record":   {vote{change: func(d *nhi.Decision) { d.Head.Hash = nhi.DigestOf("x") }}, "entry 0 is not in this one"},
		"head that is not there":   {vote{seq: 99}, "entry 99 is not in this one"},
		"dated in the future":      {vote{at: -6 * time.Minute}, "dated in the future"},
		"window over the policy's": {vote{window: within + time.Second}, "the policy allows 168h"},
		"lapsed":                   {vote{at: time.Hour, window: time.Hour}, "lapsed 2030-01-10T12:00:00Z"},
	} {
		c.vote.key = "ben"
		verdict := parse(t, source()).Evaluate(input(t, orders(), yes("ana"), c.vote))
		if verdict.Status == policy.StatusApproved || len(verdict.ApprovedBy) != 1 {
			t.Errorf("%s: %s by %q", name, verdict.Status, verdict.ApprovedBy)
		}
		wantReason(t, verdict, c.say)
	}
	for name, v := range map[string]vote{
		"a clock a little ahead": {at: -5 * time.Minute}, "the longest window": {window: within}, "the last second": {at: time.Hour, window: time.Hour + time.Second},
	} {
		v.key = "ben"
		verdict := parse(t, source()).Evaluate(input(t, orders(), yes("ana"), v))
		if verdict.Status != policy.StatusApproved {
			t.Errorf("%s: %s, %q", name, verdict.Status, verdict.Reasons)
		}
	}
	in := input(t, orders(), yes("ana"), yes("ben"))
	in.HashAt = nil
	wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusPending)
}

// An approval that was to be used soon is not lengthened by an older one.
func TestThePersonsLastWordBinds(t *testing.T) {
	t.Parallel()
	verdict := parse(t, source()).Evaluate(input(t, orders(), yes("ana"),
		vote{key: "ben", at: 3 * time.Hour}, vote{key: "ben", at: 2 * time.Hour, window: time.Hour}))
	wantStatus(t, verdict, policy.StatusLapsed)
	// Of two in the same second, the one that ends first.
	for _, windows := range [][2]time.Duration{{time.Hour, 2 * time.Hour}, {2 * time.Hour, time.Hour}} {
		verdict = parse(t, source()).Evaluate(input(t, orders(), yes("ana"), vote{key: "ben", window: windows[0]}, vote{key: "ben", window: windows[1]}))
		if want := now.Add(time.Hour); !verdict.ActivateBefore.Equal(want) {
			t.Errorf("activate before %s, want %s", verdict.ActivateBefore, want)
		}
	}
}

func TestLapsed(t *testing.T) {
	t.Parallel()
	old := vote{key: "ben", at: time.Hour, window: time.Minute}
	for name, c := range map[string]struct {
		votes []vote
		want  policy.Status
	}{
		"one of two lapsed":            {[]vote{yes("ana"), old}, policy.StatusLapsed},
		"alone":                        {[]vote{old}, policy.StatusPending},
		"approved anew":                {[]vote{yes("ana"), old, yes("ben")}, policy.StatusApproved},
		"enough without":               {[]vote{yes("ana"), old, yes("cleo")}, policy.StatusApproved},
		"lapsed and denied":            {[]vote{yes("ana"), old, no("cleo", nhi.VerdictDeny, 0)}, policy.StatusDenied},
		"one lapsed and one withdrawn": {[]vote{{key: "ana", at: time.Hour}, no("ana", nhi.VerdictWithdraw, 0), old}, policy.StatusWithdrawn},
	} {
		verdict := parse(t, source()).Evaluate(input(t, orders(), c.votes...))
		if verdict.Status != c.want {
			t.Errorf("%s: %s, want %s", name, verdict.Status, c.want)
		}
	}
}

func TestTheEarliestDatesBind(t *testing.T) {
	t.Parallel()
	verdict := parse(t, source()).Evaluate(input(t, orders(), vote{key: "ana", window: 3 * time.Hour},
		vote{key: "ben", window: 2 * time.Hour}, vote{key: "cleo", window: time.Hour, at: 2 * time.Hour}, vote{key: "eve", window: time.Hour}))
	wantStatus(t, verdict, policy.StatusApproved)
	if want := now.Add(2 * time.Hour); !verdict.ActivateBefore.Equal(want) || !verdict.NotAfter.Equal(want.Add(24*time.Hour)) {
		t.Errorf("activate before %s, not after %s", verdict.ActivateBefore, verdict.NotAfter)
	}
}

func TestEveryQuorumOfEveryDecidingRule(t *testing.T) {
	t.Parallel()
	request := orders()
	request.Access["books"] = access("ledger", "postgres", "db.internal:5432/ledger")
	for name, c := range map[string]struct {
		votes []vote
		want  policy.Status
	}{
		"security alone":    {[]vote{yes("ana"), yes("ben"), yes("cleo")}, policy.StatusPending},
		"data alone":        {[]vote{yes("dora")}, policy.StatusPending},
		"both groups":       {[]vote{yes("ana"), yes("dora")}, policy.StatusApproved},
		"both, and a no":    {[]vote{yes("ana"), yes("ben"), no("dora", nhi.VerdictDeny, 0)}, policy.StatusDenied},
		"data is withdrawn": {[]vote{yes("ana"), yes("ben"), {key: "dora", at: time.Hour}, no("dora", nhi.VerdictWithdraw, 0)}, policy.StatusWithdrawn},
	} {
		verdict := parse(t, source()).Evaluate(input(t, request, c.votes...))
		if verdict.Status != c.want {
			t.Errorf("%s: %s, want %s: %q", name, verdict.Status, c.want, verdict.Reasons)
		}
	}
}

func TestNoApprovalNeeded(t *testing.T) {
	t.Parallel()
	request := orders()
	request.Approval = "sandbox/payments/etl/orders-etl:default"
	request.Access = nhi.Accesses{"db": access("orders", "postgres", "sandbox:5432/orders")}
	in := input(t, request)
	in.Asked, in.HashAt = nil, nil // nobody is proven, and no quorum is larger for that
	verdict := parse(t, source()).Evaluate(in)
	wantStatus(t, verdict, policy.StatusApproved)
	if len(verdict.Reasons) != 0 || !verdict.NoApproval || !verdict.ActivateBefore.IsZero() || !verdict.NotAfter.IsZero() || len(verdict.ApprovedBy) != 0 {
		t.Errorf("got %+v", verdict)
	}
	if got := strings.Join(verdict.Required(), ""); got != `no approval needed (rule "sandbox")` {
		t.Errorf("required %q", got)
	}
	in.Request.TTL = 25 * time.Hour
	in.Text = textOf(t, in.Request)
	wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusDenied)
}

func TestRequired(t *testing.T) {
	t.Parallel()
	request := orders()
	request.Access["books"] = access("ledger", "postgres", "db.internal:5432/ledger")
	in := input(t, request)
	if got := strings.Join(parse(t, source()).Evaluate(in).Required(), "; "); got !=
		`2 of security (rule "production databases"); 1 of security (rule "the books"); 1 of data (rule "the books")` {
		t.Errorf("required %s", got)
	}
	in.Asked = nil
	if got := parse(t, source()).Evaluate(in).Required()[0]; got != `3 of security (rule "production databases")` {
		t.Errorf("required %s", got)
	}
}

func TestPolicyDenialsAllowNothing(t *testing.T) {
	t.Parallel()
	expires := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(*policy.Input)
		field  string
	}{
		"expired this second": {func(in *policy.Input) { in.Now = expires }, policy.FieldPolicy},
		"no time":             {func(in *policy.Input) { in.Now = time.Time{} }, policy.FieldPolicy},
		"another text":        {func(in *policy.Input) { in.Text += "x" }, policy.FieldRequest},
		"another request":     {func(in *policy.Input) { in.Request.TTL++ }, policy.FieldRequest},
		"no text":             {func(in *policy.Input) { in.Text = "" }, policy.FieldRequest},
		"no request":          {func(in *policy.Input) { in.Request, in.Text = nhi.Request{}, "" }, policy.FieldLedger},
	} {
		in := input(t, orders(), yes("ana"), yes("ben"), yes("cleo"))
		c.change(&in)
		verdict := parse(t, source()).Evaluate(in)
		if verdict.Status != policy.StatusDenied || len(verdict.Denials) == 0 || verdict.Denials[0].Field != c.field {
			t.Errorf("%s: %s, %v", name, verdict.Status, verdict.Denials)
		}
	}
	in := input(t, orders(), vote{key: "ana", at: -expires.Sub(now) + time.Hour}, vote{key: "ben", at: -expires.Sub(now) + time.Hour})
	in.Now = expires.Add(-time.Second)
	wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusApproved)
}
