package policy

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// clockSlack is how far a person's clock may be ahead of ours.
const clockSlack = 5 * time.Minute

// ballot is a decision whose text, list and signature are good, by a person
// of this document, about the exact text that was asked.
type ballot struct {
	nhi.Decision
	person Approver
	// sound says that nothing but time speaks against it: head and dates are
	// as they must be. An unsound no holds all the same; an unsound yes, or an
	// unsound withdrawal of a no, is nothing.
	sound    bool
	hardware bool // a hardware key signed it
	// seen is how much of the approval's chain its signer is known to have
	// seen; 0 where the head is not of this chain.
	seen uint64
}

// isNo says whether the ballot takes a yes away.
func (b ballot) isNo() bool { return b.Verdict != nhi.VerdictApprove }

// after says whether b was signed after other, by the clock and by the record.
// A yes must be after a no by both, so that neither a clock that is wrong nor
// a file that was kept can bring it back. In the same second the one who saw
// more of the chain is later, and no one by seeing the same.
func (b ballot) after(other ballot) bool {
	if b.SignedAt.Equal(other.SignedAt) {
		return b.seen > other.seen
	}
	return b.SignedAt.After(other.SignedAt) && b.seen >= other.seen
}

// later orders the approvals of one person; of two alike, the one that ends
// first is taken for the later.
func (b ballot) later(other ballot) bool {
	if !b.SignedAt.Equal(other.SignedAt) {
		return b.SignedAt.After(other.SignedAt)
	}
	if b.seen != other.seen {
		return b.seen > other.seen
	}
	return b.ActivateBefore.Before(other.ActivateBefore)
}

// lapsed says whether the time to use the ballot is over.
func (b ballot) lapsed(now time.Time) bool { return !now.Before(b.ActivateBefore) }

// readBallots returns what counts of the decisions, by person in the order of
// the document, and tells why of each that does not.
func (e *evaluation) readBallots() map[string][]ballot {
	ballots := map[string][]ballot{}
	others := 0
	for _, signed := range e.in.Decisions {
		decision, err := nhi.ParseDecision(signed.Text)
		if err != nil {
			e.reason("a decision cannot be read: %s", plain(err))
			continue
		}
		if decision.Request != e.in.Text {
			others++
			continue
		}
		if ballot, ok := e.readBallot(signed, decision); ok {
			ballots[ballot.person.Name] = append(ballots[ballot.person.Name], ballot)
		}
	}
	if others > 0 {
		e.reason("%d decisions are about another text than this request", others)
	}
	return ballots
}

// readBallot verifies one decision about the text that was asked. Blocks,
// lifts and reviews are about the grant, and no business of a quorum.
func (e *evaluation) readBallot(signed nhi.SignedDecision, decision nhi.Decision) (ballot, bool) {
	if slices.Contains([]nhi.Verdict{nhi.VerdictBlock, nhi.VerdictLift, nhi.VerdictReview}, decision.Verdict) {
		return ballot{}, false
	}
	return e.signedBallot(signed, decision)
}

// signedBallot verifies list, signature and person of one decision about this
// approval, and says whether its head and dates are sound.
func (e *evaluation) signedBallot(signed nhi.SignedDecision, decision nhi.Decision) (ballot, bool) {
	if !signed.Listed(e.in.Request.Approval) {
		e.reason("a decision does not count: the list that was signed does not name it")
		return ballot{}, false
	}
	key, err := signature.Verify(signed.Signature, signature.NamespaceDecision, signed.List)
	if err != nil {
		e.reason("a decision does not count: %s", plain(err))
		return ballot{}, false
	}
	person, known := e.document.Person(key)
	if !known {
		e.reason("a decision by the key %s does not count: %s", ssh.FingerprintSHA256(key), e.document.nobody(key))
		return ballot{}, false
	}
	read := ballot{Decision: decision, person: person, hardware: signature.Hardware(key)}
	problem := e.unsound(&read)
	read.sound = problem == ""
	if !read.sound {
		effect := "does not count"
		if read.isNo() && read.Verdict != nhi.VerdictLift && read.Verdict != nhi.VerdictReview {
			effect = "holds all the same"
		}
		e.reason("%s by %s %s: %s", noun(read.Verdict), person.Name, effect, problem)
	}
	return read, true
}

// unsound says what is wrong with the head and the dates, or nothing, and sets
// how much of the chain the signer saw.
func (e *evaluation) unsound(b *ballot) string {
	if !e.knows(b.Decision) {
		return fmt.Sprintf("it was signed on a record whose entry %d is not in this one", b.Head.Seq)
	}
	b.seen = b.Head.Seq
	if !e.in.Since.IsZero() && !b.SignedAt.After(e.in.Since) {
		return "it was signed before the ledger was restored from a back-up, " + nhi.FormatTime(e.in.Since)
	}
	if b.SignedAt.After(e.in.Now.Add(clockSlack)) {
		return "it is dated in the future, " + nhi.FormatTime(b.SignedAt)
	}
	if within := e.document.Within(e.in.Request); b.ActivateBefore.After(b.SignedAt.Add(within)) {
		return fmt.Sprintf("it may be used until %s, and the policy allows %s after signing",
			nhi.FormatTime(b.ActivateBefore), nhi.FormatTTL(within))
	}
	return ""
}

// knows says whether the decision's head is part of the approval's chain, so that
// a decision made on a record that was cut or rewritten since does not count. One
// made before there was a record has seen none of it: every record goes on from
// there.
func (e *evaluation) knows(decision nhi.Decision) bool {
	if e.in.HashAt == nil {
		return false
	}
	if decision.BeforeRecord() {
		return true
	}
	hash, known := e.in.HashAt(decision.Head.Seq)
	return known && hash == decision.Head.Hash
}

// noun names what a person signed.
func noun(verdict nhi.Verdict) string {
	switch verdict {
	case nhi.VerdictApprove:
		return "the approval"
	case nhi.VerdictDeny:
		return "the denial"
	case nhi.VerdictLift:
		return "the lift"
	case nhi.VerdictReview:
		return "the review"
	default:
		return "the withdrawal"
	}
}
