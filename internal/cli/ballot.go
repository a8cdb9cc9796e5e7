package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// ballot is one decision on one petition; signed once its list is.
type ballot struct {
	petition
	verdict  nhi.Verdict
	decision string // canonical text
	signed   nhi.SignedDecision
	after    policy.Verdict // with this decision, once it was checked
}

// propose writes the decision on a petition as it stands now. A petition that
// no decision can move is refused: a signature is not for nothing.
func propose(p petition, verdict nhi.Verdict) (ballot, error) {
	if err := p.decidable(verdict); err != nil {
		return ballot{}, err
	}
	head := p.chain.Head()
	if head.Seq == 0 {
		head = nhi.Unrecorded(p.text)
	}
	text, err := p.wording(verdict, p.justification, head)
	if err != nil {
		return ballot{}, err
	}
	return ballot{petition: p, verdict: verdict, decision: text}, nil
}

// wording is the text of a decision on a petition as it stands now, by somebody
// who saw a chain up to head.
func (p petition) wording(verdict nhi.Verdict, justification string, head nhi.Head) (string, error) {
	signedAt := p.standing.Now.UTC().Truncate(time.Second)
	before := p.standing.Policy.Until(p.request, signedAt)
	decision := nhi.Decision{
		Verdict: verdict, Justification: justification, Requester: p.standing.Verdict.Requester,
		PolicyVersion: p.standing.Policy.Version, PolicyDigest: p.standing.Policy.Digest,
		SignedAt: signedAt, ActivateBefore: before, NotAfter: before.Add(p.request.TTL),
		Head: head, Request: p.text,
	}
	text, err := decision.Text()
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.approval, err)
	}
	return text, nil
}

func (p petition) decidable(verdict nhi.Verdict) error {
	switch {
	case verdict == nhi.VerdictWithdraw:
		return nil // what was said can always be taken back
	case p.takenBack:
		return wrong("%s: the request was taken back, so there is nothing to decide", p.approval)
	case p.standing.Verdict.NoApproval:
		return wrong("%s: the policy asks for no approval, so no decision counts", p.approval)
	case verdict == nhi.VerdictDeny:
		return nil
	case len(p.standing.Verdict.Denials) > 0:
		return wrong("%s: the policy denies it, whoever signs: %s", p.approval, p.standing.Verdict.Denials[0].Reason)
	case p.standing.Status == lifecycle.Spent:
		return wrong("%s: %s", p.approval, joined(p.standing.Why()))
	case p.ended() != "":
		return wrong("%s: %s, so this access cannot begin", p.approval, p.ended())
	default:
		return nil
	}
}

// list is the one list that stands for all ballots.
func list(ballots []ballot) (string, error) {
	texts := make([]string, len(ballots))
	for i, b := range ballots {
		texts[i] = b.decision
	}
	return nhi.DecisionList(texts)
}

// sign signs one list over all ballots, once.
func sign(ballots []ballot, signer ssh.Signer) error {
	for _, b := range ballots {
		// Before a person has to touch a token for nothing.
		if _, known := b.standing.Policy.Person(signer.PublicKey()); !known {
			return stranger(b.approval, signer.PublicKey())
		}
	}
	text, err := list(ballots)
	if err != nil {
		return err
	}
	made, err := signature.Sign(signer, signature.NamespaceDecision, text)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	seal(ballots, text, made)
	return nil
}

// seal puts the list and its signature on every ballot.
func seal(ballots []ballot, list, made string) {
	for i := range ballots {
		ballots[i].signed = nhi.SignedDecision{Text: ballots[i].decision, List: list, Signature: made}
	}
}

func stranger(id nhi.ApprovalID, key ssh.PublicKey) error {
	return wrong("%s: the key %s belongs to nobody in the policy, so its decision would not count", id, fingerprint(key))
}

// person verifies the signature, and says whose it is.
func (b ballot) person() (policy.Approver, error) {
	key, err := signature.Verify(b.signed.Signature, signature.NamespaceDecision, b.signed.List)
	if err != nil {
		return policy.Approver{}, fmt.Errorf("%s: %w", b.approval, err)
	}
	person, known := b.standing.Policy.Person(key)
	if !known {
		return policy.Approver{}, stranger(b.approval, key)
	}
	return person, nil
}

// check asks the policy itself whether the signed ballot counts, and says why
// where it does not. It notes what becomes of the request.
func (b *ballot) check() error {
	person, err := b.person()
	if err != nil {
		return err
	}
	b.after = b.with(b.signed)
	var counts bool
	switch b.verdict {
	case nhi.VerdictWithdraw:
		said := b.part(person.Name).Word
		if _, recorded := recordedAs(b.chain, b.signed); said == "" && !recorded && !b.wanted {
			return wrong("%s: there is no decision of %s on this request to take back", b.approval, person.Name)
		}
		counts = b.part(person.Name, b.signed).Word == ""
	case nhi.VerdictDeny:
		counts = b.after.Status == policy.StatusDenied && asksGroup(b.after.Needs, person)
	default:
		counts = slices.Contains(b.after.ApprovedBy, person.Name)
	}
	if counts {
		return nil
	}
	before := b.standing.Verdict.Reasons
	why := slices.DeleteFunc(slices.Clone(b.after.Reasons), func(reason string) bool {
		return slices.Contains(before, reason) && !strings.HasPrefix(reason, person.Name) ||
			slices.ContainsFunc(b.after.Needs, func(need policy.Need) bool { return repeats(reason, need) })
	})
	if len(why) == 0 {
		why = []string{person.Name + " is in no group that the deciding rules ask"}
	}
	return wrong("%s: this decision by %s would not count: %s", b.approval, person.Name, strings.Join(why, "; "))
}

func asksGroup(needs []policy.Need, person policy.Approver) bool {
	return slices.ContainsFunc(needs, func(need policy.Need) bool {
		return !need.NoApproval && slices.Contains(person.Groups, need.Group)
	})
}

// holds says whether chain is still the one that the ballot was made on.
func (b ballot) holds(chain ledger.Chain) bool {
	hash, ok := chain.HashAt(b.chain.Head().Seq)
	return ok && hash == b.chain.Head().Hash
}
