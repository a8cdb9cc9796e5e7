package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// activation is one use of a grant, with the intent that it carries out.
type activation struct {
	chain  ledger.Chain
	at     uint64 // number of the use
	use    ledger.UseBody
	intent ledger.Entry
	wish   ledger.IntentBody
	before lifecycle.Record // the grant before the intent
}

func (v *audit) grantChain(ctx context.Context, chain ledger.Chain, id nhi.ApprovalID) error {
	used := map[nhi.Digest]int{}
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.UseBody:
			v.uses++
			if v.emergencyUse(chain, entry, body, used) {
				continue
			}
			if err := v.use(ctx, chain, id, entry, body, used); err != nil {
				return err
			}
		case ledger.IntentBody:
			v.saw(chain, entry, body)
		case ledger.EmergencyBody:
			v.emergency(chain, entry, body, id)
		case ledger.EffectBody, ledger.VerificationBody, ledger.BlockBody, ledger.LiftBody, ledger.HolderBody:
		case ledger.DecisionBody:
			v.decisions++
			v.aboutBlock(chain, entry, body.SignedDecision, id.Identity(), id)
		default:
			v.misplaced(chain, entry)
		}
	}
	return v.tainted(ctx, chain, id)
}

// tainted tells of access in force that rests on compromised keys.
func (v *audit) tainted(ctx context.Context, chain ledger.Chain, id nhi.ApprovalID) error {
	if len(v.documents) == 0 {
		return nil
	}
	approval, err := v.book.Read(ctx, ledger.ApprovalChain(id))
	if err != nil && errors.Is(err, nhi.ErrUnreachable) {
		return err
	}
	record := lifecycle.Fold(id, chain)
	newest := v.documents[len(v.documents)-1].document
	for _, one := range lifecycle.TaintedBy(newest, record, approval, v.engine.IssuerKeys(ctx, newest, approval)) {
		if one.Before() {
			v.note(chain.Name, record.Epoch, "%s", one)
			continue
		}
		v.fault(chain.Name, record.Epoch, "%s", one)
	}
	return nil
}

// use finds the intent of a use, and holds it against policy and decisions.
func (v *audit) use(ctx context.Context, chain ledger.Chain, id nhi.ApprovalID, entry ledger.Entry, body ledger.UseBody, used map[nhi.Digest]int) error {
	if body.Epoch == 0 || body.Epoch >= entry.Seq {
		v.fault(chain.Name, entry.Seq, "it uses entry %d, which is not before it", body.Epoch)
		return nil
	}
	intent := chain.Entries[body.Epoch-1]
	wish, ok := intent.Body.(ledger.IntentBody)
	switch {
	case !ok || wish.Verb != ledger.VerbActivate:
		v.fault(chain.Name, entry.Seq, "it uses entry %d, which is no intent to activate", body.Epoch)
		return nil
	case wish.Request != body.Request || wish.Activation != body.Activation || nhi.DigestOf(wish.Text) != wish.Request:
		v.fault(chain.Name, entry.Seq, "it is not the use of its intent, entry %d", body.Epoch)
		return nil
	}
	before := lifecycle.Fold(id, ledger.Chain{Name: chain.Name, Entries: chain.Entries[:body.Epoch-1]})
	return v.backed(ctx, activation{chain, entry.Seq, body, intent, wish, before}, id, used)
}

// backed checks that enough people stood behind an activation, as the record
// was when its intent was written.
func (v *audit) backed(ctx context.Context, a activation, id nhi.ApprovalID, used map[nhi.Digest]int) error {
	document, ok := v.documentAt(a.wish.Heads[ledger.PolicyChain])
	if !ok {
		v.fault(a.chain.Name, a.at, "no good policy was published when it was begun")
		return nil
	}
	approval, err := v.chainAt(ctx, ledger.ApprovalChain(id), a.wish.Heads)
	switch {
	case errors.Is(err, nhi.ErrUnreachable):
		return err
	case err != nil:
		v.fault(a.chain.Name, a.at, "%s", err)
		return nil
	}
	verdict, err := v.evaluateAt(ctx, document, approval, a.wish.Text, a.intent)
	switch {
	case err != nil:
		v.fault(a.chain.Name, a.at, "%s", err)
	case verdict.Status == policy.StatusApproved:
		v.confirmed(a, approval, verdict)
		v.counted(a, verdict, used)
	case verdict.HeldBack(): // by the time of its entry, or by a proof that is not on record
		v.note(a.chain.Name, a.at, "it was approved, and the record does not show that nothing held it back: %s", strings.Join(verdict.Held, "; "))
		v.confirmed(a, approval, verdict)
		v.counted(a, verdict, used)
	case !v.covered(ctx, a, document, approval, verdict):
		v.fault(a.chain.Name, a.at, "activation %d was not approved when it was begun (%s): %s",
			a.use.Activation, verdict.Status, strings.Join(verdict.Reasons, "; "))
	}
	return nil
}

// confirmed notes that an activation rests on a run that somebody confirmed:
// what the record tells of that, only the service can prove.
func (v *audit) confirmed(a activation, approval ledger.Chain, verdict policy.Verdict) {
	if told, _ := lifecycle.RecordedConfirmation(approval, a.wish.Request); verdict.ConfirmedBy != "" {
		v.note(a.chain.Name, a.at, "it rests on the confirmation of run %s by %s, which is the testimony of the runner: see %s", told.Run, told.Person, told.URL)
	}
}

// counted notes a use of an approval, which serves one activation unless it
// says otherwise.
func (v *audit) counted(a activation, verdict policy.Verdict, used map[nhi.Digest]int) {
	used[a.use.Request]++
	request, err := nhi.ParseRequest(a.wish.Text)
	if err != nil || used[a.use.Request] == 1 || verdict.NoApproval || !request.ReusableUntil.IsZero() {
		return
	}
	v.fault(a.chain.Name, a.at, "its approval served one activation, and this is number %d", used[a.use.Request])
}

// covered says whether the request that was in force contains the activated
// one: less access needs no new decision.
func (v *audit) covered(ctx context.Context, a activation, document *policy.Document, approval ledger.Chain, verdict policy.Verdict) bool {
	if a.before.Phase != lifecycle.PhaseActive || len(verdict.Denials) > 0 {
		return false
	}
	held, heldErr := nhi.ParseRequest(a.before.Text)
	asked, askedErr := nhi.ParseRequest(a.wish.Text)
	if heldErr != nil || askedErr != nil || !held.Contains(asked, v.systems.Privilege) {
		return false
	}
	whole, err := v.evaluateAt(ctx, document, approval, a.before.Text, a.intent)
	return err == nil && len(whole.Denials) == 0
}

// documentAt returns the policy that was in force when the policy chain ended
// in head.
func (v *audit) documentAt(head nhi.Head) (*policy.Document, bool) {
	if hash, there := v.policy.HashAt(head.Seq); !there || hash != head.Hash {
		return nil, false
	}
	for _, one := range slices.Backward(v.documents) {
		if one.seq <= head.Seq {
			return one.document, true
		}
	}
	return nil, false
}

// errRelied says that an intent relied on a record that is not this one.
var errRelied = errors.New("the approval's record that it relied on is not in this ledger")

// chainAt returns a chain as it was when somebody relied on it.
func (v *audit) chainAt(ctx context.Context, name string, heads map[string]nhi.Head) (ledger.Chain, error) {
	chain, err := v.book.Read(ctx, name)
	if err != nil && errors.Is(err, nhi.ErrUnreachable) {
		return chain, err
	}
	head, relied := heads[name]
	hash, there := chain.HashAt(head.Seq)
	if !relied || !there || hash != head.Hash {
		return chain, errRelied
	}
	return ledger.Chain{Name: name, Entries: chain.Entries[:head.Seq]}, nil
}

// evaluateAt evaluates a request on an approval's chain as it was, at the time
// of the entry that rests on it. What proved who asked then may not be known any
// more: that is told, and is no fault.
func (v *audit) evaluateAt(ctx context.Context, document *policy.Document, chain ledger.Chain, text string, at ledger.Entry) (policy.Verdict, error) {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return policy.Verdict{}, err
	}
	input := policy.Input{Request: request, Text: text, HashAt: chain.HashAt, Now: at.Time,
		Asked: lifecycle.AskedIn(chain, text), Keys: v.engine.IssuerKeys(ctx, document, chain), Suppose: true}
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.DecisionBody); ok {
			input.Decisions = append(input.Decisions, body.SignedDecision)
		}
	}
	verdict := document.Evaluate(input)
	if verdict.Status == policy.StatusApproved || verdict.HeldBack() {
		return verdict, nil
	}
	_, input.Confirmed = lifecycle.RecordedConfirmation(chain, nhi.DigestOf(text))
	return document.Evaluate(input), nil
}
