package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Spent is the status of a request whose approval was used as often as signed.
const Spent policy.Status = "spent"

// Standing is what policy and decisions say of one request now.
type Standing struct {
	Verdict   policy.Verdict
	Status    policy.Status
	CoveredBy nhi.Digest // the signed request that contains this one, when it is not this one
	Policy    *policy.Document
	Identity  nhi.Identity
	// Heads are the ends of the chains that this rests on, by chain.
	Heads map[string]nhi.Head
	// Blocks are the blocks that no activation came after, lifted or not.
	Blocks []Blocked
	Now    time.Time
	// Observed are the accounts that the request takes over, as those who
	// approved saw them, by target key.
	Observed map[string]ledger.Observed
	// Again says that the request is approved and may be activated for another
	// value of the trigger, whether or not it may for this one.
	Again bool
	trust Trust
	// Review is what the rules ask for after the activation in force, or last
	// in force: who has to review it, and who did.
	Review policy.ReviewState
	review func([]nhi.SignedDecision) policy.ReviewState
	// chains are those chains, approval is the name of the approval's, and
	// fresh are the decisions from files that it does not hold yet.
	chains   map[string]ledger.Chain
	approval string
	fresh    []nhi.SignedDecision
	// runner and self are what this run proves of itself, keys are those of the
	// issuers of tokens on record.
	runner, self policy.RunnerProof
	keys         map[string]policy.IssuerKeys
	// Unheard says why the confirmation of the run that applies is nobody's yes;
	// empty where it is, or where nobody was asked for it.
	Unheard []string
	heard   *heard   // in this run
	hosts   []string // on which a run could be confirmed
}

// RestoredAt is when the ledger was restored from a back-up; zero where it never
// was. Decisions that were signed up to then count for nothing new.
func (s Standing) RestoredAt() time.Time { return s.trust.Base.Time }

// Approved says whether the request may be activated now.
func (s Standing) Approved() bool { return s.Status == policy.StatusApproved }

// Why says in words what the status rests on.
func (s Standing) Why() []string {
	switch {
	case s.Status == Spent && s.Again:
		return []string{"it was activated for this value of the trigger; a new value activates it again"}
	case s.Status == Spent:
		return []string{"its approval was used; another activation needs a new request"}
	case s.CoveredBy != "":
		return s.Verdict.Reasons
	case s.Approved() && s.Verdict.NoApproval:
		return []string{"the policy asks for no approval"}
	case s.Approved():
		return []string{s.approvedBy()}
	default:
		return s.Verdict.Reasons
	}
}

// approvedBy reads "approved by ana and ben (2 of 2), to be activated before …".
func (s Standing) approvedBy() string {
	have, want := 0, 0
	for _, need := range s.Verdict.Needs {
		have += min(len(need.Have), need.Want)
		want += need.Want
	}
	return fmt.Sprintf("approved by %s (%d of %d), to be activated before %s",
		joined(s.Verdict.ApprovedBy), have, want, shortTime(s.Verdict.ActivateBefore))
}

// joined writes "ana, ben and cyd".
func joined(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Standing evaluates the request of text against the newest policy and every
// decision in the ledger and in the decisions folder. It errors when one of
// them cannot be read: then nothing may be granted. A denial by policy is no
// error; it is in the verdict.
func (e *Engine) Standing(ctx context.Context, text string) (Standing, error) {
	sitting, err := e.Sit(ctx)
	if err != nil {
		return Standing{}, err
	}
	return sitting.Standing(ctx, text)
}

// standing is Sitting.standing in a sitting of its own.
func (e *Engine) standing(ctx context.Context, request nhi.Request, text string, record Record, trigger *string) (Standing, error) {
	sitting, err := e.Sit(ctx)
	if err != nil {
		return Standing{}, err
	}
	return sitting.standing(ctx, request, text, record, trigger)
}

// judge fills in the verdict: of the request's own decisions, else of another
// request that contains it, and whether an activation is left.
func (e *Engine) judge(s *Standing, request nhi.Request, text string, record Record, trigger *string) {
	s.Verdict = s.evaluate(request, text)
	s.Status = s.Verdict.Status
	if denials := s.Policy.Weak(request, e.Systems.Weak).Denials; len(denials) > 0 {
		s.Verdict.Denials, s.Status = append(s.Verdict.Denials, denials...), policy.StatusDenied
		s.Verdict.Status = s.Status
	}
	digest := nhi.DigestOf(text)
	s.observed(e.Systems, request, digest)
	s.usedByConfirmation(digest, record)
	if s.Status == policy.StatusApproved {
		s.left(request, digest, record, trigger)
	}
	if s.Status == policy.StatusApproved || len(s.Verdict.Denials) > 0 {
		return
	}
	e.cover(s, request, digest, record)
}

// left says whether an activation of an approved request is left.
func (s *Standing) left(request nhi.Request, digest nhi.Digest, record Record, trigger *string) {
	switch {
	case !request.ReusableUntil.IsZero() && !s.Now.Before(request.ReusableUntil):
		s.Status = policy.StatusLapsed
		s.Verdict.Reasons = append(s.Verdict.Reasons, "it could be used until "+shortTime(request.ReusableUntil))
	case !request.ReusableUntil.IsZero():
		s.Again = true
		if trigger != nil && (record.triggered[digest][*trigger] || *trigger == "" && record.Uses[digest] > 0) {
			s.Status = Spent // no value is no new value
		}
	case record.Uses[digest] > 0 && !s.reusable(record, digest):
		s.Status = Spent
	}
}

// reusable says whether a request that was used may be used again without new
// decisions: where policy asks for none, a grant that was destroyed may return,
// also where its return was begun and not finished.
func (s *Standing) reusable(record Record, digest nhi.Digest) bool {
	return s.Verdict.NoApproval && record.Destroyed && record.Held == digest &&
		record.Phase != PhaseActive && record.Phase != PhaseRevoking && !record.Changing()
}

// cover looks for the request in force, where it contains the asked one: less
// access or an earlier end needs no new signature.
func (e *Engine) cover(s *Standing, request nhi.Request, digest nhi.Digest, record Record) {
	if record.Phase != PhaseActive && !record.Changing() || record.Held == digest {
		return
	}
	held, err := nhi.ParseRequest(record.Text)
	if err != nil || !held.Contains(request, e.Systems.Privilege) {
		return
	}
	verdict := s.evaluate(held, record.Text)
	if len(verdict.Denials) > 0 {
		return
	}
	s.CoveredBy, s.Status = record.Held, policy.StatusApproved
	s.Verdict.ApprovedBy = verdict.ApprovedBy
	s.Verdict.Reasons = []string{"covered by the request in force, " + record.Held.Short()}
}

func mustText(request nhi.Request) string {
	text, _ := request.Text() // it was parsed from one
	return text
}

func (s *Standing) evaluate(request nhi.Request, text string) policy.Verdict {
	return s.Policy.Evaluate(s.Input(request, text))
}

// follows holds where every chain that this rests on goes on from the end that
// was seen before, together with base, or is excused. One that was not relied on
// before says nothing.
func (s Standing) follows(seen map[string]nhi.Head, base int) error {
	for _, name := range slices.Sorted(maps.Keys(s.chains)) {
		if err := follows(s.chains[name], seen[name]); err != nil && !s.trust.excused(s.chains[name], base) {
			return err
		}
	}
	return nil
}

// lapsed says what has run out since the evaluation; nil where nothing has.
func (s Standing) lapsed(intent ledger.IntentBody, now time.Time) error {
	switch {
	case !now.Before(intent.ExpiresAt):
		return fmt.Errorf("the term would have ended %s: %w", shortTime(intent.ExpiresAt), nhi.ErrEnded)
	case !now.Before(s.Policy.Expires):
		return fmt.Errorf("the policy expired %s: %w", shortTime(s.Policy.Expires), ErrPolicy)
	case s.CoveredBy == "" && overdue(now, s.Verdict.ActivateBefore):
		return fmt.Errorf("the approval lapsed %s: %w", shortTime(s.Verdict.ActivateBefore), nhi.ErrNotApproved)
	}
	return nil
}

// denied turns a standing that is not approved into the error that says why.
func (s Standing) denied(id nhi.ApprovalID) error {
	if s.Status == Spent {
		return fmt.Errorf("%s: %w", id, nhi.ErrSpent)
	}
	reasons := slices.Concat(s.Verdict.Reasons, s.Unheard)
	for _, denial := range s.Verdict.Denials {
		reasons = append(reasons, denial.Reason)
	}
	cause := nhi.ErrNotApproved
	if len(s.Verdict.Denials) > 0 {
		cause = nhi.ErrDenied
	}
	err := fmt.Errorf("%s (%s): %w", id, strings.Join(reasons, "; "), cause)
	for _, denial := range s.Verdict.Denials {
		if denial.Risk != 0 {
			return nhi.AtRisk(denial.Risk, err)
		}
	}
	return err
}
