package nhi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decisionHeading names the format of a decision text and its version.
const decisionHeading = "nhi decision 1"

// Verdict is what a person decided.
type Verdict string

// The verdicts. Block, lift and review are about a grant or an identity as a whole.
const (
	VerdictApprove  Verdict = "approve"
	VerdictDeny     Verdict = "deny"
	VerdictWithdraw Verdict = "withdraw"
	VerdictBlock    Verdict = "block"
	VerdictLift     Verdict = "lift"
	VerdictReview   Verdict = "review" // of access in an emergency, after it
)

// Verdicts lists every verdict.
func Verdicts() []Verdict {
	return []Verdict{VerdictApprove, VerdictDeny, VerdictWithdraw, VerdictBlock, VerdictLift, VerdictReview}
}

// unproven stands for a requester whom no signature proves.
const unproven = "unproven"

// Head is the end of a chain as somebody saw it: how many entries it had, and
// the hash of the last one.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash Digest `json:"hash"`
}

// String writes the head as NUMBER HASH.
func (h Head) String() string { return strconv.FormatUint(h.Seq, 10) + " " + string(h.Hash) }

// ParseHead reads what String wrote; ErrNotCanonical where it is written in
// another way.
func ParseHead(text string) (Head, error) {
	number, hash, _ := strings.Cut(text, " ")
	seq, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return Head{}, fmt.Errorf("head %.100q: %w", text, ErrInvalid)
	}
	digest, err := ParseDigest(hash)
	if err != nil {
		return Head{}, fmt.Errorf("head: %w", err)
	}
	head := Head{Seq: seq, Hash: digest}
	if head.String() != text {
		return Head{}, fmt.Errorf("head %.100q: %w", text, ErrNotCanonical)
	}
	return head, nil
}

// Unrecorded is the head that a person signs on where the record of an approval
// has no entry yet, as with a request of a pull request that was not applied:
// number 0, and for a hash the request's own digest.
func Unrecorded(requestText string) Head { return Head{Hash: DigestOf(requestText)} }

// Decision is a person's verdict on a request, with its own dates and with
// what that person saw. Who decided follows from the signature alone.
type Decision struct {
	Verdict       Verdict
	Justification string
	// Requester is the person who asked, as far as a signature proves it;
	// empty where nobody is proven.
	Requester      string
	PolicyVersion  int
	PolicyDigest   Digest
	SignedAt       time.Time
	ActivateBefore time.Time
	NotAfter       time.Time // ActivateBefore + the request's TTL
	Head           Head      // of the approval's chain
	Request        string    // the canonical request text
}

// BeforeRecord says whether the decision is on a request that was not on record
// when it was signed. Whoever signed it has seen nothing of the record. Only
// what is said of a request can be: blocks, lifts and reviews are about a grant.
func (d Decision) BeforeRecord() bool {
	return d.Head == Unrecorded(d.Request) && slices.Contains([]Verdict{VerdictApprove, VerdictDeny, VerdictWithdraw}, d.Verdict)
}

// Text returns the canonical text, or ErrInvalid where a part is malformed.
func (d Decision) Text() (string, error) {
	if err := d.check(); err != nil {
		return "", fmt.Errorf("decision: %w", err)
	}
	requester := unproven
	if d.Requester != "" {
		requester = d.Requester
	}
	w := &textWriter{}
	w.heading(decisionHeading)
	w.line("", "verdict", string(d.Verdict))
	w.line("", "requester", requester)
	w.line("", "justification", d.Justification)
	w.line("", "policy", strconv.Itoa(d.PolicyVersion)+" "+string(d.PolicyDigest))
	w.line("", "signed at", FormatTime(d.SignedAt))
	w.line("", "activate before", FormatTime(d.ActivateBefore))
	w.line("", "not after", FormatTime(d.NotAfter))
	w.line("", "head", d.Head.String())
	w.line("", "request", string(DigestOf(d.Request)))
	w.out.WriteString(d.Request)
	return w.out.String(), nil
}

func (d Decision) check() error {
	if !slices.Contains(Verdicts(), d.Verdict) {
		return fmt.Errorf("verdict %.80q: %w", d.Verdict, ErrInvalid)
	}
	if err := CheckOptionalText(d.Justification); err != nil {
		return fmt.Errorf("justification: %w", err)
	}
	if err := CheckOptionalText(d.Requester); err != nil || d.Requester == unproven {
		return fmt.Errorf("requester %.80q: %w", d.Requester, ErrInvalid)
	}
	if d.PolicyVersion < 1 {
		return fmt.Errorf("policy version %d: %w", d.PolicyVersion, ErrInvalid)
	}
	if _, err := ParseDigest(string(d.PolicyDigest)); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if _, err := ParseHead(d.Head.String()); err != nil {
		return err
	}
	for _, t := range []time.Time{d.SignedAt, d.ActivateBefore, d.NotAfter} {
		if err := checkTime(t); err != nil {
			return err
		}
	}
	request, err := ParseRequest(d.Request)
	if err != nil {
		return err
	}
	if !d.NotAfter.Equal(d.ActivateBefore.Add(request.TTL)) {
		return fmt.Errorf("not after must be activate before + ttl: %w", ErrInvalid)
	}
	if d.ActivateBefore.Before(d.SignedAt) {
		return fmt.Errorf("activate before is earlier than signed at: %w", ErrInvalid)
	}
	return nil
}

// ParseDecision reads a canonical decision text, together with the request
// text in it. A text that would be written in another way is ErrNotCanonical.
func ParseDecision(text string) (Decision, error) {
	r := newTextReader(text, decisionHeading)
	decision := Decision{Verdict: Verdict(r.line("", "verdict")), Requester: r.line("", "requester"), Justification: r.line("", "justification")}
	if decision.Requester == unproven {
		decision.Requester = ""
	}
	version, digest, _ := strings.Cut(r.line("", "policy"), " ")
	decision.PolicyVersion, _ = strconv.Atoi(version)
	decision.PolicyDigest = Digest(digest)
	if _, err := ParseDigest(digest); err != nil {
		r.fail("policy digest: %w", err)
	}
	decision.SignedAt = r.parsedTime(r.line("", "signed at"))
	decision.ActivateBefore = r.parsedTime(r.line("", "activate before"))
	decision.NotAfter = r.parsedTime(r.line("", "not after"))
	head, err := ParseHead(r.line("", "head"))
	if err != nil {
		r.fail("%w", err)
	}
	decision.Head = head
	r.line("", "request") // compared when the text is written again
	decision.Request = r.rest()
	if r.err != nil {
		return Decision{}, fmt.Errorf("decision: %w", r.err)
	}
	again, err := decision.Text()
	if err != nil {
		return Decision{}, err
	}
	if again != text {
		return Decision{}, fmt.Errorf("decision: %w", ErrNotCanonical)
	}
	return decision, nil
}
