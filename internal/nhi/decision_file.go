package nhi

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// fileHeading names the format of a decision file and its version.
const fileHeading = "nhi decision file 1"

// The parts of a decision file, each a line before the part itself.
const (
	fileText      = "-- text --\n"
	fileList      = "-- list --\n"
	fileSignature = "-- signature --\n"
)

// MaxList bounds how many decisions one signature may cover.
const MaxList = 10_000

// SignedDecision is a decision text, the list that was signed, and the
// armoured SSH signature over that list. It is what a ledger entry keeps and
// what a decision file holds. Nothing in it is verified yet.
type SignedDecision struct {
	Text      string `json:"text"`
	List      string `json:"list"`
	Signature string `json:"signature"`
}

// ListLine is the line that stands for one decision in a signed list.
func ListLine(decisionText string, approval ApprovalID) string {
	return string(DigestOf(decisionText)) + " " + string(approval) + "\n"
}

// DecisionList returns what is signed: one line for each decision text, its
// digest and its approval, sorted, each once.
func DecisionList(texts []string) (string, error) {
	if len(texts) == 0 || len(texts) > MaxList {
		return "", fmt.Errorf("a list holds 1 to %d decisions, not %d: %w", MaxList, len(texts), ErrInvalid)
	}
	lines := make([]string, 0, len(texts))
	for _, text := range texts {
		decision, err := ParseDecision(text)
		if err != nil {
			return "", err
		}
		request, err := ParseRequest(decision.Request)
		if err != nil {
			return "", err
		}
		lines = append(lines, ListLine(text, request.Approval))
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), ""), nil
}

// Listed says whether the list names this decision text for this approval, and
// is itself in canonical form: 1 to MaxList sorted lines, each once, each the
// digest of a text and an approval. What is signed has no other meaning.
func (s SignedDecision) Listed(approval ApprovalID) bool {
	lines := strings.SplitAfter(s.List, "\n")
	if last := lines[len(lines)-1]; last != "" || len(lines)-1 > MaxList {
		return false
	}
	lines = lines[:len(lines)-1]
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		return false
	}
	if !slices.Contains(lines, ListLine(s.Text, approval)) {
		return false
	}
	return !slices.ContainsFunc(lines, func(line string) bool { return !isListLine(line) })
}

func isListLine(line string) bool {
	digest, approval, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if _, err := ParseDigest(digest); err != nil {
		return false
	}
	_, err := ParseApprovalID(approval)
	return err == nil
}

// File returns the decision file: the text, the list and the signature, each
// behind a line that names it.
func (s SignedDecision) File() string {
	return fileHeading + "\n" + fileText + s.Text + fileList + s.List + fileSignature + s.Signature
}

// ParseDecisionFile reads a decision file. It checks the form and the texts,
// and that the list names the text, but not the signature. Line endings other than LF are ErrInvalid.
func ParseDecisionFile(data []byte) (SignedDecision, error) {
	if len(data) > MaxTextBytes {
		return SignedDecision{}, fmt.Errorf("decision file is longer than %d bytes: %w", MaxTextBytes, ErrInvalid)
	}
	if bytes.ContainsRune(data, '\r') {
		return SignedDecision{}, fmt.Errorf("decision file has line endings other than LF: %w", ErrInvalid)
	}
	// A part starts on a line of its own: the end of a purpose may read alike.
	rest, ok := strings.CutPrefix(string(data), fileHeading+"\n"+fileText)
	text, rest, hasList := strings.Cut(rest, "\n"+fileList)
	list, signature, hasSignature := strings.Cut(rest, "\n"+fileSignature)
	if !ok || !hasList || !hasSignature {
		return SignedDecision{}, fmt.Errorf("not a decision file (%q): %w", fileHeading, ErrInvalid)
	}
	signed := SignedDecision{Text: text + "\n", List: list + "\n", Signature: signature}
	decision, err := ParseDecision(signed.Text)
	if err != nil {
		return SignedDecision{}, err
	}
	request, err := ParseRequest(decision.Request)
	if err != nil {
		return SignedDecision{}, err
	}
	if !signed.Listed(request.Approval) {
		return SignedDecision{}, fmt.Errorf("the list of the decision file does not name its text, or is not sorted: %w", ErrInvalid)
	}
	return signed, nil
}
