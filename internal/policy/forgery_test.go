package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// Each case spoils Ben's yes, which with Ana's would be enough.
func TestForgedDecisionsDoNotCount(t *testing.T) {
	t.Parallel()
	otherRequest := func(change func(*nhi.Request)) nhi.SignedDecision {
		request := orders()
		change(&request)
		return vote{key: "ben", request: request}.signed(t)
	}
	good := yes("ben").signed(t)
	mallory := yes("mallory").signed(t)
	longer := vote{key: "ben", window: 2 * within}.decision(t)
	forged, err := longer.Text()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yes("ben").decision(t).Text()
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*nhi.SignedDecision)) nhi.SignedDecision { s := good; change(&s); return s }
	for name, signed := range map[string]nhi.SignedDecision{
		"no signature":           with(func(s *nhi.SignedDecision) { s.Signature = "" }),
		"cut signature":          with(func(s *nhi.SignedDecision) { s.Signature = s.Signature[:100] }),
		"signature of another":   with(func(s *nhi.SignedDecision) { s.Signature = mallory.Signature }),
		"two signatures":         with(func(s *nhi.SignedDecision) { s.Signature += s.Signature }),
		"unknown key":            mallory,
		"for policies":           sign(t, "ben", signature.NamespacePolicy, text),
		"for requests":           sign(t, "ben", signature.NamespaceRequest, text),
		"no list":                with(func(s *nhi.SignedDecision) { s.List = "" }),
		"list without the line":  with(func(s *nhi.SignedDecision) { s.List = vote{key: "ben", at: time.Hour}.signed(t).List }),
		"list with a line added": with(func(s *nhi.SignedDecision) { s.List += nhi.ListLine("x", approval) }),
		"forged text":            with(func(s *nhi.SignedDecision) { s.Text = strings.Replace(s.Text, "CHG-1234", "CHG-9999", 1) }),
		"another text, listed":   with(func(s *nhi.SignedDecision) { s.Text = forged; s.List = nhi.ListLine(forged, approval) }),
		"broken text":            with(func(s *nhi.SignedDecision) { s.Text = "x" }),
		"text, not list, signed": func() nhi.SignedDecision {
			s := sign(t, "ben", signature.NamespaceDecision, text)
			s.Signature = signRaw(t, "ben", text)
			return s
		}(),
		"replay of another approval": otherRequest(func(r *nhi.Request) { r.Approval = "production/payments/etl/orders-etl:other" }),
		"of another environment":     otherRequest(func(r *nhi.Request) { r.Approval = "sandbox/payments/etl/orders-etl:default" }),
		"of another ledger":          otherRequest(func(r *nhi.Request) { r.Ledger = strings.Repeat("a", 32) }),
		"of another term":            otherRequest(func(r *nhi.Request) { r.Term = 2 }),
		"of a shorter ttl":           otherRequest(func(r *nhi.Request) { r.TTL = time.Hour }),
		"of another endpoint":        otherRequest(func(r *nhi.Request) { r.Access["db"] = access("orders", "postgres", "x") }),
		"of another purpose":         otherRequest(func(r *nhi.Request) { r.Purpose = "x" }),
		"of other privileges":        otherRequest(func(r *nhi.Request) { r.Access["db"].Settings["roles"] = nhi.List("y") }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input(t, orders(), yes("ana"))
			in.Decisions = append(in.Decisions, signed)
			verdict := parse(t, source()).Evaluate(in)
			wantStatus(t, verdict, policy.StatusPending)
			if len(verdict.Reasons) < 2 {
				t.Errorf("nobody is told why: %q", verdict.Reasons)
			}
			for _, reason := range verdict.Reasons {
				if strings.ContainsAny(reason, "\n\x1b") {
					t.Errorf("more than a line: %q", reason)
				}
			}
		})
	}
	in := input(t, orders(), yes("ana"))
	in.Decisions = append(in.Decisions, good)
	wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusApproved)
}

func signRaw(t *testing.T, key, message string) string {
	t.Helper()
	block, err := signature.Sign(signerOf(key), signature.NamespaceDecision, message)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// One signature serves each decision of its list, and no other.
func TestOneSignatureOverMany(t *testing.T) {
	t.Parallel()
	second := orders()
	second.Approval = "production/payments/etl/orders-etl:second"
	var texts []string
	for _, request := range []nhi.Request{orders(), second} {
		text, err := vote{key: "ben", request: request}.decision(t).Text()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	list, err := nhi.DecisionList(texts)
	if err != nil {
		t.Fatal(err)
	}
	block := signRaw(t, "ben", list)
	for i, request := range []nhi.Request{orders(), second} {
		in := input(t, request, yes("ana"))
		in.Decisions = append(in.Decisions, nhi.SignedDecision{Text: texts[i], List: list, Signature: block})
		wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusApproved)
		in.Decisions[1].Text = texts[1-i]
		wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusPending)
	}
}

func TestWhoHasLeftNeverCounts(t *testing.T) {
	t.Parallel()
	left := strings.Replace(source(), keyOf("ben"), keyOf("fred"), 1)
	left = strings.Replace(left, person("ben"), person("fred"), 1)
	verdict := parse(t, left).Evaluate(input(t, orders(), yes("ana"), yes("ben")))
	wantStatus(t, verdict, policy.StatusPending)
	wantReason(t, verdict, "belongs to nobody in this policy")
	// Nor does the no of somebody who has left stand in the way.
	wantStatus(t, parse(t, left).Evaluate(input(t, orders(), yes("ana"), yes("cleo"), no("ben", nhi.VerdictDeny, 0))), policy.StatusApproved)
}

func TestTheRequester(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked     []string
		votes     []vote
		want      policy.Status
		requester string
		say       string
	}{
		"proven, of no group":           {[]string{"eve"}, []vote{yes("ana"), yes("ben")}, policy.StatusApproved, "eve", ""},
		"proven, and says yes":          {[]string{"ben"}, []vote{yes("ana"), yes("ben")}, policy.StatusPending, "ben", "ben@example.com asked for this access"},
		"proven, and two others":        {[]string{"ben"}, []vote{yes("ana"), yes("cleo")}, policy.StatusApproved, "ben", ""},
		"says yes with another key":     {[]string{"ana"}, []vote{yes("ana's token"), yes("ben")}, policy.StatusPending, "ana", "nobody's yes counts"},
		"two asked, both proven":        {[]string{"ben", "ana"}, []vote{yes("ben"), yes("ana"), yes("cleo")}, policy.StatusPending, "ana", "ben@example.com asked"},
		"two asked, two others":         {[]string{"ben", "ana"}, []vote{yes("dora"), yes("cleo")}, policy.StatusApproved, "ana", ""},
		"two asked, one other":          {[]string{"ben", "ana"}, []vote{yes("cleo")}, policy.StatusPending, "ana", "needs 2 of security, and 1 approved (cleo@example.com)"},
		"three asked":                   {[]string{"ben", "ana", "cleo"}, []vote{yes("dora")}, policy.StatusPending, "cleo", "can not be met: only 1 of security"},
		"denies what he asked for":      {[]string{"ben"}, []vote{yes("ana"), yes("cleo"), no("ben", nhi.VerdictDeny, 0)}, policy.StatusDenied, "ben", "ben@example.com said no"},
		"withdraws what he asked for":   {[]string{"ben"}, []vote{yes("ana"), {key: "ben", at: time.Hour}, no("ben", nhi.VerdictWithdraw, 0)}, policy.StatusPending, "ben", ""},
		"lapsed yes of his own":         {[]string{"ben"}, []vote{yes("ana"), {key: "ben", at: time.Hour, window: time.Minute}}, policy.StatusPending, "ben", ""},
		"unproven":                      {[]string{""}, []vote{yes("ana"), yes("ben")}, policy.StatusPending, "", "the request is not signed"},
		"unproven, one more":            {[]string{""}, []vote{yes("ana"), yes("ben"), yes("cleo")}, policy.StatusApproved, "", ""},
		"unknown key":                   {[]string{"mallory"}, []vote{yes("ana"), yes("ben")}, policy.StatusPending, "", "belongs to nobody in this policy"},
		"nobody asked":                  {nil, []vote{yes("ana"), yes("ben")}, policy.StatusPending, "", "nobody is on record"},
		"one proven, one not":           {[]string{"eve", ""}, []vote{yes("ana"), yes("ben")}, policy.StatusPending, "", "not signed"},
		"one proven, one not, one more": {[]string{"eve", ""}, []vote{yes("ana"), yes("ben"), yes("cleo")}, policy.StatusApproved, "", ""},
		"unproven cannot be met":        {[]string{"", "ana", "ben"}, []vote{yes("cleo"), yes("dora")}, policy.StatusPending, "", "can not be met"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input(t, orders(), c.votes...)
			in.Asked = askedBy(t, orders(), c.asked...)
			verdict := parse(t, source()).Evaluate(in)
			wantStatus(t, verdict, c.want)
			if c.requester != "" {
				c.requester = person(c.requester)
			}
			if verdict.Requester != c.requester {
				t.Errorf("requester %q, want %q", verdict.Requester, c.requester)
			}
			if c.say != "" {
				wantReason(t, verdict, c.say)
			}
		})
	}
}

// A request's signature proves nothing for another text or in another place.
func TestForgedRequestersAreUnproven(t *testing.T) {
	t.Parallel()
	other := orders()
	other.Purpose = "something else"
	decision := yes("eve").signed(t)
	for name, asked := range map[string]policy.Asked{
		"another text":      askedBy(t, other, "eve")[0],
		"a decision":        {Signature: decision.Signature},
		"another namespace": {Signature: signRaw(t, "eve", textOf(t, orders()))},
		"garbage":           {Signature: "x\x1b\ny"},
		"over-long":         {Signature: strings.Repeat("x", 1<<20)},
	} {
		in := input(t, orders(), yes("ana"), yes("ben"))
		in.Asked = []policy.Asked{asked}
		verdict := parse(t, source()).Evaluate(in)
		if verdict.Status != policy.StatusPending || verdict.Requester != "" || verdict.Needs[0].Want != 3 {
			t.Errorf("%s: %+v", name, verdict)
		}
	}
}

func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	in := input(t, orders())
	for i := range 200 {
		in.Decisions = append(in.Decisions, nhi.SignedDecision{Text: strings.Repeat("x", i)})
		in.Asked = append(in.Asked, policy.Asked{Signature: strings.Repeat("x", i)})
	}
	if got := len(parse(t, source()).Evaluate(in).Reasons); got > 50 {
		t.Errorf("%d reasons", got)
	}
}

// The file is what travels: what was written is what counts.
func TestADecisionFileCounts(t *testing.T) {
	t.Parallel()
	in := input(t, orders(), yes("ana"))
	read, err := nhi.ParseDecisionFile([]byte(yes("ben").signed(t).File()))
	if err != nil {
		t.Fatal(err)
	}
	in.Decisions = append(in.Decisions, read)
	wantStatus(t, parse(t, source()).Evaluate(in), policy.StatusApproved)
	if _, err := nhi.ParseDecisionFile([]byte("x")); !errors.Is(err, nhi.ErrInvalid) {
		t.Error(err)
	}
}
